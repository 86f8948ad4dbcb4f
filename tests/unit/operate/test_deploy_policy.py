"""The deployer's policy: all that the stages and CloudFormation call, and nothing else.

What each action is granted for, a call in the stages' source or a handler in AWS's schemas, is
compared as sets; that the calls are asked for as we think is shown by tests/lifecycle.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.loaders import Loader
from hypothesis import given, settings
from tests.security.applications import files, read

import fairway
from fairway.aws import Aws
from fairway.compile import Templates, compile_app
from fairway.define import App, define_app
from fairway.define.definition import define_text
from fairway.operate.action_table import list_resource_types
from fairway.operate.deploy_policy import (
    MANAGED_POLICY_SIZE,
    STAGE_CALLS,
    list_uncovered,
    make_deploy_policy,
    split_policy,
)
from fairway.operate.handler_calls import (
    ALSO,
    ONLY_FOR,
    VERBS,
    find_asking,
    list_handler_actions,
)
from fairway.plan.schemas import load_schema

EXAMPLES = Path(__file__).parents[3] / "examples"
# All that applies, goes back or mends; reading log lines is another purpose.
STAGES = (
    "apply", "aws", "plan", "route.py", "operate/history.py", "operate/promote.py",
    "operate/repair.py", "operate/rollback.py", "operate/status.py",
)  # fmt: skip
# API operations whose IAM action has another name: Service Authorization Reference.
ACTIONS = {
    # boto3's own, each made of several operations.
    "s3:copy": ["s3:GetObject", "s3:PutObject"],
    "s3:download_file": ["s3:GetObject"],
    "s3:download_fileobj": ["s3:GetObject"],
    "s3:upload_file": ["s3:PutObject"],
    "s3:upload_fileobj": ["s3:PutObject"],
    "s3:DeleteObjects": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
    "s3:HeadObject": ["s3:GetObject", "s3:ListBucket"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    # "Amazon SQS API permissions": a batch needs what its parts need.
    "sqs:ChangeMessageVisibilityBatch": ["sqs:ChangeMessageVisibility"],
    "sqs:DeleteMessageBatch": ["sqs:DeleteMessage"],
    "sqs:SendMessageBatch": ["sqs:SendMessage"],
    # "Using IAM with DynamoDB backup and restore": what a restore asks for.
    "dynamodb:RestoreTableFromBackup": [
        "dynamodb:RestoreTableFromBackup", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem",
        "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan",
        "dynamodb:UpdateItem",
    ],
    # "GetCallerIdentity": no permissions are required.
    "sts:GetCallerIdentity": [],
    # Change sets are made with Tags.
    "cloudformation:CreateChangeSet": [
        "cloudformation:CreateChangeSet", "cloudformation:TagResource",
    ],
}  # fmt: skip
CLIENTS = {
    name: name.removesuffix("_")
    for name, member in vars(Aws).items()
    if isinstance(member, cached_property)
}


def read_example(name: str, environment: str) -> tuple[App, Templates]:
    app = define_app(EXAMPLES / name, environment).require_app()
    return app, compile_app(app)


def list_bodies(templates: Templates) -> list[Mapping[str, Any]]:
    return [body for stack in templates.stacks for body in stack.resources.values()]


def list_calls() -> Iterator[str]:
    """API operations in the stages' source, through clients and names that stand for them."""
    root = Path(fairway.__file__).parent
    for stage in STAGES:
        found = [root / stage] if stage.endswith(".py") else (root / stage).rglob("*.py")
        for file in found:
            tree = ast.parse(file.read_text())
            aliases = dict(find_aliases(tree))
            for node in ast.walk(tree):
                match node:
                    case ast.Call(func=ast.Attribute(value=whose, attr=method), args=arguments):
                        client = name_client(whose, aliases)
                        if client is not None:
                            yield from name_call(client, method, arguments)


def find_aliases(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names that are bound to clients: `s3 = self.aws.s3`, also several at once."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        pairs: list[tuple[Any, Any]] = [(node.targets[0], node.value)]
        if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
            pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
        for target, value in pairs:
            match target, value:
                case ast.Name(id=name), ast.Attribute(attr=client) if client in CLIENTS:
                    yield name, client


def name_client(whose: ast.expr, aliases: Mapping[str, str]) -> str | None:
    match whose:
        case ast.Attribute(attr=attr) if attr in CLIENTS:
            return attr
        case ast.Name(id=name):
            return aliases.get(name)
    return None


def name_call(client: str, method: str, arguments: list[ast.expr]) -> Iterator[str]:
    service = CLIENTS[client]
    if method == "get_paginator":
        (first,) = arguments
        assert isinstance(first, ast.Constant)
        method = str(first.value)
    if f"{service}:{method}" in ACTIONS:
        yield f"{service}:{method}"
    elif method != "generate_presigned_url":
        yield f"{service}:{name_operation(service, method)}"


def name_operation(service: str, method: str) -> str:
    model = Loader().load_service_model(service, "service-2")
    return next(name for name in model["operations"] if xform_name(name) == method)


def test_the_stages_are_allowed_what_they_call_and_nothing_else() -> None:
    calls = set(list_calls())
    assert {"cloudformation:CreateChangeSet", "s3:PutObject", "sts:GetCallerIdentity"} <= calls
    assert {"dynamodb:CreateBackup", "cloudformation:ContinueUpdateRollback"} <= calls  # by alias
    needed = {action for call in calls for action in ACTIONS.get(call, [call])}
    allowed = frozenset[str]().union(*STAGE_CALLS.values())
    assert needed == allowed


@pytest.mark.parametrize("name", ["timestamps", "notes"])
@pytest.mark.parametrize("environment", ["local", "prod"])
def test_each_action_has_a_reason(name: str, environment: str) -> None:
    """A call of the stages, one of a handler, or what a page of AWS asks for."""
    app, templates = read_example(name, environment)
    kinds = {body["Type"] for body in list_bodies(templates)}
    reasons: set[str] = set().union(*STAGE_CALLS.values())
    for kind in kinds:
        handlers = (load_schema(kind, app.region) or {}).get("handlers", {})
        listed = {a for verb in VERBS for a in handlers.get(verb, {}).get("permissions", ())}
        asked = {action for action in listed if find_asking(kind, action) is None}
        properties = find_properties(templates, kind)
        asked |= {a for a in listed if properties.intersection(find_asking(kind, a) or ())}
        reasons |= asked | {a for more in ALSO.get(kind, {}).values() for a in more}
    document = make_deploy_policy(app, templates)
    granted = {action for s in document["Statement"] for action in s["Action"]}
    assert granted - reasons == set()


def find_properties(templates: Templates, kind: str) -> set[str]:
    text = json.dumps([b.get("Properties") for b in list_bodies(templates) if b["Type"] == kind])
    return set(re.findall(r'"(\w+)": ', text))


@pytest.mark.parametrize("name", ["timestamps", "notes"])
@pytest.mark.parametrize("environment", ["local", "prod"])
def test_resources_are_named_where_the_action_takes_any(name: str, environment: str) -> None:
    document = make_deploy_policy(*read_example(name, environment))
    for statement in document["Statement"]:
        assert statement["Action"] == sorted(set(statement["Action"]))
        for action in statement["Action"]:
            assert "*" not in action
            types = list_resource_types(action)
            assert types is not None, f"AWS knows no {action}"
            assert (statement["Resource"] == ["*"]) is (not types), action
        assert "*" not in statement["Resource"] or statement["Resource"] == ["*"]
        assert not any(arn.endswith(":*/*") for arn in statement["Resource"])


# What we never write ourselves is not granted: each property that alone asks for a call must
# be one that no application gets, or that some get and others do not.
TOGGLED = {"KMSMasterKeyId", "KmsKeyArn", "KmsKeyId", "VpcConfig"}


@settings(max_examples=60, deadline=None)
@given(files())
def test_no_application_has_a_property_whose_calls_are_left_out(file: dict[str, Any]) -> None:
    templates = compile_app(read(file))
    for kind, rows in ONLY_FOR.items():
        found = find_properties(templates, kind)
        for properties in rows.values():
            assert not found.intersection(properties) - TOGGLED, kind


def test_a_property_brings_the_calls_that_it_asks_for() -> None:
    layered = {"Type": "AWS::Lambda::Function", "Properties": {"Layers": ["a"]}}
    plain = {"Type": "AWS::Lambda::Function", "Properties": {"VpcConfig": {"SubnetIds": []}}}
    assert "lambda:GetLayerVersion" in list_handler_actions([layered], "eu-west-1")
    assert "ec2:DescribeSubnets" not in list_handler_actions([layered], "eu-west-1")
    assert "lambda:GetLayerVersion" not in list_handler_actions([plain], "eu-west-1")
    assert "ec2:DescribeSubnets" in list_handler_actions([plain], "eu-west-1")


def test_every_row_of_the_table_is_of_a_handler_and_a_property() -> None:
    """A row that matches nothing is a mistake, or out of date."""
    for kind, rows in ONLY_FOR.items():
        schema = load_schema(kind, "us-east-1") or {}
        handlers = schema["handlers"]
        listed = {a for verb in VERBS for a in handlers.get(verb, {}).get("permissions", ())}
        text = json.dumps(schema)
        for pattern, properties in rows.items():
            assert any(re.fullmatch(pattern, action) for action in listed), (kind, pattern)
            reads = handlers.get("read", {}).get("permissions", ())
            own = {a for a in reads if re.fullmatch(pattern, a) and is_of(a, kind)}
            assert own <= READ_FOR_NOTHING, (kind, own)
            for name in properties:
                assert f'"{name}"' in text, (kind, name)


# Reads of the own service that are left out all the same.
READ_FOR_NOTHING = {
    "s3:GetBucketMetadataTableConfiguration",
}


def is_of(action: str, kind: str) -> bool:
    return action.partition(":")[0] in kind.lower().replace("::", "-").split("-")


def test_resources_are_those_of_the_application_in_its_account_and_region() -> None:
    app, templates = read_example("timestamps", "prod")
    text = json.dumps(make_deploy_policy(app, templates))
    assert "arn:aws:lambda:eu-west-1:*:function:timestamps-prod-*" in text
    assert "arn:aws:iam::*:role/timestamps-prod-*" in text
    assert "arn:aws:cloudformation:eu-west-1:*:stack/timestamps-prod-app/*" in text
    file: dict[str, Any] = {"app": "shop", "environments": {"prod": {"account": "123456789012"}}}
    file["components"] = {"api": {"type": "function", "handler": "a.b"}}
    own = define_text(json.dumps(file), Path("/app"), "prod").require_app()
    text = json.dumps(make_deploy_policy(own, compile_app(own)))
    assert "arn:aws:lambda:us-east-1:123456789012:function:shop-prod-*" in text
    for foreign in ("dynamodb:CreateTable", "elasticloadbalancing:", "apigateway:", "s3tables:"):
        assert foreign not in text


def test_parts_are_small_enough_and_together_the_whole() -> None:
    document = make_deploy_policy(*read_example("timestamps", "prod"))
    parts = split_policy(document)
    assert len(parts) > 1
    assert all(len(json.dumps(p, separators=(",", ":"))) <= MANAGED_POLICY_SIZE for p in parts)

    def pairs(documents: list[Any]) -> set[tuple[str, str]]:
        statements = [s for d in documents for s in d["Statement"]]
        return {(a, r) for s in statements for a in s["Action"] for r in s["Resource"]}

    assert pairs(parts) == pairs([document])


def test_what_is_not_covered_is_named() -> None:
    file: dict[str, Any] = {"app": "shop"}
    file["components"] = {"api": {"type": "function", "handler": "a.b"}}
    file["resources"] = {"Site": {"Type": "AWS::CloudFront::Distribution"}}
    app = define_text(json.dumps(file), Path("/app")).require_app()
    assert list_uncovered(compile_app(app)) == ["AWS::CloudFront::Distribution"]
    assert list_uncovered(read_example("notes", "prod")[1]) == []
