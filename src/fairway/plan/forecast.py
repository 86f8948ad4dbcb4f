"""CloudFormation's own forecast: a change set, compared with the plan and deleted again.

It is the only thing that planning writes, and only when asked. No resource is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairway.aws import Aws, explain_client_error
from fairway.errors import DeploymentFailed
from fairway.plan.model import Action, Forecast, Plan, StackPlan, Unknown
from fairway.plan.waiting import Pace

# "AWS CloudFormation quotas": bytes of a template passed in the request itself.
_LARGEST_BODY = 51_200
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")
_IN_PLACE = frozenset({Action.UPDATE, Action.NONE})
_PATIENCE = 600.0  # seconds of waiting for one change set


def forecast_changes(aws: Aws, plan: Plan, mark: str) -> tuple[Forecast, ...]:
    """The forecast of every stack that changes; mark: makes the change sets' names unique."""
    return tuple(
        _forecast(aws, stack, mark)
        for stack in plan.stacks
        if stack.is_changed and stack.template is not None
    )


def compare_forecast(stack: StackPlan, expected: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What the plan and a change set say differently; expected: its changes by logical id."""
    planned = {change.logical_id: change.action for change in stack.changes}
    for logical_id in sorted({*planned, *expected}):
        ours = planned.get(logical_id, Action.NONE)
        theirs = _read_action(expected.get(logical_id))
        if _may_come(expected.get(logical_id)):
            theirs |= {Action.NONE}
        if stack.observed and logical_id in stack.observed.codes and {ours, *theirs} <= _IN_PLACE:
            continue  # it runs code that CloudFormation does not know of
        if ours not in theirs:
            words = " or ".join(action.value for action in sorted(theirs))
            yield f"{logical_id}: the plan says {ours.value}, CloudFormation {words}"


def _forecast(aws: Aws, stack: StackPlan, mark: str) -> Forecast:
    from botocore.exceptions import ClientError

    assert stack.template is not None
    reason = _find_obstacle(stack)
    if reason is not None:
        return Forecast(stack.name, not_asked=reason)
    try:
        change_set = aws.cloudformation.create_change_set(
            StackName=stack.name,
            ChangeSetName=f"fairway-plan-{mark}",
            ChangeSetType="UPDATE",
            Capabilities=["CAPABILITY_IAM"],
            TemplateBody=stack.template.to_json(),
            Parameters=[
                {"ParameterKey": key, "ParameterValue": str(value)}
                for key, value in sorted(stack.parameters.items())
            ],
            Tags=[{"Key": k, "Value": v} for k, v in sorted(stack.template.tags.items())],
        )["Id"]
        try:
            expected = _wait(aws, stack.name, change_set)
        finally:
            aws.cloudformation.delete_change_set(StackName=stack.name, ChangeSetName=change_set)
    except ClientError as error:
        raise DeploymentFailed(
            f"CloudFormation refused a change set for {stack.name}: {explain_client_error(error)}",
            hint="plan without --change-set",
        ) from error
    return Forecast(stack.name, tuple(compare_forecast(stack, expected)))


def _find_obstacle(stack: StackPlan) -> str | None:
    """Why CloudFormation cannot be asked yet."""
    assert stack.template is not None
    if stack.observed is None:
        return "it is new, so all of it is created"
    unknown = [name for name, value in stack.parameters.items() if isinstance(value, Unknown)]
    if unknown:
        return f"{', '.join(unknown)} will only be known when the stacks before it are applied"
    if len(stack.template.to_json().encode()) > _LARGEST_BODY:
        return "its template is too large to send without storing it first"
    return None


def _wait(aws: Aws, stack: str, change_set: str) -> dict[str, dict[str, Any]]:
    # The stack is named beside the change set's ARN: it is the resource that policies allow.
    for _ in Pace(patience=_PATIENCE).beats():
        described = aws.cloudformation.describe_change_set(
            StackName=stack, ChangeSetName=change_set
        )
        status, reason = described["Status"], described.get("StatusReason", "")
        if status == "CREATE_COMPLETE":
            return _read_changes(aws, stack, change_set)
        if status == "FAILED":
            if any(text in reason for text in _UNCHANGED):
                return {}
            raise DeploymentFailed(
                f"CloudFormation refused the change set: {reason}",
                hint="mend what it names; `fairway check` may say more",
            )
    raise DeploymentFailed(
        f"CloudFormation did not finish the change set in {_PATIENCE:.0f} s",
        hint="plan without --change-set",
    )


def _read_changes(aws: Aws, stack: str, change_set: str) -> dict[str, dict[str, Any]]:
    pages = aws.cloudformation.get_paginator("describe_change_set").paginate(
        StackName=stack, ChangeSetName=change_set
    )
    changes = [dict(c.get("ResourceChange", {})) for page in pages for c in page.get("Changes", [])]
    return {str(change.get("LogicalResourceId")): change for change in changes}


def _may_come(change: Mapping[str, Any] | None) -> bool:
    """Whether a change only comes when what it refers to turns out to be another value.

    "ResourceChangeDetail", Evaluation: Dynamic stands for what is known when it is executed.
    """
    details = change.get("Details", []) if change else []
    return bool(details) and all(item.get("Evaluation") == "Dynamic" for item in details)


def _read_action(change: Mapping[str, Any] | None) -> frozenset[Action]:
    """The actions of ours that agree with one change of a change set."""
    if change is None:
        return frozenset({Action.NONE})
    match change.get("Action"), change.get("Replacement"):
        case "Add", _:
            return frozenset({Action.CREATE})
        case "Remove", _:
            return frozenset({Action.DELETE, Action.KEEP})
        case "Modify", "True":
            return frozenset({Action.REPLACE})
        case "Modify", "Conditional":
            return frozenset({Action.REPLACE, Action.UPDATE})
    return frozenset({Action.UPDATE})
