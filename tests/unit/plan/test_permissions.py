"""Permissions: sets of who may do what on what, from every kind of policy."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.reviewing import allow, make_plan, resource, role

from fairway.plan.permissions import compare_permissions, describe_permission, show_actions


def compare(before: dict[str, Any] | None, after: dict[str, Any] | None) -> list[str]:
    plan = make_plan(before, after, components={"ApiRole": "api"})
    return [describe_permission(change) for change in compare_permissions(plan)]


def test_order_and_form_mean_nothing() -> None:
    before = {"ApiRole": role(allow(["s3:Get", "s3:Put"]), allow("sqs:Send", ["q", "r"]))}
    after = {
        "ApiRole": role(allow("sqs:Send", "r"), allow(["s3:Put", "s3:Get"]), allow("sqs:Send", "q"))
    }
    assert compare(before, after) == []


def test_gains_and_losses_are_told_apart() -> None:
    before = {"ApiRole": role(allow(["s3:Get", "s3:Put"]))}
    after = {"ApiRole": role(allow(["s3:Get", "s3:Delete"]))}
    assert compare(before, after) == ["+ api: s3:Delete on b", "- api: s3:Put on b"]


def test_a_condition_is_part_of_a_permission() -> None:
    before = {"ApiRole": role(allow("s3:Get", Condition={"Bool": {"aws:SecureTransport": "true"}}))}
    assert compare(before, {"ApiRole": role(allow("s3:Get"))}) == [
        "+ api: s3:Get on b",
        "- api: s3:Get on b if aws:SecureTransport Bool true",
    ]


@pytest.mark.parametrize(
    "statement",
    [
        allow("s3:*"),
        allow("*"),
        allow("s3:Get", "*"),
        {"Effect": "Allow", "NotAction": "iam:*", "Resource": "b"},
        {"Effect": "Allow", "Action": "s3:Get", "NotResource": "b"},
    ],
)
def test_wildcards_are_called_out(statement: dict[str, Any]) -> None:
    (line,) = compare({"ApiRole": role()}, {"ApiRole": role(statement)})
    assert line.startswith("+ api: ")
    assert line.endswith("(wildcard)")


@pytest.mark.parametrize(
    "statement",
    [allow("kms:GenerateDataKey*"), allow("s3:Get", "arn:aws:s3:::b/*"),
     {"Effect": "Deny", "Action": "*", "Resource": "*"}],
)  # fmt: skip
def test_what_is_narrow_is_no_wildcard(statement: dict[str, Any]) -> None:
    (line,) = compare({"ApiRole": role()}, {"ApiRole": role(statement)})
    assert "(wildcard)" not in line


def test_wildcards_come_first() -> None:
    after = {"ApiRole": role(allow("a:B", "x"), allow("z:Y", "*"))}
    assert compare({}, after) == ["+ api: z:Y on * (wildcard)", "+ api: a:B on x"]


def test_broad_managed_policies_are_wildcards() -> None:
    arns = ["arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/service-role/X"]
    after = {"ApiRole": resource("IAM::Role", ManagedPolicyArns=arns)}
    assert compare({}, after) == [
        "+ api: policy AdministratorAccess on what it names (wildcard)",
        "+ api: policy X on what it names",
    ]


def test_trust_tells_who_takes_the_role_on() -> None:
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]
    }
    after = {"ApiRole": resource("IAM::Role", AssumeRolePolicyDocument=trust)}
    assert compare({}, after) == ["+ anyone: sts:AssumeRole on the role of api (wildcard)"]


def test_resource_policies_name_what_they_protect() -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                 "Resource": {"Fn::Sub": "${Site.Arn}/*"}}  # fmt: skip
    policy = resource(
        "S3::BucketPolicy", Bucket={"Ref": "Site"}, PolicyDocument={"Statement": statement}
    )
    assert compare({}, {"P": policy}) == ["+ anyone: s3:GetObject on Site/* (wildcard)"]


def test_the_account_s_own_iam_is_no_wildcard() -> None:
    root = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    statement = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}
    key = resource("KMS::Key", KeyPolicy={"Statement": [statement]})
    assert compare({}, {"Key": key}) == ["+ this account: kms:* on Key"]


def test_an_endpoint_s_policy_gives_nobody_a_permission() -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "d:Get", "Resource": "*"}
    endpoint = resource("EC2::VPCEndpoint", PolicyDocument={"Statement": [statement]})
    assert compare({}, {"E": endpoint}) == ["+ anyone: d:Get on * through E"]


def test_lambda_s_own_permissions_count() -> None:
    permission = resource(
        "Lambda::Permission",
        Principal="sns.amazonaws.com",
        Action="lambda:InvokeFunction",
        FunctionName={"Fn::GetAtt": ["Api", "Arn"]},
        SourceArn={"Ref": "TopicArn"},
    )
    assert compare({}, {"P": permission}) == [
        "+ sns.amazonaws.com: lambda:InvokeFunction on api if SourceArn is Topic"
    ]


def test_the_same_permission_of_two_stacks_is_two() -> None:
    """Losing one of them leaves the other, so neither may stand for both."""
    plan = make_plan({"ApiRole": role(allow("s3:Get"))}, None)
    assert {c.stack for c in compare_permissions(plan)} == {"s"}


def test_a_kept_key_keeps_its_policy() -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}
    key = resource("KMS::Key", KeyPolicy={"Statement": [statement]}) | {"DeletionPolicy": "Retain"}
    assert compare({"Key": key}, {}) == []
    assert len(compare({"Key": key | {"DeletionPolicy": "Delete"}}, {})) == 1


def test_actions_name_their_service_once() -> None:
    assert show_actions(("a:B", "a:C", "d:E", "F")) == "a:B, C, d:E, F"
    assert show_actions(("a:B", "a:C", "a:D"), 2) == "a:B, C (+1)"


def test_components_go_by_their_own_names() -> None:
    target = {"Fn::Sub": "${MyOrders.Arn}/index/*"}
    after = {
        "ApiRole": role(allow("d:Query", target), allow("d:Get", {"Fn::GetAtt": ["Key", "Arn"]})),
        "Permission": resource(
            "Lambda::Permission",
            Principal="apigateway.amazonaws.com",
            FunctionName={"Ref": "Api"},
            SourceArn={"Fn::Sub": "arn:aws:execute-api:eu-west-1:1:${Web}/*"},
        ),
    }
    components = {"ApiRole": "api", "MyOrders": "my-orders", "Web": "web", "Key": "data"}
    plan = make_plan({}, after, components=components)
    assert [describe_permission(change) for change in compare_permissions(plan)] == [
        "+ api: d:Get on Key",
        "+ api: d:Query on my-orders/index/*",
        "+ apigateway.amazonaws.com: lambda:InvokeFunction on api if SourceArn is web/*",
    ]
