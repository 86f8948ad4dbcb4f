"""The deployer's policy: all that the stages and CloudFormation call, and no wildcards."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.loaders import Loader

import fairway
from fairway.compile import Templates, compile_app
from fairway.define import App, define_app
from fairway.define.definition import define_text
from fairway.operate.deploy_policy import (
    MANAGED_POLICY_SIZE,
    STAGE_CALLS,
    list_uncovered,
    make_deploy_policy,
    split_policy,
)

EXAMPLES = Path(__file__).parents[3] / "examples"
STAGES = ("apply", "aws", "plan", "route.py")
# API operations whose IAM action has another name: Service Authorization Reference.
ACTIONS = {
    "s3:DeleteObjects": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
    "s3:HeadObject": ["s3:GetObject", "s3:ListBucket"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
}


def read_example(name: str, environment: str) -> tuple[App, Templates]:
    app = define_app(EXAMPLES / name, environment).require_app()
    return app, compile_app(app)


def list_calls() -> Iterator[str]:
    """API operations in the stages' source: `aws.<service>.<method>` and paginators."""
    root = Path(fairway.__file__).parent
    for stage in STAGES:
        files = [root / stage] if stage.endswith(".py") else (root / stage).rglob("*.py")
        for file in files:
            for node in ast.walk(ast.parse(file.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Attribute(attr=service), attr=method),
                        args=arguments,
                    ) if service in ("cloudformation", "dynamodb", "ec2", "s3", "sts"):
                        if method == "get_paginator":
                            (first,) = arguments
                            assert isinstance(first, ast.Constant)
                            method = str(first.value)
                        if method != "generate_presigned_url":
                            yield f"{service}:{name_operation(service, method)}"


def name_operation(service: str, method: str) -> str:
    model = Loader().load_service_model(service, "service-2")
    return next(name for name in model["operations"] if xform_name(name) == method)


def test_every_call_of_the_stages_is_allowed() -> None:
    calls = set(list_calls())
    assert {"cloudformation:CreateChangeSet", "s3:PutObject", "sts:GetCallerIdentity"} <= calls
    needed = {action for call in calls for action in ACTIONS.get(call, [call])}
    assert needed <= frozenset().union(*STAGE_CALLS.values())


@pytest.mark.parametrize("name", ["timestamps", "notes"])
@pytest.mark.parametrize("environment", ["local", "prod"])
def test_no_action_has_a_wildcard_and_resources_are_named(name: str, environment: str) -> None:
    document = make_deploy_policy(*read_example(name, environment))
    for statement in document["Statement"]:
        assert statement["Action"] == sorted(set(statement["Action"]))
        assert not any("*" in action for action in statement["Action"])
        if statement["Resource"] == ["*"]:
            for action in statement["Action"]:
                assert action.split(":")[1].startswith(
                    ("Describe", "List", "GetCallerIdentity", "CreateKey", "CreateLogDelivery",
                     "DeleteLogDelivery", "PutResourcePolicy", "DeleteResourcePolicy")
                ), action  # fmt: skip


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
