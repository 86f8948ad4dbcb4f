"""Small templates for the parity tests."""

from __future__ import annotations

from typing import Any

Template = dict[str, Any]

HANDLER = """
import json, os, time, uuid, boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
def handler(event, context):
    method = event.get("httpMethod") or event["requestContext"]["http"]["method"]
    if method == "POST":
        stamp = str(time.time())
        table.put_item(Item={"uniqueId": str(uuid.uuid4()), "timeStamp": stamp})
        body = stamp
    else:
        body = json.dumps(sorted(i["timeStamp"] for i in table.scan()["Items"]))
    print("answering", method)
    return {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": body}
"""


def role(*statements: Template) -> Template:
    """A function's role; statements: what it may do."""
    policies = [
        {
            "PolicyName": "own",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)},
        }
    ]
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "lambda.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    }
                ],
            },
            **({"Policies": policies} if statements else {}),
        },
    }


ROLE = role()


def allow(*actions: str, on: str) -> Template:
    """A statement that allows actions on a resource of the template, by its logical id."""
    return {
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": {"Fn::GetAtt": [on, "Arn"]},
    }


def template(resources: Template, outputs: Template | None = None) -> Template:
    return {
        "Resources": resources,
        "Outputs": {k: {"Value": v} for k, v in (outputs or {}).items()},
    }


def table(**properties: Any) -> Template:
    return {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "uniqueId", "AttributeType": "S"},
                {"AttributeName": "timeStamp", "AttributeType": "S"},
            ],
            "KeySchema": [
                {"AttributeName": "uniqueId", "KeyType": "HASH"},
                {"AttributeName": "timeStamp", "KeyType": "RANGE"},
            ],
            **properties,
        },
    }


def function(bucket: str, key: str, **properties: Any) -> Template:
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Code": {"S3Bucket": bucket, "S3Key": key},
            "Handler": "handler.handler",
            "Runtime": "python3.11",
            "Timeout": 10,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            **properties,
        },
    }


def network() -> Template:
    """A VPC with two subnets in two zones."""

    def subnet(index: int) -> Template:
        return {
            "Type": "AWS::EC2::Subnet",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "CidrBlock": f"10.0.0.{index * 64}/26",
                "AvailabilityZone": {"Fn::Select": [index, {"Fn::GetAZs": ""}]},
            },
        }

    return {
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/24"}},
        "SubnetA": subnet(0),
        "SubnetB": subnet(1),
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "test", "VpcId": {"Ref": "Vpc"}},
        },
    }


def balanced(bucket: str, key: str) -> Template:
    """A load balancer in front of a function that keeps rows in a table."""
    forward = [{"Type": "forward", "TargetGroupArn": {"Ref": "Targets"}}]
    return template(
        {
            **network(),
            "Role": role(allow("dynamodb:PutItem", "dynamodb:Scan", on="Entries")),
            "Entries": table(),
            "Api": function(bucket, key, Environment={"Variables": {"TABLE": {"Ref": "Entries"}}}),
            "Permission": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": {"Ref": "Api"},
                    "Principal": "elasticloadbalancing.amazonaws.com",
                },
            },
            "Balancer": {
                "Type": "AWS::ElasticLoadBalancingV2::LoadBalancer",
                "Properties": {
                    "Subnets": [{"Ref": "SubnetA"}, {"Ref": "SubnetB"}],
                    "SecurityGroups": [{"Ref": "Group"}],
                    "LoadBalancerAttributes": [
                        {"Key": "routing.http.drop_invalid_header_fields.enabled", "Value": "true"}
                    ],
                },
            },
            "Targets": {
                "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
                "DependsOn": "Permission",
                "Properties": {
                    "TargetType": "lambda",
                    "Targets": [{"Id": {"Fn::GetAtt": ["Api", "Arn"]}}],
                },
            },
            "Listener": {
                "Type": "AWS::ElasticLoadBalancingV2::Listener",
                "Properties": {
                    "LoadBalancerArn": {"Ref": "Balancer"},
                    "Port": 80,
                    "Protocol": "HTTP",
                    "DefaultActions": [
                        {
                            "Type": "fixed-response",
                            "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "nothing"},
                        }
                    ],
                },
            },
            "Rule": {
                "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
                "Properties": {
                    "ListenerArn": {"Ref": "Listener"},
                    "Priority": 10,
                    "Conditions": [
                        {
                            "Field": "path-pattern",
                            "PathPatternConfig": {"Values": ["/app", "/app/*"]},
                        },
                        {
                            "Field": "http-request-method",
                            "HttpRequestMethodConfig": {"Values": ["GET", "POST"]},
                        },
                    ],
                    "Actions": forward,
                },
            },
        },
        {"Url": {"Fn::Sub": "http://${Balancer.DNSName}"}, "Table": {"Ref": "Entries"}},
    )
