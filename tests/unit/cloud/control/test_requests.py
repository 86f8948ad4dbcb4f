"""What a request can change, from its head."""

from __future__ import annotations

from typing import Any

import pytest

from fairway.cloud.control.requests import Change, classify, reads_by_form


def make_scope(method: str, path: str, target: str = "") -> dict[str, Any]:
    headers = [(b"x-amz-target", target.encode())] if target else []
    return {"type": "http", "method": method, "path": path, "headers": headers}


@pytest.mark.parametrize(
    ("target", "change"),
    [
        ("DynamoDB_20120810.PutItem", Change.DATA),
        ("DynamoDB_20120810.TransactWriteItems", Change.DATA),
        ("DynamoDB_20120810.ExecuteStatement", Change.DATA),
        ("DynamoDB_20120810.GetItem", Change.NONE),
        ("DynamoDB_20120810.BatchGetItem", Change.NONE),
        ("DynamoDB_20120810.Query", Change.NONE),
        ("DynamoDB_20120810.CreateTable", Change.CONTROL),
        ("TrentService.GetKeyPolicy", Change.NONE),
        ("TrentService.GetParametersForImport", Change.CONTROL),
        ("DynamoDB_20120810.UpdateTimeToLive", Change.CONTROL),
        ("AmazonSQS.SendMessage", Change.DATA),
        ("AmazonSQS.ReceiveMessage", Change.DATA),
        ("AmazonSQS.GetQueueUrl", Change.NONE),
        ("AmazonSQS.CreateQueue", Change.CONTROL),
        ("AmazonSSM.PutParameter", Change.DATA),
        ("secretsmanager.PutSecretValue", Change.CONTROL),
        ("Logs_20140328.PutLogEvents", Change.CONTROL),
        ("Kinesis_20131202.PutRecord", Change.DATA),
        ("Kinesis_20131202.GetRecords", Change.NONE),
        ("Kinesis_20131202.CreateStream", Change.CONTROL),
    ],
)
def test_actions_named_by_a_header(target: str, change: Change) -> None:
    assert classify(make_scope("POST", "/", target), "any") is change


@pytest.mark.parametrize(
    ("service", "method", "path", "change"),
    [
        ("s3", "PUT", "/bucket/folder/key", Change.DATA),
        ("s3", "PUT", "/bucket", Change.CONTROL),
        ("s3", "POST", "/bucket/", Change.CONTROL),
        ("s3", "GET", "/bucket/key", Change.NONE),
        ("s3", "HEAD", "/bucket/key", Change.NONE),
        ("lambda", "POST", "/2015-03-31/functions", Change.CONTROL),
        ("lambda", "POST", "/2015-03-31/functions/f/invocations", Change.NONE),
        ("iam", "POST", "/", Change.CONTROL),
        ("cloudformation", "POST", "/", Change.CONTROL),
        ("apigateway", "GET", "/v2/apis", Change.NONE),
    ],
)
def test_actions_named_by_method_and_path(
    service: str, method: str, path: str, change: Change
) -> None:
    assert classify(make_scope(method, path), service) is change


@pytest.mark.parametrize(
    ("service", "body", "reads"),
    [
        ("cloudformation", b"Action=DescribeStacks&Version=2010-05-15&StackName=s", True),
        ("ec2", b"Action=DescribeVpcs", True),
        ("cloudformation", b"Action=ExecuteChangeSet&ChangeSetName=Describe", False),
        ("cloudformation", b"StackName=s&Action=DescribeStacks", False),
        ("sts", b"Action=GetSessionToken&Version=2011-06-15", False),
        ("s3", b"", False),
    ],
)
def test_actions_named_by_a_form(service: str, body: bytes, reads: bool) -> None:
    assert reads_by_form(body, service) is reads


@pytest.mark.parametrize(
    ("service", "query", "change"),
    [
        ("iam", b"Action=UpdateRole&RoleName=r&Version=2010-05-08", Change.CONTROL),
        ("iam", b"RoleName=r&Version=2010-05-08&Action=UpdateRole", Change.CONTROL),
        ("iam", b"Action=GetRole&RoleName=r", Change.NONE),
        ("sts", b"Action=GetSessionToken", Change.CONTROL),
        ("", b"Action=GetSessionToken&X-Amz-Signature=0", Change.CONTROL),
        ("apigateway", b"", Change.NONE),
    ],
)
def test_actions_named_by_a_query(service: str, query: bytes, change: Change) -> None:
    scope = {**make_scope("GET", "/"), "query_string": query}
    assert classify(scope, service) is change
