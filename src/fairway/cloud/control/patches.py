"""Everything that is changed inside ministack, in one place, each with its reason.

The version is pinned exactly; when it moves, every entry here is looked at.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

_STACK = "AWS::CloudFormation::Stack"
_BEGUN = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
_FINISHED = (
    "_COMPLETE",
    "_FAILED",
)

KEPT_EVENTS = 100
"""Events that a stack keeps at least: what DescribeStackEvents answers in one page."""


def patch_acl_entries() -> None:
    """DescribeNetworkAcls leaves port ranges and ICMP types out of its answer."""
    from ministack.services import ec2

    original: Callable[[dict[str, Any]], str] = ec2._network_acl_entry_xml

    def with_ports(entry: dict[str, Any]) -> str:
        extra = ""
        if ports := entry.get("PortRange"):
            extra += f"<portRange><from>{ports['From']}</from><to>{ports['To']}</to></portRange>"
        if icmp := entry.get("Icmp"):
            extra += (
                f"<icmpTypeCode><type>{icmp.get('Type', -1)}</type>"
                f"<code>{icmp.get('Code', -1)}</code></icmpTypeCode>"
            )
        return original(entry).replace("</item>", f"{extra}</item>")

    ec2._network_acl_entry_xml = with_ports


def patch_forward_weights() -> None:
    """A forward action with several target groups keeps the first only; all count."""
    from ministack.services.cloudformation import provisioners

    original = provisioners._elbv2_listener_actions

    def with_weights(props: dict[str, Any], lb_arn: str, prop: str = "DefaultActions") -> Any:
        actions = original(props, lb_arn, prop)
        declared = [a for a in props.get(prop) or [] if isinstance(a, dict)]
        for action, source in zip(actions, declared, strict=True):
            groups = (source.get("ForwardConfig") or {}).get("TargetGroups")
            if groups:
                action["ForwardConfig"] = {"TargetGroups": [dict(g) for g in groups]}
        return actions

    provisioners._elbv2_listener_actions = with_weights


def bound_events(events: list[dict[str, Any]]) -> None:
    """Drop all but a stack's newest KEPT_EVENTS events, and those of its last operation.

    AWS keeps them for 90 days ("View stack events"); here each edit adds some, and all of
    them are written with it.
    """
    begun = [
        place
        for place, event in enumerate(events)
        if event["ResourceStatus"] in _BEGUN and event["LogicalResourceId"] == event["StackName"]
    ]
    del events[: max(0, min(len(events) - KEPT_EVENTS, begun[-1] if begun else 0))]


def patch_events(finished: Callable[[], None]) -> None:
    """Tell when a stack operation ends: the stacks are saved then.

    The engine has no hook for it; it records an event of the stack itself last.
    """
    from ministack.services import cloudformation
    from ministack.services.cloudformation import stacks

    original = stacks._add_event

    def add_event(
        stack_id: str,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        status: str,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        original(stack_id, stack_name, logical_id, resource_type, status, *args, **kwargs)
        if resource_type == _STACK and status.endswith(_FINISHED):
            bound_events(cloudformation._stack_events.get(stack_id, []))
            finished()

    for name, module in list(sys.modules.items()):
        if (
            name.startswith("ministack.services.cloudformation")
            and getattr(module, "_add_event", None) is original
        ):
            module._add_event = add_event  # type: ignore[attr-defined]


def patch_table_replacement() -> None:
    """A changed key or local secondary index empties the table and keeps its name.

    AWS::DynamoDB::Table says "Replacement" of KeySchema, of LocalSecondaryIndexes
    and of an attribute's type: a new table is made, the old one stays until the
    update has succeeded, and comes back when it is rolled back.
    """
    from ministack.services.cloudformation import provisioners

    original = provisioners._ddb_update

    def update(
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
    ) -> Any:
        replaced = provisioners._requires_replacement_dynamodb(old, new) or any(
            (old.get(name) or []) != (new.get(name) or [])
            for name in ("KeySchema", "LocalSecondaryIndexes")
        )
        if not replaced or new.get("TableName"):
            return original(physical_id, old, new, stack, logical_id)
        created = provisioners._seeded_create(
            provisioners._ddb_create, logical_id or physical_id, new, stack
        )
        provisioners._delete_predecessor(provisioners._ddb_delete, physical_id, old)
        return created

    provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]["update"] = update


def patch_output_changes() -> None:
    """A change set that changes outputs alone can be executed, as on AWS.

    ministack counts changes of resources only, and answers that there are none; so a table's
    first link, which brings the output with its name, could not be applied.
    """
    from ministack.services import cloudformation
    from ministack.services.cloudformation import changesets, handlers

    original: Callable[[dict[str, Any]], Any] = changesets._create_change_set

    def create(params: dict[str, Any]) -> Any:
        answer = original(params)
        names = changesets._p(params, "ChangeSetName"), changesets._p(params, "StackName")
        _, change_set = changesets._find_change_set(*names)
        if answer[0] == 200 and change_set and change_set["Status"] == "FAILED":
            stack = cloudformation._stacks.get(change_set["StackName"]) or {}
            if _has_other_outputs(change_set, stack):
                change_set.update(
                    Status="CREATE_COMPLETE", ExecutionStatus="AVAILABLE", StatusReason=""
                )
        return answer

    handlers._ACTION_HANDLERS["CreateChangeSet"] = create


def _has_other_outputs(change_set: dict[str, Any], stack: dict[str, Any]) -> bool:
    """Whether a change set without changes of resources changes outputs."""
    kept: dict[str, Any] = stack.get("_template") or {}
    wanted: dict[str, Any] = change_set["_template"]
    unchanged = "didn't contain changes" in change_set["StatusReason"]
    return unchanged and (kept.get("Outputs") or {}) != (wanted.get("Outputs") or {})


def patch_engine(
    assign: Callable[[str], int], changed: Callable[[], None], finished: Callable[[], None]
) -> None:
    """Prepare the CloudFormation engine. assign: names to local ports. Runs once, after import."""
    from ministack.services.cloudformation import provisioners

    from fairway.cloud.control import (
        destination_roles,
        event_source_roles,
        function_patches,
        validation,
    )
    from fairway.cloud.control.access_logs import delivery
    from fairway.cloud.control.metrics import cloudwatch
    from fairway.cloud.control.resources import (
        addresses,
        apis,
        balancing,
        compute,
        data,
        dependencies,
        network,
    )
    from fairway.cloud.control.resources.registry import (
        extend_handlers,
        install_handlers,
        watch_handlers,
    )
    from fairway.cloud.control.streams import mappings

    patch_acl_entries()
    patch_forward_weights()
    patch_table_replacement()
    patch_output_changes()
    cloudwatch.patch_declared_alarms()
    validation.patch_validation()
    dependencies.patch_deletions()
    install_handlers(provisioners, network.HANDLERS | addresses.HANDLERS)
    for family in (
        data.EXTENSIONS,
        apis.EXTENSIONS,
        compute.EXTENSIONS,
        dependencies.EXTENSIONS,
        function_patches.EXTENSIONS,
        delivery.EXTENSIONS,
        event_source_roles.EXTENSIONS,
        destination_roles.EXTENSIONS,
        mappings.EXTENSIONS,
        balancing.make_extensions(assign),
    ):
        extend_handlers(provisioners, family)
    watch_handlers(provisioners, changed)
    patch_events(finished)


def rename_addresses(moves: dict[str, str]) -> None:
    """Replace "host:port" in stacks' outputs and attributes, after a port had to change.

    moves: old to new. On AWS an address never changes, so the engine has no way for it.
    """
    from ministack.services import cloudformation

    for stack in cloudformation._stacks._data.values():
        for output in stack.get("Outputs") or []:
            output["OutputValue"] = _rename(str(output["OutputValue"]), moves)
        for resource in (stack.get("_resources") or {}).values():
            attributes = resource.get("Attributes") or {}
            for name, value in attributes.items():
                if isinstance(value, str):
                    attributes[name] = _rename(value, moves)


def _rename(text: str, moves: dict[str, str]) -> str:
    for old, new in moves.items():
        text = re.sub(re.escape(old) + r"(?!\d)", new, text)
    return text


def list_deployed_types() -> set[str]:
    """The types of all resources in stacks that exist."""
    from ministack.services import cloudformation

    return {
        str(resource.get("ResourceType"))
        for stack in cloudformation._stacks._data.values()
        if stack.get("StackStatus") != "DELETE_COMPLETE"
        for resource in (stack.get("_resources") or {}).values()
    }
