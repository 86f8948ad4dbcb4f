"""Stacks that are stuck, brought into that state for real: explained, and mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.lifecycle.applications import Application, wait_until
from tests.lifecycle.small import DEFINITION, REFUSED, SOURCE, read_page

pytestmark = pytest.mark.slow


def wait_for(app: Application, stack: str) -> str:
    client = app.aws().cloudformation

    def read() -> str:
        return str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])

    wait_until(lambda: not read().endswith("_IN_PROGRESS"), stack)
    return read()


def execute(app: Application, stack: str, template: dict[str, Any], kind: str) -> str:
    client = app.aws().cloudformation
    made = client.create_change_set(
        StackName=stack,
        ChangeSetName="by-hand",
        ChangeSetType=kind,  # type: ignore[arg-type]
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    client.execute_change_set(ChangeSetName=made["Id"])
    return wait_for(app, stack)


@pytest.fixture
def app(write_app: Callable[..., Application]) -> Application:
    application = write_app(DEFINITION, SOURCE)
    application.apply()
    return application


def test_nothing_is_stuck(app: Application) -> None:
    assert "no stack is stuck" in app.fairway("repair", "--yes").expect().out
    assert app.fairway("repair", "--json").expect().json() == {"troubles": [], "mended": {}}


def test_a_prepared_creation(app: Application) -> None:
    """REVIEW_IN_PROGRESS: a change set that nobody executed."""
    app.fairway("destroy", "--yes").expect()
    client = app.aws().cloudformation
    client.create_change_set(
        StackName="small-local-app",
        ChangeSetName="fairway-left",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}),
    )
    told = app.fairway("repair").expect(1)
    assert "small-local-app is REVIEW_IN_PROGRESS: its creation was prepared" in told.out
    assert "small-local-app is DELETE_COMPLETE now" in app.fairway("repair", "--yes").expect().out
    app.apply()
    assert read_page(app) == "first 0"


def test_a_failed_creation(write_app: Callable[..., Application]) -> None:
    """ROLLBACK_COMPLETE: told, removed by repair; and apply gets past it without repair too."""
    app = write_app(DEFINITION + REFUSED, SOURCE)
    app.fairway("apply", "--yes").expect(1)
    assert wait_for(app, "small-local-app") == "ROLLBACK_COMPLETE"
    told = app.fairway("repair", "--yes", "--json").expect().json()
    assert [t["status"] for t in told["troubles"]] == ["ROLLBACK_COMPLETE"]
    assert "Extra" in {h["logical_id"] for h in told["troubles"][0]["hindrances"]}
    assert told["mended"] == {"small-local-app": "DELETE_COMPLETE"}
    app.fairway("apply", "--yes").expect(1)
    app.replace(REFUSED, "")
    app.apply()
    assert read_page(app) == "first 0"


def test_a_full_bucket_holds_a_deletion_up(app: Application) -> None:
    """DELETE_FAILED: the objects go only when the bucket is named."""
    stack = "small-local-data"
    files = {"Resources": {"Files": {"Type": "AWS::S3::Bucket"}}}
    app.fairway("destroy", "--yes").expect()
    assert execute(app, stack, files, "CREATE") == "CREATE_COMPLETE"
    aws = app.aws()
    bucket = aws.cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="Files")[
        "StackResourceDetail"
    ]["PhysicalResourceId"]
    aws.s3.put_object(Bucket=bucket, Key="kept", Body=b"kept")
    aws.cloudformation.delete_stack(StackName=stack)
    assert wait_for(app, stack) == "DELETE_FAILED"
    refused = app.fairway("apply", "--yes").expect(1)
    assert f"{stack} is stuck in DELETE_FAILED" in refused.err
    assert "fairway repair" in refused.err
    assert "next: fairway repair" in app.fairway("status").expect().err
    unnamed = app.fairway("repair", "--yes").expect(1)
    assert f"held up by objects in Files ({bucket})" in unnamed.err
    assert "--empty Files" in unnamed.err
    assert aws.s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"kept"
    app.fairway("repair", "--yes", "--empty", "Files").expect()
    assert bucket not in {b["Name"] for b in aws.s3.list_buckets()["Buckets"]}
    app.apply()


def test_a_bucket_may_be_kept_instead(app: Application) -> None:
    stack = "small-local-data"
    app.fairway("destroy", "--yes").expect()
    execute(app, stack, {"Resources": {"Files": {"Type": "AWS::S3::Bucket"}}}, "CREATE")
    aws = app.aws()
    bucket = aws.cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="Files")[
        "StackResourceDetail"
    ]["PhysicalResourceId"]
    aws.s3.put_object(Bucket=bucket, Key="kept", Body=b"kept")
    aws.cloudformation.delete_stack(StackName=stack)
    assert wait_for(app, stack) == "DELETE_FAILED"
    app.fairway("repair", "--yes", "--keep", "Files").expect()
    assert aws.s3.get_object(Bucket=bucket, Key="kept")["Body"].read() == b"kept"


def test_an_interface_in_use_holds_a_deletion_up(app: Application) -> None:
    """DELETE_FAILED: a security group that something outside the stack still names."""
    stack = "small-local-network"
    network = {
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/24"}},
            "Group": {
                "Type": "AWS::EC2::SecurityGroup",
                "Properties": {"GroupDescription": "g", "VpcId": {"Ref": "Vpc"}},
            },
        }
    }
    assert execute(app, stack, network, "CREATE") == "CREATE_COMPLETE"
    aws = app.aws()
    found = {
        r["LogicalResourceId"]: r["PhysicalResourceId"]
        for r in aws.cloudformation.describe_stack_resources(StackName=stack)["StackResources"]
    }
    other = aws.ec2.create_security_group(
        GroupName="other", Description="other", VpcId=found["Vpc"]
    )["GroupId"]
    pair = {"UserIdGroupPairs": [{"GroupId": found["Group"]}], "IpProtocol": "-1"}
    aws.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[pair])  # type: ignore[list-item]
    aws.cloudformation.delete_stack(StackName=stack)
    assert wait_for(app, stack) == "DELETE_FAILED"
    told = app.fairway("repair", "--yes").expect(1)
    assert "interfaces of functions stay for 20 minutes" in told.out
    aws.ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=[pair])  # type: ignore[list-item]
    aws.ec2.delete_security_group(GroupId=other)
    app.fairway("repair", "--yes").expect()
    assert stack not in app.status()["stacks"]


def test_a_failed_rollback(app: Application) -> None:
    """UPDATE_ROLLBACK_FAILED: the old settings can no longer be had; the resource is skipped."""
    stack = "small-local-network"
    aws = app.aws()
    aws.s3.create_bucket(
        Bucket="held", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    policy = {"Version": "2012-10-17", "Statement": []}

    def write(bucket: str, more: dict[str, Any]) -> dict[str, Any]:
        return {
            "Resources": {
                "Policy": {
                    "Type": "AWS::S3::BucketPolicy",
                    "Properties": {"Bucket": bucket, "PolicyDocument": policy | more},
                },
                "Gate": {"Type": "AWS::SNS::Topic"},
            }
        }

    assert execute(app, stack, write("held", {}), "CREATE") == "CREATE_COMPLETE"
    changed = write("held", {"Id": "changed"})
    changed["Resources"]["Late"] = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "DependsOn": "Policy",
        "Properties": {"Handle": {"Ref": "Handle"}, "Timeout": "30"},
    }
    changed["Resources"]["Handle"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    client = aws.cloudformation
    made = client.create_change_set(
        StackName=stack,
        ChangeSetName="by-hand-2",
        ChangeSetType="UPDATE",
        TemplateBody=json.dumps(changed),
    )
    client.execute_change_set(ChangeSetName=made["Id"])

    def list_done() -> set[tuple[str, str]]:
        events = client.describe_stack_events(StackName=stack)["StackEvents"]
        return {(e["LogicalResourceId"], e["ResourceStatus"]) for e in events}

    wait_until(lambda: ("Policy", "UPDATE_COMPLETE") in list_done(), "the policy is changed")
    aws.s3.delete_bucket(Bucket="held")
    client.cancel_update_stack(StackName=stack)
    assert wait_for(app, stack) == "UPDATE_ROLLBACK_FAILED"
    refused = app.fairway("repair", "--yes").expect(1)
    assert "an update failed, and so did going back" in refused.out
    assert "--skip Policy" in refused.out + refused.err
    app.fairway("repair", "--yes", "--skip", "Policy").expect()
    assert wait_for(app, stack) == "UPDATE_ROLLBACK_COMPLETE"
