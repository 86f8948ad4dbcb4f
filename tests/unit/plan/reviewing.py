"""Plans of two versions of one stack's resources, for tests of what a reviewer is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairway.compile.template import Origin, StackTemplate
from fairway.define.file import Expect
from fairway.plan import ObservedStack, Plan, StackPlan, Unknown
from fairway.plan.compare import compare_stack

REGION = "eu-west-1"


def make_plan(
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    *,
    components: Mapping[str, str] | None = None,
    parameters: Mapping[str, str | Unknown] | None = None,
    outputs: Mapping[str, Any] | None = None,
    expect: Expect | None = None,
    region: str = REGION,
) -> Plan:
    """A plan of one stack; None for a stack that is not there, before or after."""
    origins = {
        logical_id: Origin(name, ("app",), {}) for logical_id, name in (components or {}).items()
    }
    given = dict(parameters or {})
    observed = None
    if before is not None:
        known = {name: value for name, value in given.items() if isinstance(value, str)}
        observed = ObservedStack("s", "CREATE_COMPLETE", {"Resources": before}, known, {}, {})
    template = None
    if after is not None:
        body = {"Resources": after, "Outputs": outputs or {}}
        template = StackTemplate("s", "app", body, {}, origins, {})
    shown = template or StackTemplate("s", "app", {"Resources": {}}, {}, {}, {})
    changes = compare_stack(None, shown, observed, given, region)
    stack = StackPlan("s", template, observed, given, changes)
    return Plan("shop", "poc", region, None, (stack,), (), compared=True, expect=expect)


def resource(kind: str, /, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def role(*statements: Mapping[str, Any], **properties: Any) -> dict[str, Any]:
    policy = {"PolicyName": "Links", "PolicyDocument": {"Statement": list(statements)}}
    return resource("IAM::Role", Policies=[policy], **properties)


def allow(action: Any, target: Any = "arn:aws:s3:::b", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": target, **more}
