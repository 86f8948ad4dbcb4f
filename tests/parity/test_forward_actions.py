"""Forward actions: weights, clients that keep their target group, and what guards targets."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.templates import HANDLER, Template, balanced
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

SERVICE = "Elastic Load Balancing"
PAGE = "Action types for listener rules"
NAMED = """
def handler(event, context):
    return {"statusCode": 200, "body": "NAME", "headers": {"Content-Type": "text/plain"}}
"""


def weighted(cloud: Cloud, *, sticky: Template | None = None, weights: Any = (1, 1)) -> Template:
    """Two functions behind one forward action of the listener."""
    deployed = balanced(BUCKET, cloud.upload(HANDLER))
    resources = deployed["Resources"]
    for name in ("blue", "green"):
        api, targets = {**resources["Api"]}, {**resources["Targets"]}
        code = {"S3Bucket": BUCKET, "S3Key": cloud.upload(NAMED.replace("NAME", name))}
        api["Properties"] = {**api["Properties"], "Code": code}
        targets["Properties"] = {
            **targets["Properties"],
            "Targets": [{"Id": {"Fn::GetAtt": [name, "Arn"]}}],
        }
        targets["DependsOn"] = f"{name}Permission"
        permission = {**resources["Permission"]}
        permission["Properties"] = {**permission["Properties"], "FunctionName": {"Ref": name}}
        resources |= {name: api, f"{name}Targets": targets, f"{name}Permission": permission}
    groups = [
        {"TargetGroupArn": {"Ref": f"{name}Targets"}, "Weight": weight}
        for name, weight in zip(("blue", "green"), weights, strict=True)
    ]
    config = {"TargetGroups": groups}
    if sticky is not None:
        config["TargetGroupStickinessConfig"] = sticky  # type: ignore[assignment]
    resources["Listener"]["Properties"]["DefaultActions"] = [
        {"Type": "forward", "ForwardConfig": config}
    ]
    return deployed


def ask(url: str, cookie: str = "") -> tuple[str, list[str]]:
    request = urllib.request.Request(url, headers={"Cookie": cookie} if cookie else {})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return answer.read().decode(), answer.headers.get_all("Set-Cookie") or []


def deploy(cloud: Cloud, stack: str, template: Template) -> str:
    status = cloud.deploy(stack, template)
    assert status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"), cloud.failures(stack)
    return cloud.outputs(stack)["Url"]


@holds(SERVICE, PAGE, "a forward action divides clients among target groups by weight")
def test_weights(cloud: Cloud, stack: str) -> None:
    url = deploy(cloud, stack, weighted(cloud))
    answers = [ask(url) for _ in range(60)]
    # Both are drawn; that one of them is not in 60 fair draws happens once in 10^17 runs.
    assert {name for name, _ in answers} == {"blue", "green"}
    assert not any(cookies for _, cookies in answers)
    deploy(cloud, stack, weighted(cloud, weights=(0, 1)))
    assert {ask(url)[0] for _ in range(10)} == {"green"}


@holds(SERVICE, PAGE, "with target group stickiness a client keeps its target group")
def test_stickiness(cloud: Cloud, stack: str) -> None:
    sticky = {"Enabled": True, "DurationSeconds": 3600}
    url = deploy(cloud, stack, weighted(cloud, sticky=sticky))
    name, (plain, cors) = ask(url)
    assert plain.startswith("AWSALBTG=")
    assert cors.startswith("AWSALBTGCORS=")
    assert cors.endswith("; Path=/; SameSite=None; Secure")
    assert {ask(url, plain.partition(";")[0])[0] for _ in range(40)} == {name}
    assert {ask(url, "AWSALBTG=tampered")[0] for _ in range(60)} == {"blue", "green"}


@holds(
    SERVICE,
    "Target groups for your Application Load Balancers",
    "a target group of functions takes no stickiness attributes",
)
@pytest.mark.parametrize("value", ["true", "false"])
def test_functions_take_no_target_stickiness(cloud: Cloud, stack: str, value: str) -> None:
    deployed = balanced(BUCKET, cloud.upload(HANDLER))
    deployed["Resources"]["Targets"]["Properties"]["TargetGroupAttributes"] = [
        {"Key": "stickiness.enabled", "Value": value}
    ]
    assert cloud.deploy(stack, deployed) == "ROLLBACK_COMPLETE"
    assert any("attribute is not supported" in text for text in cloud.failures(stack))


@holds(SERVICE, "TargetGroupStickinessConfig", "lifetimes and weights have limits")
@pytest.mark.parametrize(
    ("sticky", "weights", "message"),
    [
        ({"Enabled": True}, (1, 1), "must specify DurationSeconds"),
        ({"Enabled": True, "DurationSeconds": 604_801}, (1, 1), "between 1 and 604800"),
        (None, (1, 1000), "between 0 and 999"),
    ],
)
def test_limits(
    cloud: Cloud, stack: str, sticky: Template | None, weights: Any, message: str
) -> None:
    template = weighted(cloud, sticky=sticky, weights=weights)
    assert cloud.deploy(stack, template) == "ROLLBACK_COMPLETE"
    assert any(message in text for text in cloud.failures(stack))


@holds(
    SERVICE,
    "Authenticate users using an Application Load Balancer",
    "an action that guards targets is never passed over",
    "refused",
)
@pytest.mark.parametrize("kind", ["authenticate-oidc", "authenticate-cognito", "jwt-validation"])
def test_guarding_actions_are_refused(cloud: Cloud, stack: str, kind: str) -> None:
    deployed = balanced(BUCKET, cloud.upload(HANDLER))
    rule = deployed["Resources"]["Rule"]["Properties"]
    rule["Actions"] = [{"Type": kind, "Order": 1}, {**rule["Actions"][0], "Order": 2}]
    assert cloud.deploy(stack, deployed) == "ROLLBACK_COMPLETE"
    assert any(f"The local cloud has no {kind} actions" in text for text in cloud.failures(stack))
