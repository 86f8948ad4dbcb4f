"""Load balancers and HTTP APIs: targets, attributes, and addresses that answer here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import alb, apigateway
from ministack.services.cloudformation import provisioners

from fairway.cloud.control.permissions import LOAD_BALANCING, allows, read_policy
from fairway.cloud.control.resources.registry import Extension, Properties

Assign = Callable[[str], int]
"""Gives a named listener its local port."""


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def apply_target_group(
    arn: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Register the declared targets; the defaults of a Lambda target group are its own.

    User Guide for Application Load Balancers, "Lambda functions as targets":
    health checks are off by default, every 35 seconds when on.
    """
    group = alb._tgs[arn]
    declared = [_target(t) for t in props.get("Targets") or []]
    before = [_target(t) for t in (old or {}).get("Targets") or []]
    if group["TargetType"] == "lambda":
        if len(declared) > 1:
            raise ValueError("You can register only one Lambda function with a target group")
        _check_permission(arn, [d for d in declared if d not in before])
        group["HealthCheckEnabled"] = _is_true(props.get("HealthCheckEnabled", False))
        group["HealthCheckIntervalSeconds"] = int(props.get("HealthCheckIntervalSeconds", 35))
        group["HealthCheckTimeoutSeconds"] = int(props.get("HealthCheckTimeoutSeconds", 30))
    kept = [t for t in alb._targets.get(arn, []) if t not in before and t not in declared]
    alb._targets[arn] = kept + declared


def _check_permission(arn: str, added: list[dict[str, Any]]) -> None:
    """A load balancer registers only functions that let it call them."""
    for target in added:
        if not allows(read_policy(target["Id"]), LOAD_BALANCING, arn):
            raise ValueError(
                "elasticloadbalancing principal does not have permission to invoke "
                f"{target['Id']} from target group {arn} "
                "(Service: ElasticLoadBalancingV2, Status Code: 403)"
            )


def _target(declared: dict[str, Any]) -> dict[str, Any]:
    target: dict[str, Any] = {"Id": declared["Id"]}
    if declared.get("Port"):
        target["Port"] = int(declared["Port"])
    return target


def apply_listener(
    arn: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Store the declared attributes."""
    attributes = alb._listener_attrs.setdefault(arn, [])
    provisioners._elbv2_merge_attributes(attributes, props.get("ListenerAttributes"))


def check_load_balancer(props: Properties) -> None:
    """An application load balancer spans two zones, as AWS demands."""
    subnets = props.get("Subnets") or props.get("SubnetMappings") or []
    if props.get("Type", "application") == "application" and len(subnets) < 2:
        raise ValueError(
            "At least two subnets in two different Availability Zones must be specified"
        )


class Addresses:
    """Where a load balancer or an API answers: a port of this machine."""

    def __init__(self, assign: Assign) -> None:
        self._assign = assign

    def apply_load_balancer(
        self, arn: str, props: Properties, old: Properties | None, stack: str, logical_id: str
    ) -> dict[str, Any]:
        """Give the first listener its port now: outputs are made of the DNS name."""
        record = alb._lbs[arn]
        if "LocalPort" not in record:
            record["LocalName"] = f"{stack}/{logical_id}"
            record["LocalPort"] = self._assign(record["LocalName"])
            record["DNSName"] = f"127.0.0.1:{record['LocalPort']}"
        defaults = {
            "routing.http.drop_invalid_header_fields.enabled": "false",
            "idle_timeout.timeout_seconds": "60",
            "deletion_protection.enabled": "false",
        }
        attributes = alb._lb_attrs.setdefault(arn, [])
        present = {a["Key"] for a in attributes}
        attributes.extend({"Key": k, "Value": v} for k, v in defaults.items() if k not in present)
        return {"DNSName": record["DNSName"]}

    def apply_api(
        self,
        api_id: str,
        props: Properties,
        old: Properties | None,
        stack: str,
        logical_id: str,
    ) -> dict[str, Any]:
        """Give the API its port."""
        record = apigateway._apis[api_id]
        if "localPort" not in record and record.get("protocolType") == "HTTP":
            record["localName"] = f"{stack}/{logical_id}"
            record["localPort"] = self._assign(record["localName"])
            record["apiEndpoint"] = f"http://127.0.0.1:{record['localPort']}"
        return {"ApiEndpoint": record["apiEndpoint"]}


def guard_load_balancer(arn: str, props: Properties) -> None:
    """A protected load balancer is not deleted."""
    attributes = {a["Key"]: a["Value"] for a in alb._lb_attrs.get(arn) or []}
    if arn in alb._lbs and _is_true(attributes.get("deletion_protection.enabled", "false")):
        raise ValueError(
            f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
        )


def make_extensions(assign: Assign) -> dict[str, Extension]:
    """The family's extensions, with the way to get a port."""
    addresses = Addresses(assign)
    return {
        "AWS::ElasticLoadBalancingV2::TargetGroup": Extension(apply=apply_target_group),
        "AWS::ElasticLoadBalancingV2::Listener": Extension(apply=apply_listener),
        "AWS::ElasticLoadBalancingV2::LoadBalancer": Extension(
            check=check_load_balancer,
            apply=addresses.apply_load_balancer,
            guard=guard_load_balancer,
        ),
        "AWS::ApiGatewayV2::Api": Extension(apply=addresses.apply_api),
    }
