"""Every type of our templates is real here, or plainly only recorded."""

from __future__ import annotations

from fairway.cloud.control.coverage import REAL, RECORDED

TYPES = {
    "AWS::ApiGatewayV2": "Api Authorizer Stage Integration Route",
    "AWS::CloudWatch": "Alarm",
    "AWS::DynamoDB": "Table",
    "AWS::EC2": (
        "VPC Subnet InternetGateway VPCGatewayAttachment RouteTable Route "
        "SubnetRouteTableAssociation NetworkAcl NetworkAclEntry SubnetNetworkAclAssociation "
        "SecurityGroup SecurityGroupIngress SecurityGroupEgress VPCEndpoint FlowLog "
        "EIP NatGateway"
    ),
    "AWS::ElasticLoadBalancingV2": "LoadBalancer Listener ListenerRule TargetGroup",
    "AWS::IAM": "Role ManagedPolicy",
    "AWS::KMS": "Key Alias",
    "AWS::Lambda": "Function Permission Version Alias EventInvokeConfig EventSourceMapping",
    "AWS::Logs": "LogGroup",
    "AWS::S3": "Bucket BucketPolicy",
    "AWS::SNS": "Topic",
    "AWS::SQS": "Queue QueuePolicy",
}


def test_every_type_is_in_exactly_one_table() -> None:
    listed = {f"{family}::{name}" for family, names in TYPES.items() for name in names.split()}
    assert not REAL & RECORDED.keys()
    assert listed == REAL | RECORDED.keys()


def test_sentences_are_sentences() -> None:
    for sentence in RECORDED.values():
        assert sentence[0].isupper()
        assert sentence.endswith(".")
