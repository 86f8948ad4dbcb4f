"""What CloudFormation refuses before it creates anything, added to ministack's engine."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from fairway.cloud.control.metrics.cloudwatch import find_early_refusal
from fairway.cloud.control.properties import find_problems, word_problems
from fairway.cloud.control.references import find_fault
from fairway.cloud.control.schemas import load_schema
from fairway.cloud.control.stack_policy import Action, find_denial

_previous: ContextVar[dict[str, Any] | None] = ContextVar("previous_stack", default=None)

_EXTRA_ATTRIBUTES = {
    # Attributes that the resource's page names and the published schema leaves out.
    "AWS::EC2::SecurityGroup": frozenset({"VpcId"}),
    "AWS::SQS::Queue": frozenset({"QueueName"}),
}


_REFUSED: dict[str, Callable[[Any], str | None]] = {"AWS::CloudWatch::Alarm": find_early_refusal}
"""What the local cloud does not do, by types whose properties tell it before anything is made."""


def patch_validation() -> None:
    """Check references, properties and stack policies where AWS checks them."""
    from ministack.services.cloudformation import engine, stacks

    _replace(engine.validate_template_support, _check_template(engine.validate_template_support))
    _replace(engine._resolve_parameters, _word_parameters(engine._resolve_parameters))
    stacks._validation_errors = _check_properties(stacks._validation_errors)
    stacks._fail_property_validation = _remember_previous(stacks._fail_property_validation)


def _replace(original: Any, new: Any) -> None:
    """Put a function in the place of another, in all of the engine's modules that imported it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("ministack.services.cloudformation"):
            for attribute, value in list(vars(module).items()):
                if value is original:
                    setattr(module, attribute, new)


def _check_template(original: Callable[..., None]) -> Callable[..., None]:
    def check(template: Any, conditions: Any, params: Any = None) -> None:
        original(template, conditions, params)
        fault = find_fault(template, list_attributes)
        if fault:
            raise ValueError(fault)

    return check


_WORDED = (
    (
        re.compile(r"Parameter '(.+)' has no Default and was not provided"),
        r"Parameters: [\1] must have values",
    ),
    (
        re.compile(r"Parameter '(.+)' value '.*' is not in AllowedValues: .*", re.DOTALL),
        r"Parameter '\1' must be one of AllowedValues",
    ),
)


def _word_parameters(original: Callable[..., Any]) -> Callable[..., Any]:
    """Faulty parameters, in AWS's words ("Template syntax: Parameters")."""

    def resolve(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except ValueError as error:
            text = str(error)
            for pattern, words in _WORDED:
                text = pattern.sub(words, text)
            raise ValueError(text) from error

    return resolve


def list_attributes(kind: str) -> frozenset[str] | None:
    """What Fn::GetAtt may name of a type: its attributes, and its properties as far as known."""
    from ministack.core.responses import get_region

    schema = load_schema(kind, get_region())
    if schema is None:
        return None
    read_only = {str(p).split("/")[2] for p in schema.get("readOnlyProperties") or []}
    return frozenset(read_only | set(schema.get("properties") or {})) | _EXTRA_ATTRIBUTES.get(
        kind, frozenset()
    )


def _remember_previous(original: Callable[..., bool]) -> Callable[..., bool]:
    """The check below needs the stack as it was: what an update removes is not in the template."""

    def fail(*args: Any, previous_stack: Any = None, **kwargs: Any) -> bool:
        token = _previous.set(previous_stack)
        try:
            return original(*args, previous_stack=previous_stack, **kwargs)
        finally:
            _previous.reset(token)

    return fail


def _check_properties(original: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Add schema and policy faults; each is also an event of its resource, as users know it."""

    def check(
        definitions: Any,
        ordered: Any,
        param_values: Any,
        conditions: Any,
        mappings: Any,
        stack_name: str,
        stack_id: str,
        *rest: Any,
    ) -> list[Any]:
        from ministack.services.cloudformation import _stacks, stacks

        found = original(
            definitions, ordered, param_values, conditions, mappings, stack_name, stack_id, *rest
        )
        previous = _previous.get()
        existing = (previous or {}).get("_resources") or {}
        faults = [*_find_schema_faults(definitions, ordered, conditions)]
        if previous is not None:
            policy = str(_stacks[stack_name].get("_stack_policy") or "")
            faults += _find_policy_faults(policy, previous, definitions)
        for logical_id, kind, reason in faults:
            status = "UPDATE_FAILED" if logical_id in existing else "CREATE_FAILED"
            stacks._add_event(stack_id, stack_name, logical_id, kind, status, reason)
            path = f"/Resources/{logical_id}/Properties"
            found.append((logical_id, kind, "PROPERTY_VALIDATION", path, reason))
        return found

    return check


Fault = tuple[str, str, str]
"""Logical id, type and reason."""


def _find_schema_faults(definitions: Any, ordered: Any, conditions: Any) -> list[Fault]:
    from ministack.core.responses import get_region

    faults = []
    for logical_id in ordered:
        resource = definitions[logical_id]
        condition = resource.get("Condition")
        kind = str(resource.get("Type"))
        schema = load_schema(kind, get_region())
        if schema is None or (condition and not conditions.get(condition, True)):
            continue
        properties = resource.get("Properties") or {}
        problems = find_problems(schema, properties)
        if problems:
            faults.append((logical_id, kind, word_problems(logical_id, problems)))
        elif kind in _REFUSED and (reason := _REFUSED[kind](properties)):
            faults.append((logical_id, kind, reason))
    return faults


def _find_policy_faults(policy: str, previous: Any, definitions: Any) -> list[Fault]:
    """Resources that the stack policy keeps from being changed as asked."""
    if not policy:
        return []
    before = (previous.get("_template") or {}).get("Resources") or {}
    faults = []
    for logical_id, resource in (previous.get("_resources") or {}).items():
        kind = str(resource.get("ResourceType"))
        action = _name_action(before.get(logical_id), definitions.get(logical_id), kind)
        reason = action and find_denial(policy, logical_id, kind, action)
        if reason:
            faults.append((logical_id, kind, reason))
    return faults


def _name_action(before: Any, after: Any, kind: str) -> Action | None:
    """What an update does to one resource, as stack policies name it."""
    if after is None:
        return "Update:Delete"
    old, new = (before or {}).get("Properties") or {}, after.get("Properties") or {}
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    if not changed:
        return None
    return "Update:Replace" if changed & _list_create_only(kind) else "Update:Modify"


def _list_create_only(kind: str) -> set[str]:
    from ministack.core.responses import get_region

    schema = load_schema(kind, get_region()) or {}
    return {str(p).split("/")[2] for p in schema.get("createOnlyProperties") or []}
