"""Load balancers and HTTP APIs: targets, attributes, and addresses that answer here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import alb, apigateway
from ministack.services.cloudformation import provisioners

from fairway.cloud.control.permissions import LOAD_BALANCING, allows, read_policy
from fairway.cloud.control.resources.registry import Extension, Properties
from fairway.cloud.control.target_attributes import find_refused, word_refusal

Assign = Callable[[str], int]
"""Gives a named listener its local port."""


# "Action types for listener rules": those that decide who may go on to the next action.
_GUARDS = ("authenticate-cognito", "authenticate-oidc", "jwt-validation")


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


def check_target_group(props: Properties) -> None:
    """A group of functions takes attributes of functions only, also when they turn things off."""
    names = [str(a.get("Key", "")) for a in props.get("TargetGroupAttributes") or []]
    refused = find_refused(str(props.get("TargetType")), names)
    if refused is not None:
        raise ValueError(
            f"{word_refusal(refused)} (Service: ElasticLoadBalancingV2, Status Code: 400)"
        )


def check_actions(actions: list[dict[str, Any]]) -> None:
    """Refuse forward actions beyond what ForwardActionConfig of the API reference takes.

    Quotas: five target groups an action. Weights 0 to 999, lifetimes 1 to 604,800 seconds.
    """
    for action in actions:
        if str(action.get("Type")) in _GUARDS:
            raise ValueError(
                f"The local cloud has no {action['Type']} actions, and serves no listener that "
                "needs one: without them its targets would be open"
            )
        config = action.get("ForwardConfig") or {}
        groups = config.get("TargetGroups") or []
        if len(groups) > 5:
            raise ValueError(f"You can specify up to 5 target groups, but got {len(groups)}")
        for group in groups:
            if not 0 <= int(group.get("Weight", 1)) <= 999:
                raise ValueError(f"Weight '{group['Weight']}' must be between 0 and 999")
        sticky = config.get("TargetGroupStickinessConfig") or {}
        if _is_true(sticky.get("Enabled", False)):
            seconds = sticky.get("DurationSeconds")
            if seconds is None:
                raise ValueError(
                    "You must specify DurationSeconds when you enable target group stickiness"
                )
            if not 1 <= int(seconds) <= 604_800:
                raise ValueError(f"DurationSeconds '{seconds}' must be between 1 and 604800")


def _keep_forwards(stored: list[dict[str, Any]], declared: list[dict[str, Any]]) -> None:
    """Put back the weights and the stickiness, of which ministack keeps only the first group."""
    for record, action in zip(stored, declared, strict=False):
        if action.get("ForwardConfig"):
            record["ForwardConfig"] = action["ForwardConfig"]


def apply_rule(
    arn: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Store the whole of forward actions."""
    _keep_forwards(alb._rules[arn]["Actions"], props.get("Actions") or [])


def apply_listener(
    arn: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Store the declared attributes, and the whole of forward actions."""
    # The listener's default rule has the same list.
    _keep_forwards(alb._listeners[arn]["DefaultActions"], props.get("DefaultActions") or [])
    attributes = alb._listener_attrs.setdefault(arn, [])
    provisioners._elbv2_merge_attributes(attributes, props.get("ListenerAttributes"))


def check_listener(props: Properties) -> None:
    """An HTTPS listener has a certificate. CreateListener, "Errors": CertificateNotFound."""
    if props.get("Protocol") == "HTTPS" and not props.get("Certificates"):
        raise ValueError("A certificate must be specified for HTTPS listeners")
    check_actions(props.get("DefaultActions") or [])


def check_rule(props: Properties) -> None:
    """A rule's forward actions are within limits."""
    check_actions(props.get("Actions") or [])


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
        "AWS::ElasticLoadBalancingV2::TargetGroup": Extension(
            check=check_target_group, apply=apply_target_group
        ),
        "AWS::ElasticLoadBalancingV2::Listener": Extension(
            check=check_listener, apply=apply_listener
        ),
        "AWS::ElasticLoadBalancingV2::ListenerRule": Extension(check=check_rule, apply=apply_rule),
        "AWS::ElasticLoadBalancingV2::LoadBalancer": Extension(
            check=check_load_balancer,
            apply=addresses.apply_load_balancer,
            guard=guard_load_balancer,
        ),
        "AWS::ApiGatewayV2::Api": Extension(apply=addresses.apply_api),
    }
