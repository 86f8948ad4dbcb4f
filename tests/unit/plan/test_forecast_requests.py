"""The requests of a forecast: each names the stack, and the change set goes again."""

from __future__ import annotations

import pytest
from botocore.stub import Stubber
from tests.unit.plan.reviewing import make_plan, resource

from fairway.aws import Aws, Endpoint
from fairway.compile.template import StackTemplate
from fairway.errors import DeploymentFailed
from fairway.plan import Plan
from fairway.plan.forecast import forecast_changes

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/fairway-plan-now/1"
NAMED = {"StackName": "s", "ChangeSetName": ARN}
ADDED = {
    "ResourceChange": {
        "Action": "Add",
        "LogicalResourceId": "Jobs",
        "ResourceType": "AWS::SQS::Queue",
    }
}


def make_changing_plan() -> Plan:
    before = {"Topic": resource("SNS::Topic")}
    return make_plan(before, {**before, "Jobs": resource("SQS::Queue")})


def create(plan: Plan, template: StackTemplate) -> dict[str, object]:
    return {
        "StackName": "s",
        "ChangeSetName": "fairway-plan-now",
        "ChangeSetType": "UPDATE",
        "Capabilities": ["CAPABILITY_IAM"],
        "TemplateBody": template.to_json(),
        "Parameters": [],
        "Tags": [],
    }


def forecast(status: str, **more: object) -> list[str]:
    """What is told of a change set with this status; the stub refuses any other request."""
    plan = make_changing_plan()
    template = plan.stacks[0].template
    assert template is not None
    aws = Aws(Endpoint("eu-west-1", "http://127.0.0.1:9", "key", "secret"))
    answer = {"Status": status, **more}
    with Stubber(aws.cloudformation) as stub:
        stub.add_response("create_change_set", {"Id": ARN}, create(plan, template))
        stub.add_response("describe_change_set", answer, NAMED)
        if status == "CREATE_COMPLETE":
            stub.add_response("describe_change_set", answer, NAMED)
        stub.add_response("delete_change_set", {}, NAMED)
        try:
            (found,) = forecast_changes(aws, plan, "now")
        finally:
            stub.assert_no_pending_responses()
    return list(found.differences)


def test_a_change_set_that_agrees() -> None:
    assert forecast("CREATE_COMPLETE", Changes=[ADDED]) == []


def test_a_change_set_that_differs() -> None:
    assert forecast("CREATE_COMPLETE", Changes=[]) == [
        "Jobs: the plan says create, CloudFormation none"
    ]


def test_a_refused_change_set_goes_too() -> None:
    with pytest.raises(DeploymentFailed, match="no such type"):
        forecast("FAILED", StatusReason="no such type")
