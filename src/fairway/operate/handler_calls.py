"""What CloudFormation calls in the deployer's name, from AWS's resource schemas.

A schema lists, under `handlers`, all that its handlers may call for any property. Here
stands which calls are for properties that no template of ours has: a template that has one
needs the call, as do all calls of the handlers that are not named here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fairway.plan.schemas import load_schema

VERBS = ("create", "read", "update", "delete")

# By type: calls (a pattern) and the properties that ask for them; () stands for what the type
# has no property for: replicas, imports, other kinds of destinations.
ONLY_FOR: dict[str, dict[str, tuple[str, ...]]] = {
    "AWS::ApiGatewayV2::Api": {r"s3:.*": ("BodyS3Location",)},
    "AWS::DynamoDB::Table": {
        r"dynamodb:(\w*TableReplica|\w*Item|Query|Scan)|kinesis:.*|iam:.*": (),
        r"dynamodb:(ImportTable|DescribeImport)|logs:.*|s3:.*": ("ImportSourceSpecification",),
        r"dynamodb:(Enable|Disable|Update)KinesisStreamingDestination": (
            "KinesisStreamSpecification",
        ),
        r"dynamodb:(Put|Delete)ResourcePolicy": ("ResourcePolicy",),
        r"dynamodb:UpdateContributorInsights": ("ContributorInsightsSpecification",),
        r"kms:.*": ("KMSMasterKeyId",),
    },
    "AWS::EC2::FlowLog": {
        r"autoscaling:.*": (),
        r"s3:.*|iam:CreateServiceLinkedRole": ("LogDestination",),
    },
    "AWS::EC2::Subnet": {r"ec2:(Associate|Disassociate)SubnetCidrBlock": ("Ipv6CidrBlock",)},
    "AWS::EC2::VPC": {
        r"ec2:CreateVpcEncryptionControl": ("VpcEncryptionControl",),
        r"ec2:ModifyVpcTenancy": ("InstanceTenancy",),
    },
    "AWS::EC2::VPCEndpoint": {
        r"vpc-lattice:.*": ("ServiceNetworkArn",),
        r"vpce:.*": ("ServiceRegion",),
    },
    "AWS::EC2::VPCGatewayAttachment": {r"ec2:(Attach|Detach)VpnGateway": ("VpnGatewayId",)},
    "AWS::ElasticLoadBalancingV2::Listener": {r"cognito-idp:.*": ("AuthenticateCognitoConfig",)},
    "AWS::ElasticLoadBalancingV2::ListenerRule": {
        r"cognito-idp:.*": ("AuthenticateCognitoConfig",)
    },
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {
        r"elasticloadbalancing:ModifyCapacityReservation": ("MinimumLoadBalancerCapacity",),
        r"elasticloadbalancing:ModifyIpPools|ec2:DescribeIpamPools": ("Ipv4IpamPoolId",),
        r"elasticloadbalancing:SetIpAddressType": ("IpAddressType",),
    },
    "AWS::IAM::Role": {
        r"iam:(Attach|Detach)RolePolicy": ("ManagedPolicyArns",),
        r"iam:\w+PermissionsBoundary": ("PermissionsBoundary",),
        r"iam:UpdateRoleDescription": ("Description",),
    },
    "AWS::KMS::Key": {r"kms:(Enable|Disable)Key": ("Enabled",)},
    "AWS::Lambda::Function": {
        r"ec2:.*": ("VpcConfig",),
        r"elasticfilesystem:.*|s3files:.*": ("FileSystemConfigs",),
        r"kms:.*": ("KmsKeyArn",),
        r"lambda:(GetCodeSigningConfig|(Put|Delete)FunctionCodeSigningConfig)": (
            "CodeSigningConfigArn",
        ),
        r"lambda:(AssociateRuntimeAlias|PutRuntimeManagementConfig)": ("RuntimeManagementConfig",),
        r"lambda:GetLayerVersion": ("Layers",),
        r"lambda:(PassCapacityProvider|PublishVersion|PutFunctionScalingConfig)": (
            "CapacityProviderConfig",
            "FunctionScalingConfig",
            "PublishToLatestPublished",
        ),
        r"lambda:PutFunctionRecursionConfig": ("RecursiveLoop",),
        r"s3:GetObjectVersion": ("S3ObjectVersion",),
    },
    "AWS::Logs::LogGroup": {
        r"firehose:.*|logs:CreateLogDelivery|s3:.*": (),
        r"logs:(Associate|Disassociate)KmsKey": ("KmsKeyId",),
        r"logs:(Put|Delete)DataProtectionPolicy": ("DataProtectionPolicy",),
        r"logs:(Put|Delete)IndexPolicy": ("FieldIndexPolicies",),
        r"logs:(Put|Delete)ResourcePolicy": ("ResourcePolicyDocument",),
        r"logs:PutBearerTokenAuthentication": ("BearerTokenAuthenticationEnabled",),
        r"logs:PutLogGroupDeletionProtection": ("DeletionProtectionEnabled",),
    },
    "AWS::S3::Bucket": {
        r"s3:(PutBucketAcl|PutObjectAcl)": ("AccessControl",),
        r"s3:\w*MetadataTable\w*|s3:Update\w*Metadata\w*|s3tables:.*": (
            "MetadataConfiguration",
            "MetadataTableConfiguration",
        ),
        r"s3:DeleteObject": (),
        r"s3:PutBucketAbac": ("AbacStatus",),
        r"s3:PutAccelerateConfiguration": ("AccelerateConfiguration",),
        r"s3:(Put|Delete)(Bucket)?AnalyticsConfiguration": ("AnalyticsConfigurations",),
        r"s3:(Put|Delete)Bucket(CORS|Cors)": ("CorsConfiguration",),
        r"s3:PutIntelligentTieringConfiguration": ("IntelligentTieringConfigurations",),
        r"s3:PutInventoryConfiguration": ("InventoryConfigurations",),
        r"s3:(Put|Delete)(Bucket)?MetricsConfiguration": ("MetricsConfigurations",),
        r"s3:PutBucketNotification": ("NotificationConfiguration",),
        r"s3:Put(Bucket)?ObjectLockConfiguration": ("ObjectLockConfiguration",),
        r"s3:(Put|Delete)(Bucket)?Replication\w*|iam:PassRole": ("ReplicationConfiguration",),
        r"s3:(Put|Delete)BucketWebsite": ("WebsiteConfiguration",),
    },
}  # fmt: skip

# What AWS's pages ask of who deploys, and the schemas leave out: by type and property.
ALSO: dict[str, dict[str, tuple[str, ...]]] = {
    # "Configure logging for HTTP APIs in API Gateway", permissions to activate logging.
    "AWS::ApiGatewayV2::Stage": {
        "AccessLogSettings": (
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        )
    },
    # "Elastic Load Balancing service-linked role": the first load balancer of an account makes it.
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {"Subnets": ("iam:CreateServiceLinkedRole",)},
}


def list_handler_actions(resources: Iterable[Mapping[str, Any]], region: str) -> set[str]:
    """What CloudFormation calls to make, read, change and remove these resources of templates."""
    properties: dict[str, set[str]] = defaultdict(set)
    for body in resources:
        properties[body["Type"]].update(_list_keys(body.get("Properties", {})))
    return {
        action for kind, found in properties.items() for action in _list_calls(kind, found, region)
    }


def _list_calls(kind: str, properties: set[str], region: str) -> Iterator[str]:
    handlers = (load_schema(kind, region) or {}).get("handlers", {})
    for action in {a for verb in VERBS for a in handlers.get(verb, {}).get("permissions", ())}:
        asking = find_asking(kind, action)
        if asking is None or properties.intersection(asking):
            yield action
    for name, actions in ALSO.get(kind, {}).items():
        if name in properties:
            yield from actions


def find_asking(kind: str, action: str) -> tuple[str, ...] | None:
    """The properties that alone make a handler call this; None when it always may."""
    for pattern, properties in ONLY_FOR.get(kind, {}).items():
        if re.fullmatch(pattern, action):
            return properties
    return None


def _list_keys(value: Any) -> Iterator[str]:
    """Names of properties at any depth."""
    match value:
        case Mapping():
            for name, inner in value.items():
                yield str(name)
                yield from _list_keys(inner)
        case list() | tuple():
            for inner in value:
                yield from _list_keys(inner)
