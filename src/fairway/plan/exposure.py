"""What can be reached from the internet: facts read from templates, compared as sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairway.plan.model import Action, Plan
from fairway.plan.naming import list_components, name_value
from fairway.plan.reading import read_list, read_mapping, read_mappings, read_properties

ANYWHERE = {"0.0.0.0/0", "::/0"}
_METHODS = ("get", "head", "post", "put", "patch", "delete", "options")
_ANY = "x-amazon-apigateway-any-method"


@dataclass(frozen=True, slots=True, order=True)
class Exposure:
    """One way in: `what` is a route, a port or a permission, without saying so twice."""

    component: str
    what: str


@dataclass(frozen=True, slots=True)
class ExposureChange:
    """A way in that opens or closes."""

    opened: bool
    component: str
    what: str


Resources = Mapping[str, Any]
Find = Callable[[str, Mapping[str, Any], Resources], Iterator[str]]


def compare_exposure(plan: Plan) -> tuple[ExposureChange, ...]:
    """What becomes reachable from the internet, then what no longer is."""
    before: set[Exposure] = set()
    after: set[Exposure] = set()
    for stack in plan.stacks:
        components = list_components(stack)
        kept = {c.logical_id for c in stack.changes if c.action is Action.KEEP}
        there = stack.observed.template.get("Resources", {}) if stack.observed else {}
        wanted = stack.template.resources if stack.template else {}
        stays = {i: body for i, body in there.items() if i in kept}
        before |= find_exposure(there, components)
        after |= find_exposure({**wanted, **stays}, components)
    opened = [ExposureChange(True, e.component, e.what) for e in sorted(after - before, key=_rank)]
    closed = [ExposureChange(False, e.component, e.what) for e in sorted(before - after, key=_rank)]
    return (*opened, *closed)


def _rank(exposure: Exposure) -> tuple[str, bool, str]:
    """Ports before the routes behind them."""
    return (exposure.component, not exposure.what.startswith("port"), exposure.what)


def find_exposure(resources: Resources, components: Mapping[str, str]) -> set[Exposure]:
    """Every way in that the resources of one stack open."""
    return {
        Exposure(components.get(logical_id, logical_id), what)
        for logical_id, body in resources.items()
        if body.get("Type") in WAYS_IN
        for what in WAYS_IN[body["Type"]](logical_id, read_properties(body), resources)
    }


def _open_listener(
    logical_id: str, properties: Mapping[str, Any], resources: Resources
) -> Iterator[str]:
    if _is_public(properties, resources):
        yield f"port {properties.get('Port')} ({properties.get('Protocol')})"


def _open_rule(
    logical_id: str, properties: Mapping[str, Any], resources: Resources
) -> Iterator[str]:
    listener = _follow(properties.get("ListenerArn"), resources)
    if listener is None or not _is_public(listener, resources):
        return
    paths, methods = ["*"], ["ANY"]
    for condition in read_mappings(properties.get("Conditions")):
        paths = read_list(read_mapping(condition.get("PathPatternConfig")).get("Values")) or paths
        config = read_mapping(condition.get("HttpRequestMethodConfig"))
        methods = read_list(config.get("Values")) or methods
    checks = ("authenticate-oidc", "authenticate-cognito", "jwt-validation")
    login = any(a.get("Type") in checks for a in read_mappings(properties.get("Actions")))
    for method in methods:
        for path in paths:
            yield f"{name_value(method)} {name_value(path)}{_say_login(login)}"


def _open_http_api(
    logical_id: str, properties: Mapping[str, Any], resources: Resources
) -> Iterator[str]:
    document = properties.get("Body")
    if not isinstance(document, Mapping) or properties.get("DisableExecuteApiEndpoint"):
        return
    everywhere = document.get("security")
    for path, operations in read_mapping(document.get("paths")).items():
        for verb, operation in read_mapping(operations).items():
            if verb == _ANY or verb in _METHODS:
                login = read_mapping(operation).get("security", everywhere)
                yield f"{'ANY' if verb == _ANY else verb.upper()} {path}{_say_login(bool(login))}"


def _open_route(
    logical_id: str, properties: Mapping[str, Any], resources: Resources
) -> Iterator[str]:
    login = properties.get("AuthorizationType", "NONE") != "NONE"
    yield f"{name_value(properties.get('RouteKey'))}{_say_login(login)}"


def _open_function_url(
    logical_id: str, properties: Mapping[str, Any], resources: Resources
) -> Iterator[str]:
    yield f"function URL{_say_login(properties.get('AuthType') == 'AWS_IAM')}"


def _open_group(
    logical_id: str, properties: Mapping[str, Any], resources: Resources
) -> Iterator[str]:
    if _serves_balancers(logical_id, resources):
        return  # their listeners say it, and a group opens nothing that has no public address
    for rule in read_mappings(properties.get("SecurityGroupIngress")):
        yield from _open_ingress(logical_id, rule, resources)


def _open_ingress(
    logical_id: str, properties: Mapping[str, Any], resources: Resources
) -> Iterator[str]:
    if ANYWHERE & {str(properties.get("CidrIp")), str(properties.get("CidrIpv6"))}:
        low, high = properties.get("FromPort", "any"), properties.get("ToPort", "any")
        ports = f"port {low}" if low == high else f"ports {low}-{high}"
        yield f"{ports} ({str(properties.get('IpProtocol', 'any')).upper()}) by {logical_id}"


def _open_bucket(
    logical_id: str, properties: Mapping[str, Any], resources: Resources
) -> Iterator[str]:
    blocks = read_mapping(properties.get("PublicAccessBlockConfiguration"))
    open_to = sorted(name for name, value in blocks.items() if value in (False, "false"))
    if open_to:
        yield f"objects may be made public ({', '.join(open_to)})"


def _open_distribution(
    logical_id: str, properties: Mapping[str, Any], resources: Resources
) -> Iterator[str]:
    names = read_list(read_mapping(properties.get("DistributionConfig")).get("Aliases"))
    yield f"site at {name_value(names or ['its own domain'])}"


def _find_flag(words: str, *path: str) -> Find:
    """A way in that one property opens; words: may name the resource."""

    def find(logical_id: str, properties: Mapping[str, Any], resources: Resources) -> Iterator[str]:
        for step in path[:-1]:
            properties = read_mapping(properties.get(step))
        if properties.get(path[-1]) in (True, "true", "ENABLED"):
            yield words.format(logical_id)

    return find


# Types by which something can become reachable, and how to read it off their properties.
WAYS_IN: dict[str, Find] = {
    "AWS::ApiGatewayV2::Api": _open_http_api,
    "AWS::ApiGatewayV2::Route": _open_route,
    "AWS::CloudFront::Distribution": _open_distribution,
    "AWS::EC2::SecurityGroup": _open_group,
    "AWS::EC2::SecurityGroupIngress": _open_ingress,
    "AWS::EC2::Subnet": _find_flag("public addresses for all in {}", "MapPublicIpOnLaunch"),
    "AWS::ECS::Service": _find_flag(
        "its tasks have public addresses",
        "NetworkConfiguration",
        "AwsvpcConfiguration",
        "AssignPublicIp",
    ),
    "AWS::ElasticLoadBalancingV2::Listener": _open_listener,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _open_rule,
    "AWS::Lambda::Url": _open_function_url,
    "AWS::RDS::DBInstance": _find_flag("database {} has a public address", "PubliclyAccessible"),
    "AWS::S3::Bucket": _open_bucket,
}


def _say_login(login: bool) -> str:
    return " with login" if login else ""


def _follow(value: Any, resources: Resources) -> Mapping[str, Any] | None:
    """The properties of the resource of this stack that a Ref names."""
    target = value.get("Ref") if isinstance(value, Mapping) else None
    body = resources.get(target) if isinstance(target, str) else None
    return read_properties(body) if body else None


def _is_public(listener: Mapping[str, Any], resources: Resources) -> bool:
    """Whether a listener's load balancer is; one of another stack counts as public."""
    balancer = _follow(listener.get("LoadBalancerArn"), resources)
    return balancer is None or balancer.get("Scheme", "internet-facing") != "internal"


def _serves_balancers(logical_id: str, resources: Resources) -> bool:
    """Whether the group is worn by load balancers of this stack and nothing else."""
    wearers = [
        body.get("Type")
        for other, body in resources.items()
        if other != logical_id and _wears(read_properties(body), logical_id)
    ]
    return bool(wearers) and set(wearers) == {"AWS::ElasticLoadBalancingV2::LoadBalancer"}


def _wears(properties: Mapping[str, Any], logical_id: str) -> bool:
    vpc = read_mapping(properties.get("VpcConfig"))
    groups = [
        *read_list(properties.get("SecurityGroups")),
        *read_list(vpc.get("SecurityGroupIds")),
    ]
    return any(name_value(group) == logical_id for group in groups)
