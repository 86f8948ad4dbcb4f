"""What opens to the internet, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.reviewing import make_plan, resource

from fairway.plan.exposure import compare_exposure


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    plan = make_plan(before, after, components=dict.fromkeys(after, "web"))
    return [f"{'+' if e.opened else '-'} {e.what}" for e in compare_exposure(plan)]


def balancer(scheme: str | None, *, port: int = 80) -> dict[str, Any]:
    properties = {} if scheme is None else {"Scheme": scheme}
    elb = "ElasticLoadBalancingV2"
    return {
        "Web": resource(f"{elb}::LoadBalancer", SecurityGroups=["sg"], **properties),
        "L": resource(
            f"{elb}::Listener", LoadBalancerArn={"Ref": "Web"}, Port=port, Protocol="HTTP"
        ),
        "R": resource(
            f"{elb}::ListenerRule",
            ListenerArn={"Ref": "L"},
            Conditions=[{"PathPatternConfig": {"Values": ["/a"]}}],
            Actions=[{"Type": "forward"}],
        ),
    }


@pytest.mark.parametrize("scheme", ["internet-facing", None])
def test_a_public_load_balancer_opens_ports_and_routes(scheme: str | None) -> None:
    assert compare({}, balancer(scheme)) == ["+ port 80 (HTTP)", "+ ANY /a"]


def test_an_internal_one_opens_nothing() -> None:
    assert compare({}, balancer("internal")) == []
    assert compare(balancer("internet-facing"), balancer("internal")) == [
        "- port 80 (HTTP)",
        "- ANY /a",
    ]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"get": {}}, {"get": {}, "post": {}}, ["+ POST /a"]),
        ({"get": {}}, {"get": {"security": [{"jwt": []}]}}, ["+ GET /a with login", "- GET /a"]),
        ({"get": {}}, {"get": {}, "parameters": []}, []),
    ],
)
def test_routes_of_an_http_api(before: Any, after: Any, expected: list[str]) -> None:
    def api(operations: Any) -> dict[str, Any]:
        return {"H": resource("ApiGatewayV2::Api", Body={"paths": {"/a": operations}})}

    assert compare(api(before), api(after)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (resource("Lambda::Url", AuthType="NONE"), ["+ function URL"]),
        (resource("Lambda::Url", AuthType="AWS_IAM"), ["+ function URL with login"]),
        (resource("RDS::DBInstance", PubliclyAccessible=True),
         ["+ database X has a public address"]),
        (resource("EC2::Subnet", MapPublicIpOnLaunch=True), ["+ public addresses for all in X"]),
        (resource("EC2::Subnet", MapPublicIpOnLaunch=False), []),
        (resource("S3::Bucket", PublicAccessBlockConfiguration={"BlockPublicAcls": False}),
         ["+ objects may be made public (BlockPublicAcls)"]),
        (resource("S3::Bucket", PublicAccessBlockConfiguration={"BlockPublicAcls": True}), []),
        (resource("EC2::SecurityGroupIngress", CidrIp="0.0.0.0/0", IpProtocol="tcp", FromPort=22,
                  ToPort=22), ["+ port 22 (TCP) by X"]),
        (resource("EC2::SecurityGroupIngress", CidrIp="10.0.0.0/8", IpProtocol="tcp", FromPort=22,
                  ToPort=22), []),
        (resource("EC2::SecurityGroup", SecurityGroupIngress=[{"CidrIpv6": "::/0",
                  "IpProtocol": "-1"}]), ["+ port any (-1) by X"]),
    ],
)  # fmt: skip
def test_single_resources(body: dict[str, Any], expected: list[str]) -> None:
    assert compare({}, {"X": body}) == expected


def test_a_load_balancer_s_group_says_nothing_twice() -> None:
    rule = {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
    after = balancer("internal")
    after["G"] = resource("EC2::SecurityGroup", SecurityGroupIngress=[rule])
    after["Web"]["Properties"]["SecurityGroups"] = [{"Fn::GetAtt": ["G", "GroupId"]}]
    assert compare({}, after) == []
    function = resource("Lambda::Function", VpcConfig={"SecurityGroupIds": [{"Ref": "G"}]})
    assert compare({}, {**after, "F": function}) == ["+ port 80 (TCP) by G"]
