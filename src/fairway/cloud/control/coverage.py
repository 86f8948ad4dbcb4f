"""Which resource types the local cloud runs, and which it only keeps a record of.

Every type that Fairway's templates contain stands in exactly one of the two
tables; a test proves it. A type is real when what it describes has its effect
here: requests are routed, functions run, rows are stored, queues deliver.
"""

from __future__ import annotations

from collections.abc import Iterable

REAL: frozenset[str] = frozenset(
    {
        "AWS::ApiGatewayV2::Api",
        "AWS::ApiGatewayV2::Authorizer",
        "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Stage",
        "AWS::CloudWatch::Alarm",
        "AWS::DynamoDB::Table",
        "AWS::ElasticLoadBalancingV2::Listener",
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "AWS::ElasticLoadBalancingV2::TargetGroup",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Role",
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
    }
)

_NETWORK = (
    "Networks are recorded: VPCs, subnets, routes, gateways, endpoints, network ACLs, security "
    "groups and flow logs neither carry nor filter local traffic."
)
_KEYS = (
    "Encryption keys are asked and not used: who may not use a key is denied what it encrypts, "
    "but local data is not encrypted with it."
)

RECORDED: dict[str, str] = {
    "AWS::EC2::EIP": _NETWORK,
    "AWS::EC2::FlowLog": _NETWORK,
    "AWS::EC2::InternetGateway": _NETWORK,
    "AWS::EC2::NatGateway": _NETWORK,
    "AWS::EC2::NetworkAcl": _NETWORK,
    "AWS::EC2::NetworkAclEntry": _NETWORK,
    "AWS::EC2::Route": _NETWORK,
    "AWS::EC2::RouteTable": _NETWORK,
    "AWS::EC2::SecurityGroup": _NETWORK,
    "AWS::EC2::SecurityGroupEgress": _NETWORK,
    "AWS::EC2::SecurityGroupIngress": _NETWORK,
    "AWS::EC2::Subnet": _NETWORK,
    "AWS::EC2::SubnetNetworkAclAssociation": _NETWORK,
    "AWS::EC2::SubnetRouteTableAssociation": _NETWORK,
    "AWS::EC2::VPC": _NETWORK,
    "AWS::EC2::VPCEndpoint": _NETWORK,
    "AWS::EC2::VPCGatewayAttachment": _NETWORK,
    "AWS::KMS::Alias": _KEYS,
    "AWS::KMS::Key": _KEYS,
}
"""What a type does only as a record, as a sentence for the user."""

PARTLY: dict[str, str] = {
    "AWS::ApiGatewayV2::Api": (
        "HTTP APIs answer in plain HTTP; issuers of tokens are asked at the first token, not when "
        "they are deployed."
    ),
    "AWS::ApiGatewayV2::Authorizer": (
        "JWT authorizers check tokens; routes with any other authorizer, or with AWS_IAM, answer "
        "500 here."
    ),
    "AWS::CloudWatch::Alarm": (
        "Alarms watch metrics, and expressions over them, and tell topics and functions; search "
        "expressions and anomaly detection are refused."
    ),
    "AWS::DynamoDB::Table": (
        "Tables store rows; point-in-time recovery reaches back over the last 64 MB of changes, "
        "and encryption is recorded."
    ),
    "AWS::ElasticLoadBalancingV2::Listener": (
        "HTTPS listeners show a certificate that this machine signed, whichever their ARN names; "
        "a load balancer's HTTP and HTTPS share one local port."
    ),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "Load balancers serve requests on this machine only, whatever their subnets and security "
        "groups; access logs go to their bucket every five minutes and when the cloud stops."
    ),
    "AWS::IAM::Role": (
        "Roles limit every call of a function, its event sources and destinations, and the keys "
        "that they need; writing logs, joining subnets and schedules are not limited by them."
    ),
    "AWS::Lambda::Function": (
        "Functions run; other versions of Python or Node.js than are installed run on the nearest "
        "one, /tmp has no limit of its own, and architecture, network placement and encryption "
        "are recorded."
    ),
    "AWS::Lambda::Permission": (
        "Function permissions are enforced for load balancers, HTTP APIs, topics, buckets, rules "
        "and log groups; REST APIs, user pools and secrets invoke functions without one."
    ),
    "AWS::Logs::LogGroup": "Log groups keep lines; their encryption is recorded.",
    "AWS::SNS::Topic": "Topics deliver; their encryption is recorded.",
    "AWS::SQS::Queue": "Queues deliver; their encryption is recorded.",
    "AWS::S3::Bucket": "Buckets store objects; their encryption and life cycle are recorded.",
}
"""What a real type leaves out, as a sentence for the user."""


def list_limits(types: Iterable[str]) -> list[str]:
    """What the local cloud does not do for these types, each sentence once."""
    found = {table[kind] for kind in types for table in (RECORDED, PARTLY) if kind in table}
    return sorted(found)
