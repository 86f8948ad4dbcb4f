"""The attributes of target groups, by their type of targets."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.parity.cases import holds
from tests.parity.conftest import Cloud

pytestmark = pytest.mark.slow

SERVICE = "Elastic Load Balancing"
PAGE = "Target groups for your Application Load Balancers"


@pytest.fixture
def group(cloud: Cloud) -> Iterator[str]:
    """The ARN of a target group for a function."""
    client = cloud.client("elbv2")
    made = client.create_target_group(Name=f"g{uuid.uuid4().hex[:8]}", TargetType="lambda")
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    yield arn
    client.delete_target_group(TargetGroupArn=arn)


def show(cloud: Cloud, group: str) -> Any:
    found = cloud.client("elbv2").describe_target_group_attributes(TargetGroupArn=group)
    return {attribute["Key"]: attribute["Value"] for attribute in found["Attributes"]}


@holds(SERVICE, PAGE, "A group of functions takes neither kind of sticky cookie, nor other delays")
@pytest.mark.parametrize(
    "attributes",
    [
        {"stickiness.enabled": "true", "stickiness.type": "lb_cookie"},
        {"stickiness.type": "app_cookie", "stickiness.app_cookie.cookie_name": "session"},
        {"stickiness.enabled": "false"},
        {"deregistration_delay.timeout_seconds": "30"},
        {"slow_start.duration_seconds": "30"},
    ],
)
def test_functions_have_no_sticky_cookies(
    cloud: Cloud, group: str, attributes: dict[str, str]
) -> None:
    client = cloud.client("elbv2")
    asked = [{"Key": name, "Value": value} for name, value in attributes.items()]
    with pytest.raises(client.exceptions.InvalidConfigurationRequestException) as refused:
        client.modify_target_group_attributes(TargetGroupArn=group, Attributes=asked)
    assert "The provided target group attribute is not supported" in str(refused.value)
    assert show(cloud, group) == {"lambda.multi_value_headers.enabled": "false"}


@holds(SERVICE, PAGE, "A group of functions has the attribute of multi-value headers")
def test_functions_have_multi_value_headers(cloud: Cloud, group: str) -> None:
    asked = [{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}]
    cloud.client("elbv2").modify_target_group_attributes(TargetGroupArn=group, Attributes=asked)
    assert show(cloud, group) == {"lambda.multi_value_headers.enabled": "true"}
