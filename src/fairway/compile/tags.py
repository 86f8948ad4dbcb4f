"""Tags on everything that takes tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fairway.compile.template import Properties

# How each type that we emit takes tags; a test holds this against AWS's resource schemas.
TAG_FORM: dict[str, Literal["list", "map", "none"]] = {
    "AWS::ApiGatewayV2::Api": "map",
    "AWS::ApiGatewayV2::Stage": "map",
    "AWS::DynamoDB::Table": "list",
    "AWS::EC2::FlowLog": "list",
    "AWS::EC2::InternetGateway": "list",
    "AWS::EC2::NetworkAcl": "list",
    "AWS::EC2::NetworkAclEntry": "none",
    "AWS::EC2::Route": "none",
    "AWS::EC2::RouteTable": "list",
    "AWS::EC2::SecurityGroup": "list",
    "AWS::EC2::SecurityGroupEgress": "none",
    "AWS::EC2::SecurityGroupIngress": "none",
    "AWS::EC2::Subnet": "list",
    "AWS::EC2::SubnetNetworkAclAssociation": "none",
    "AWS::EC2::SubnetRouteTableAssociation": "none",
    "AWS::EC2::VPC": "list",
    "AWS::EC2::VPCEndpoint": "list",
    "AWS::EC2::VPCGatewayAttachment": "none",
    "AWS::ElasticLoadBalancingV2::Listener": "list",
    "AWS::ElasticLoadBalancingV2::ListenerRule": "list",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "list",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "list",
    "AWS::IAM::Role": "list",
    "AWS::KMS::Alias": "none",
    "AWS::KMS::Key": "list",
    "AWS::Lambda::Function": "list",
    "AWS::Lambda::Permission": "none",
    "AWS::Logs::LogGroup": "list",
    "AWS::S3::Bucket": "list",
    "AWS::S3::BucketPolicy": "none",
    "AWS::SQS::Queue": "list",
}


def tag_properties(kind: str, properties: Properties, tags: Mapping[str, str]) -> Properties:
    """The properties with tags added in the type's own form; its own tags win."""
    form = TAG_FORM.get(kind, "none")
    if form == "none":
        return properties
    own = properties.get("Tags", {})
    merged = {**tags, **own}
    value = merged if form == "map" else [{"Key": k, "Value": merged[k]} for k in sorted(merged)]
    return {**properties, "Tags": value}
