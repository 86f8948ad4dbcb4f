"""Drift: what was changed behind CloudFormation's back, told apart from what a plan changes.

CloudFormation looks at every resource for it, which takes seconds to minutes on AWS
("Detect unmanaged configuration changes to stacks and resources with drift detection"), so it
is asked for. Detection changes no resource. Properties that the template does not set, and
those that AWS takes and never tells (write-only), do not drift.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fairway.aws import Aws, explain_client_error
from fairway.errors import DeploymentFailed
from fairway.plan.masking import mask_secrets
from fairway.plan.model import Drift, Plan, PropertyChange, StackPlan
from fairway.plan.waiting import Pace

_PATIENCE = 900.0  # seconds of waiting for one stack


def detect_drift(aws: Aws, plan: Plan) -> tuple[Drift, ...]:
    """What drifted in the plan's stacks that exist. Raises DeploymentFailed when refused."""
    from botocore.exceptions import ClientError

    stacks = [stack for stack in plan.stacks if stack.observed is not None]
    try:
        # All are started before the first is waited for.
        asked = [
            (s, aws.cloudformation.detect_stack_drift(StackName=s.name)["StackDriftDetectionId"])
            for s in stacks
        ]
        for stack, detection in asked:
            _wait(aws, stack.name, detection)
        return tuple(drift for stack in stacks for drift in _list_drift(aws, stack))
    except ClientError as error:
        raise DeploymentFailed(
            f"CloudFormation refused to look for drift: {explain_client_error(error)}",
            hint="plan without --drift, or allow cloudformation:DetectStackDrift and the reading "
            "of every resource",
        ) from error


def _wait(aws: Aws, name: str, detection: str) -> None:
    for _ in Pace(patience=_PATIENCE).beats():
        status = aws.cloudformation.describe_stack_drift_detection_status(
            StackDriftDetectionId=detection
        )
        # A detection that failed for some resources still tells about the others.
        if status["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            return
    raise DeploymentFailed(
        f"CloudFormation still looks for drift in {name} after {_PATIENCE:.0f} s",
        hint="plan without --drift",
    )


def _list_drift(aws: Aws, stack: StackPlan) -> Iterator[Drift]:
    places = {change.logical_id: change.place for change in stack.changes}
    for found in _read_pages(aws, stack.name):
        logical_id = found["LogicalResourceId"]
        yield Drift(
            stack.name,
            logical_id,
            found["ResourceType"],
            found["StackResourceDriftStatus"] == "DELETED",
            tuple(_list_differences(found.get("PropertyDifferences", []))),
            places.get(logical_id),
        )


def _read_pages(aws: Aws, name: str) -> Iterator[dict[str, Any]]:
    more: dict[str, Any] = {}
    while True:
        answer = aws.cloudformation.describe_stack_resource_drifts(
            StackName=name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"], **more
        )
        yield from (dict(item) for item in answer["StackResourceDrifts"])
        if "NextToken" not in answer:
            return
        more = {"NextToken": answer["NextToken"]}


def _list_differences(found: Iterable[Any]) -> Iterator[PropertyChange]:
    """Expected and actual value of each property; both come as text."""
    for item in found:
        path = item["PropertyPath"].strip("/").replace("/", ".")
        leaf = path.rsplit(".", 1)[-1]
        expected, actual = (_read_text(item.get(key)) for key in ("ExpectedValue", "ActualValue"))
        yield PropertyChange(path, mask_secrets(expected, leaf), mask_secrets(actual, leaf))


def _read_text(text: Any) -> Any:
    """A value that CloudFormation tells: JSON where it is one, plain text otherwise."""
    if text in (None, "null"):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text
