"""Stacks whose operation a kill interrupted: rolled back, or their deletion carried on.

While an operation runs, the stack's record carries what it needs to be undone;
the emulator keeps that only for operations that failed. Resources and the
stack's record of them are written as one batch, so what is rolled back is what
exists.
"""

from __future__ import annotations

import asyncio
import copy
import sys
from collections.abc import Callable, Coroutine
from types import FunctionType
from typing import Any

from fairway.cloud.control.durable.touch import hold_touched

OPERATION = "_fairway_operation"
REASON = "The local cloud was killed during this operation"
_RESTING = "REVIEW_IN_PROGRESS"

Stack = dict[str, Any]


def record_operations(notes: Callable[[str], None]) -> None:
    """Keep with a stack what its running operation would need. notes: tell a service wrote."""
    from ministack.services.cloudformation import _stacks, stacks

    deploy, delete = stacks._deploy_stack_async, stacks._delete_stack_async
    roll_back, add_event = stacks._roll_back_operation, stacks._add_event

    def recorded_deploy(
        stack_name: str,
        stack_id: str,
        template: Stack,
        param_values: Stack,
        disable_rollback: bool,
        tags: Any = None,
        **options: Any,
    ) -> Coroutine[Any, Any, None]:
        running = deploy(
            stack_name, stack_id, template, param_values, disable_rollback, tags, **options
        )
        kept = {"roll_back": _describe_deploy(template, param_values, tags, options)}
        return _recorded(_stacks.get(stack_name), kept, running)

    def recorded_delete(
        stack_name: str, stack_id: str, retain_resources: Any = (), force: bool = False
    ) -> Coroutine[Any, Any, None]:
        running = delete(stack_name, stack_id, retain_resources, force=force)
        kept = {"delete": {"retain": sorted(retain_resources), "force": force}}
        return _recorded(_stacks.get(stack_name), kept, running)

    def recorded_roll_back(
        stack_name: str, stack_id: str, stack: Stack, operation: Any, reason_override: str = ""
    ) -> Coroutine[Any, Any, None]:
        running = roll_back(stack_name, stack_id, stack, operation, reason_override)
        return _recorded(stack, {"roll_back": operation}, running)

    def noted_event(*args: Any, **kwargs: Any) -> None:
        add_event(*args, **kwargs)
        notes("cloudformation")

    _replace(
        {
            deploy: recorded_deploy,
            delete: recorded_delete,
            roll_back: recorded_roll_back,
            add_event: noted_event,
        }
    )


def _describe_deploy(
    template: Stack, param_values: Stack, tags: Any, options: dict[str, Any]
) -> dict[str, Any]:
    """What the engine's rollback takes; what was created is found when it is needed."""
    from ministack.services.cloudformation import stacks

    before = options.get("previous_stack")
    described: dict[str, Any] = stacks._failed_operation(
        is_update=options.get("is_update", False),
        previous_stack=before,
        created=[],
        failed_update=None,
        failed_logical_id=None,
        replaced_ids=[],
        cancelled=False,
        template=template,
        param_values=param_values,
        retain_except_on_create=options.get("retain_except_on_create", False),
        stack_tags=tags or [],
        previous_tags=(before or {}).get("Tags") or [],
        imports=options.get("imports"),
    )
    return described


def _recorded(
    stack: Stack | None, operation: dict[str, Any], running: Coroutine[Any, Any, None]
) -> Coroutine[Any, Any, None]:
    """Keep the operation from this moment, before the request that asked for it is answered."""
    if stack is not None:
        stack[OPERATION] = operation

    async def run() -> None:
        try:
            with hold_touched():  # the engine goes on changing the records that it read
                await running
        finally:
            if stack is not None and stack.get(OPERATION) is operation:
                del stack[OPERATION]

    return run()


def _replace(functions: dict[Any, Any]) -> None:
    """Every module of the engine has its own name for these functions."""
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("ministack.services.cloudformation"):
            for name, value in list(vars(module).items()):
                if isinstance(value, FunctionType) and value in functions:
                    setattr(module, name, functions[value])


def list_interrupted() -> list[Stack]:
    """Stacks that say an operation is under way; right after the start none is."""
    from ministack.services.cloudformation import _stacks

    return [
        stack
        for stack in list(_stacks._data.values())
        if stack["StackStatus"].endswith("_IN_PROGRESS") and stack["StackStatus"] != _RESTING
    ]


def recover(stack: Stack, notify: Callable[[str], None]) -> asyncio.Task[None] | None:
    """Undo or finish one interrupted operation, as the engine does it itself."""
    from ministack.services.cloudformation import stacks

    name, stack_id, status = stack["StackName"], stack["StackId"], stack["StackStatus"]
    operation = stack.get(OPERATION) or {}
    left = _list_unfinished(stack)
    with stacks._stack_region_context(stack, stack_id):
        if "delete" in operation or status.startswith("DELETE"):
            wanted = operation.get("delete", {})
            running = stacks._delete_stack_async(
                name,
                stack_id,
                frozenset(wanted.get("retain", ())),
                force=wanted.get("force", False),
            )
            outcome = "its deletion is carried on"
        elif "roll_back" in operation and _is_past_return(stack, operation["roll_back"]):
            running = _finish_update(stack, operation["roll_back"])
            outcome = "all its changes were made, so it is finished"
        elif "roll_back" in operation:
            undone = _complete_operation(stack, operation["roll_back"])
            running = stacks._roll_back_operation(name, stack_id, stack, undone, REASON)
            outcome = "it is rolled back"
        else:
            notify(_settle(stack, left))
            return None
        notify(_explain(name, status, outcome, left))
        return asyncio.get_running_loop().create_task(running)


def _is_past_return(stack: Stack, operation: dict[str, Any]) -> bool:
    """Whether an update had made every change: then it may have begun to remove what is old."""
    from ministack.services.cloudformation import stacks

    if not operation.get("is_update") or stack["StackStatus"] != "UPDATE_IN_PROGRESS":
        return False
    template = operation["template"]
    conditions = stacks._evaluate_conditions(template, operation["param_values"])
    wanted = {
        name
        for name, resource in template.get("Resources", {}).items()
        if conditions.get(resource.get("Condition"), True)
    }
    return wanted <= set(_complete_operation(stack, operation)["created"])


def _finish_update(stack: Stack, operation: dict[str, Any]) -> Coroutine[Any, Any, None]:
    """Update from what the stack has now: nothing changes again, what is left over is removed."""
    from ministack.services.cloudformation import stacks

    before = operation["previous_stack"]
    there = {**before, "_resources": copy.deepcopy(stack.get("_resources", {}))}
    running: Coroutine[Any, Any, None] = stacks._deploy_stack_async(
        stack["StackName"],
        stack["StackId"],
        operation["template"],
        operation["param_values"],
        False,
        operation["stack_tags"],
        is_update=True,
        previous_stack=there,
        retain_except_on_create=operation["retain_except_on_create"],
    )
    return running


def _complete_operation(stack: Stack, operation: dict[str, Any]) -> dict[str, Any]:
    """With the resources that were created or changed before the kill."""
    before = (operation.get("previous_stack") or {}).get("_resources", {})
    created = [n for n, r in stack.get("_resources", {}).items() if before.get(n) != r]
    replaced = [n for n in operation.get("replaced_ids", []) if n in created]
    return {**operation, "created": created, "replaced_ids": replaced}


def _settle(stack: Stack, left: list[str]) -> str:
    """An operation of which nothing was kept: say that it failed, so that it can be ended."""
    from ministack.services.cloudformation import stacks

    status = stack["StackStatus"]
    failed = "UPDATE_ROLLBACK_FAILED" if status.startswith("UPDATE") else "ROLLBACK_FAILED"
    stack["StackStatus"], stack["StackStatusReason"] = failed, REASON
    name, stack_id = stack["StackName"], stack["StackId"]
    stacks._add_event(stack_id, name, name, "AWS::CloudFormation::Stack", failed, REASON, stack_id)
    return _explain(name, status, f"it is {failed} and can be deleted", left)


def _list_unfinished(stack: Stack) -> list[str]:
    """Resources that were being worked on at the kill."""
    from ministack.services.cloudformation import _stack_events

    latest: dict[str, tuple[str, str]] = {}
    for event in _stack_events._data.get(
        next((k for k in list(_stack_events._data) if k[-1] == stack["StackId"]), ()), []
    ):
        latest[event["LogicalResourceId"]] = (event["ResourceStatus"], event["ResourceType"])
    return [
        f"{name} ({kind})"
        for name, (status, kind) in latest.items()
        if status.endswith("_IN_PROGRESS") and kind != "AWS::CloudFormation::Stack"
    ]


def _explain(name: str, status: str, outcome: str, left: list[str]) -> str:
    text = f"The local cloud was killed while stack {name} was {status}: {outcome}."
    if left:
        text += f" Being worked on, and perhaps left behind: {', '.join(left)}."
    return text
