"""What is in use and may not be deleted, and what would stand in another's place.

Amazon EC2 API Reference, "Error codes": DependencyViolation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ministack.services import alb, ec2, lambda_svc
from ministack.services.cloudformation import provisioners

from fairway.cloud.control.resources.registry import Extension, Properties


def uses_subnet(subnet: str) -> bool:
    """Whether a load balancer, NAT gateway, endpoint or function stands in a subnet."""
    return (
        any(subnet in _read_subnets(b) for b in alb._lbs.values())
        or any(g.get("SubnetId") == subnet for g in ec2._nat_gateways.values())
        or any(subnet in (e.get("SubnetIds") or []) for e in ec2._vpc_endpoints.values())
        or any(subnet in (c.get("SubnetIds") or []) for c in _list_placements())
    )


def uses_group(group: str) -> bool:
    """Whether a load balancer, endpoint, function or another group's rule names a group."""
    return (
        any(group in (b.get("SecurityGroups") or []) for b in alb._lbs.values())
        or any(group in _read_groups(e) for e in ec2._vpc_endpoints.values())
        or any(group in (c.get("SecurityGroupIds") or []) for c in _list_placements())
        or any(
            group in _read_named_groups(other)
            for name, other in ec2._security_groups.items()
            if name != group
        )
    )


def _list_placements() -> Iterable[dict[str, Any]]:
    return [r["config"].get("VpcConfig") or {} for r in lambda_svc._functions.values()]


def _read_subnets(balancer: dict[str, Any]) -> list[Any]:
    zones = balancer.get("AvailabilityZones") or []
    return [*(balancer.get("Subnets") or []), *(z.get("SubnetId") for z in zones)]


def _read_groups(endpoint: dict[str, Any]) -> list[Any]:
    groups = endpoint.get("Groups") or endpoint.get("SecurityGroupIds") or []
    return [g.get("GroupId") if isinstance(g, dict) else g for g in groups]


def _read_named_groups(group: dict[str, Any]) -> list[Any]:
    rules = [*(group.get("IpPermissions") or []), *(group.get("IpPermissionsEgress") or [])]
    return [p.get("GroupId") for r in rules for p in r.get("UserIdGroupPairs") or []]


def _word_subnet(subnet: str) -> str:
    return f"The subnet '{subnet}' has dependencies and cannot be deleted."


def _word_group(group: str) -> str:
    return f"resource {group} has a dependent object"


def guard_subnet(subnet: str, props: Properties) -> None:
    """A subnet in use is not deleted."""
    if uses_subnet(subnet):
        raise ValueError(f"{_word_subnet(subnet)} (Service: Ec2, Status Code: 400)")


def guard_group(group: str, props: Properties) -> None:
    """A security group in use is not deleted."""
    if uses_group(group):
        raise ValueError(f"{_word_group(group)} (Service: Ec2, Status Code: 400)")


def patch_deletions() -> None:
    """The same for the EC2 API, which deletes subnets and groups in use."""
    for action, parameter, used, word in (
        ("DeleteSubnet", "SubnetId", uses_subnet, _word_subnet),
        ("DeleteSecurityGroup", "GroupId", uses_group, _word_group),
    ):
        original = ec2._ACTION_MAP[action]
        ec2._ACTION_MAP[action] = _refuse_used(original, parameter, used, word)


def _refuse_used(
    original: Callable[[Any], Any],
    parameter: str,
    used: Callable[[str], bool],
    word: Callable[[str], str],
) -> Callable[[Any], Any]:
    def delete(request: Any) -> Any:
        name = ec2._p(request, parameter)
        if used(name):
            return ec2._error("DependencyViolation", word(name), 400)
        return original(request)

    return delete


# --- one place, one owner -----------------------------------------------------


def check_permission(props: Properties) -> None:
    """A permission needs its function."""
    name = str(props.get("FunctionName", ""))
    if provisioners._lambda_function_for_cfn_ref(name)[0] is None:
        arn = name if name.startswith("arn:") else lambda_svc._func_arn(name)
        raise ValueError(f"Function not found: {arn} (Service: Lambda, Status Code: 404)")


def apply_rule(
    arn: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Each priority of a listener is one rule's."""
    rule = alb._rules[arn]
    for other, record in alb._rules.items():
        if (
            other != arn
            and record["ListenerArn"] == rule["ListenerArn"]
            and str(record["Priority"]) == str(rule["Priority"])
        ):
            raise ValueError(
                f"Priority '{rule['Priority']}' is currently in use "
                "(Service: ElasticLoadBalancingV2, Status Code: 400)"
            )


def apply_listener(
    arn: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Each port of a load balancer is one listener's."""
    listener = alb._listeners[arn]
    for other, record in alb._listeners.items():
        if (
            other != arn
            and record["LoadBalancerArn"] == listener["LoadBalancerArn"]
            and record["Port"] == listener["Port"]
        ):
            raise ValueError(
                "A listener already exists on this port for this load balancer "
                f"'{listener['LoadBalancerArn']}' "
                "(Service: ElasticLoadBalancingV2, Status Code: 400)"
            )


EXTENSIONS = {
    "AWS::EC2::SecurityGroup": Extension(guard=guard_group),
    "AWS::EC2::Subnet": Extension(guard=guard_subnet),
    "AWS::ElasticLoadBalancingV2::Listener": Extension(apply=apply_listener),
    "AWS::ElasticLoadBalancingV2::ListenerRule": Extension(apply=apply_rule),
    "AWS::Lambda::Permission": Extension(check=check_permission),
}
