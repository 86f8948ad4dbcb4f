"""What a change does to data and to those who use the application meanwhile.

Both are literal tables: what a type holds, and who notices that it is replaced. A type that a
table does not know is said to be unknown, not harmless.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from fairway.compile.draft import to_logical
from fairway.plan.model import Action, Change, Plan, PropertyChange
from fairway.plan.reading import read_mapping, read_properties

Loss = Literal["lost", "at risk", "left behind"]

# What is gone with a resource of this type.
HOLDS: dict[str, str] = {
    "AWS::Cognito::UserPool": "users",
    "AWS::DynamoDB::GlobalTable": "rows",
    "AWS::DynamoDB::Table": "rows",
    "AWS::EFS::FileSystem": "files",
    "AWS::ElastiCache::CacheCluster": "cached values",
    "AWS::ElastiCache::ReplicationGroup": "cached values",
    "AWS::ElastiCache::ServerlessCache": "cached values",
    "AWS::KMS::Key": "ability to decrypt",
    "AWS::Kinesis::Stream": "records",
    "AWS::Logs::LogGroup": "log lines",
    "AWS::RDS::DBCluster": "database",
    "AWS::RDS::DBInstance": "database",
    "AWS::S3::Bucket": "objects",
    "AWS::SQS::Queue": "messages",
    "AWS::SecretsManager::Secret": "secret",
}
_OLD_ADDRESS = "gets another address; the old one stops answering"
# Who notices that a resource of this type is replaced; None: nobody, the new one is in use
# before the old one goes ("Update behaviors of stack resources").
REPLACED: dict[str, str | None] = {
    "AWS::ApiGatewayV2::Api": _OLD_ADDRESS,
    "AWS::ApiGatewayV2::Stage": _OLD_ADDRESS,
    "AWS::DynamoDB::Table": "is empty from then on",
    "AWS::EC2::FlowLog": None,
    "AWS::EC2::InternetGateway": "loses its way to the internet for a moment",
    "AWS::EC2::NetworkAcl": None,
    "AWS::EC2::NetworkAclEntry": "may drop connections for a moment",
    "AWS::EC2::Route": "loses its way to the internet for a moment",
    "AWS::EC2::RouteTable": None,
    "AWS::EC2::SecurityGroup": None,
    "AWS::EC2::SecurityGroupEgress": "may refuse connections for a moment",
    "AWS::EC2::SecurityGroupIngress": "may refuse connections for a moment",
    "AWS::EC2::Subnet": "moves what runs in it; connections are cut",
    "AWS::EC2::SubnetNetworkAclAssociation": "may drop connections for a moment",
    "AWS::EC2::SubnetRouteTableAssociation": "may drop connections for a moment",
    "AWS::EC2::VPC": "is built anew; connections are cut until everything has moved",
    "AWS::EC2::VPCEndpoint": "may refuse calls for a moment",
    "AWS::EC2::VPCGatewayAttachment": "loses its way to the internet for a moment",
    "AWS::ElasticLoadBalancingV2::Listener": "may refuse requests for a moment",
    "AWS::ElasticLoadBalancingV2::ListenerRule": "may answer 404 on a route for a moment",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _OLD_ADDRESS,
    "AWS::ElasticLoadBalancingV2::TargetGroup": None,
    "AWS::IAM::Role": None,
    "AWS::KMS::Alias": None,
    "AWS::KMS::Key": None,
    "AWS::Lambda::Function": "has another name; who calls the old one fails",
    "AWS::Lambda::Permission": "may refuse calls for a moment",
    "AWS::Logs::LogGroup": None,
    "AWS::S3::Bucket": "is empty from then on",
    "AWS::S3::BucketPolicy": None,
    "AWS::SQS::Queue": "is empty from then on",
}
# Types whose end is the end of a way in or of code that answers.
_ANSWERS = {
    "AWS::ApiGatewayV2::Api": "stops answering",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "stops answering",
    "AWS::Lambda::Function": "stops running",
}
# Settings of which less (or none) drops data that was kept so far: path's end to what goes.
_TERMS = {
    "RetentionInDays": "log lines older than",
    "MessageRetentionPeriod": "messages older than",
    "ExpirationInDays": "objects older than",
    "BackupRetentionPeriod": "backups older than",
}
_UNITS = {"MessageRetentionPeriod": "seconds"}


@dataclass(frozen=True, slots=True)
class DataChange:
    """What happens to the data of one resource.

    severity: lost; at risk: it may go by the new settings; left behind: it stays in the
    account, out of the application's sight.
    """

    severity: Loss
    component: str
    logical_id: str
    what: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """What those who use the application notice of one or more changes."""

    component: str
    what: str


def is_own(change: Change) -> bool:
    """Whether a resource is a component itself, or one that no component is behind.

    Others only serve a component, as a bucket of access logs does.
    """
    name = change.component
    return not name or change.logical_id in (name, to_logical(name))


def name_resource(change: Change) -> str:
    """What the user calls a resource: `orders`, or `ApiLogs of api` for what only serves one."""
    if is_own(change):
        return change.component or change.logical_id
    return f"{change.logical_id} of {change.component}"


def find_losses(plan: Plan) -> tuple[DataChange, ...]:
    """What may lose data, the worst first."""
    order = ("lost", "at risk", "left behind")
    found = [loss for _, change in plan.changes() for loss in _judge_data(change)]
    return tuple(sorted(found, key=lambda loss: order.index(loss.severity)))


def find_interruptions(plan: Plan) -> tuple[Interruption, ...]:
    """What is noticed, once for each component and effect: ends first, moments last."""
    found: dict[Interruption, None] = {}
    for stack, change in plan.changes():
        what = _judge_service(change)
        if (
            what is None
            and change.action is Action.REPLACE
            and change.resource_type not in REPLACED
        ):
            what = "is" if is_own(change) else f"has {change.logical_id}"
            what = f"{what} replaced ({change.resource_type}): effect not known"
        if what is not None:
            found[Interruption(change.component or stack.name, what)] = None
    return tuple(sorted(found, key=_rank))


def _rank(item: Interruption) -> tuple[bool, bool]:
    return (not item.what.startswith("stops"), item.what.endswith("for a moment"))


def _judge_data(change: Change) -> Iterator[DataChange]:
    held = HOLDS.get(change.resource_type)

    def tell(severity: Loss, what: str) -> DataChange:
        return DataChange(severity, change.component, change.logical_id, what)

    if held is not None:
        name = name_resource(change)
        match change.action:
            case Action.DELETE:
                yield tell("lost", f"{name} is deleted with its {held}")
            case Action.REPLACE if not change.keeps_old:
                yield tell("lost", f"{name} is replaced; the old one is deleted with its {held}")
            case Action.REPLACE:
                yield tell(
                    "left behind",
                    f"{name} is replaced and starts empty; the old one stays with its {held}",
                )
            case Action.KEEP:
                yield tell(
                    "left behind", f"{name} leaves the application and stays with its {held}"
                )
    if change.action is Action.UPDATE:
        for item in change.properties:
            risk = _judge_setting(change, item)
            if risk:
                yield tell("at risk", risk)


def _judge_setting(change: Change, item: PropertyChange) -> str | None:
    """What a setting that changes in place may cost."""
    name, leaf = name_resource(change), item.path.rsplit(".", 1)[-1]
    if item.path == "DeletionPolicy" and item.after in (None, "Delete"):
        return f"{name} is deleted with its data from now on, when it leaves the application"
    if leaf in _TERMS and _is_less(item.after, item.before):
        unit = _UNITS.get(leaf, "days")
        return f"{name}: {_TERMS[leaf]} {item.after} {unit} go ({item.before or 'for ever'} before)"
    if item.path.startswith("TimeToLiveSpecification") and item.after is not None:
        return f"{name}: rows expire by {_find_expiry(change)}"
    if leaf in ("PointInTimeRecoveryEnabled", "PointInTimeRecoverySpecification"):
        off = item.after is None or item.after in (False, "false")
        return f"{name} can no longer be restored to an earlier time" if off else None
    if leaf == "DeletionProtectionEnabled" and item.before and not item.after:
        return f"{name} is no longer protected from deletion"
    return None


def _find_expiry(change: Change) -> str:
    expiry = read_mapping(read_properties(change.after).get("TimeToLiveSpecification"))
    return str(expiry.get("AttributeName", "their age"))


def _is_less(new: Any, old: Any) -> bool:
    """Whether a term became shorter; absent is for ever."""
    try:
        return new is not None and (old is None or int(new) < int(old))
    except (TypeError, ValueError):
        return False


def _judge_service(change: Change) -> str | None:
    match change.action:
        case Action.REPLACE:
            return REPLACED.get(change.resource_type)
        case Action.DELETE:
            return _ANSWERS.get(change.resource_type)
        case Action.UPDATE:
            for item in change.properties:
                if item.path == "ReservedConcurrentExecutions" and item.after == 0:
                    return "stops running: no run is allowed at once"
            return None
        case _:
            return None
