"""The smallest policy with which an application can be applied, from what its templates hold.

What CloudFormation calls in the deployer's name stands in AWS's resource schemas
(`handler_calls`); what Fairway itself calls stands here. Which resources an action can be
limited to stands in AWS's table of actions (`action_table`): one that takes only resources
of types that the application has none of is left out. Resources are narrowed to the
application's prefix where AWS puts a name of ours into the ARN, else to their type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fairway.compile import Templates
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.draft import name_stacks
from fairway.define import App
from fairway.operate.action_table import list_resource_types
from fairway.operate.handler_calls import list_handler_actions

MANAGED_POLICY_SIZE = 6144
"""Characters without white space: "IAM and AWS STS quotas", size of a managed policy."""

ANY = "*"
"""Stands in STAGE_CALLS for what every application needs."""

# What the stages call, by the type of resource that it is for; a test holds it against
# their source, another against what a life cycle is asked for.
STAGE_CALLS: dict[str, frozenset[str]] = {
    ANY: frozenset(
        {
            "cloudformation:ContinueUpdateRollback", "cloudformation:CreateChangeSet",
            "cloudformation:DeleteChangeSet", "cloudformation:DeleteStack",
            "cloudformation:DescribeChangeSet", "cloudformation:DescribeStackDriftDetectionStatus",
            "cloudformation:DescribeStackEvents", "cloudformation:DescribeStackResourceDrifts",
            "cloudformation:DescribeStacks", "cloudformation:DetectStackDrift",
            "cloudformation:ExecuteChangeSet", "cloudformation:GetTemplate",
            "cloudformation:ListChangeSets", "cloudformation:ListStackResources",
            "cloudformation:ListStacks", "cloudformation:RollbackStack",
            "cloudformation:TagResource",
            "s3:DeleteBucket", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject",
            "s3:ListBucket", "s3:ListBucketVersions", "s3:PutObject",
        }
    ),
    "AWS::DynamoDB::Table": frozenset(
        {
            "dynamodb:CreateBackup", "dynamodb:DeleteTable", "dynamodb:DescribeBackup",
            "dynamodb:DescribeTable", "dynamodb:ListTables", "dynamodb:RestoreTableFromBackup",
            "dynamodb:Scan",
            # "Using IAM with DynamoDB backup and restore": a restore asks for these too.
            "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:GetItem",
            "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
        }
    ),
    "AWS::EC2::VPCEndpoint": frozenset({"ec2:DescribeManagedPrefixLists"}),
    "AWS::Lambda::Function": frozenset(
        {"lambda:GetFunction", "lambda:UpdateFunctionCode"}
    ),
    "AWS::SQS::Queue": frozenset(
        {
            "sqs:ChangeMessageVisibility", "sqs:CreateQueue", "sqs:DeleteMessage",
            "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage",
        }
    ),
}  # fmt: skip


def make_deploy_policy(app: App, templates: Templates) -> dict[str, Any]:
    """An IAM policy document for the account and region of the environment."""
    names = _Names(app, templates)
    by_resource: dict[tuple[str, ...], set[str]] = {}
    for action in list_needed_actions(app, templates):
        resources = names.find(action)
        if resources:
            by_resource.setdefault(resources, set()).add(action)
    statements = [
        {"Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}
        for resources, actions in sorted(by_resource.items())
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def list_needed_actions(app: App, templates: Templates) -> set[str]:
    """What the stages call for these templates, and CloudFormation in the deployer's name."""
    bodies = [body for stack in templates.stacks for body in stack.resources.values()]
    kinds = {ANY, *(body["Type"] for body in bodies)}
    stages = {action for kind, calls in STAGE_CALLS.items() if kind in kinds for action in calls}
    return stages | list_handler_actions(bodies, app.region)


def list_uncovered(templates: Templates) -> list[str]:
    """Types of raw resources whose services this knows no names of: the policy leaves them out."""
    kinds = {body["Type"] for stack in templates.stacks for body in stack.resources.values()}
    return sorted(kind for kind in kinds if kind.split("::")[1] not in _FAMILIES)


def split_policy(document: Mapping[str, Any], size: int = MANAGED_POLICY_SIZE) -> list[Any]:
    """The document in parts that are small enough for managed policies of their own."""
    parts: list[list[Any]] = []
    for statement in _split_statements(document["Statement"], size // 2):
        fits = parts and _measure([*parts[-1], statement]) <= size
        if fits:
            parts[-1].append(statement)
        else:
            parts.append([statement])
    return [{"Version": document["Version"], "Statement": part} for part in parts]


def _split_statements(statements: Iterable[dict[str, Any]], size: int) -> Iterator[dict[str, Any]]:
    for statement in statements:
        if _measure([statement]) <= size or len(statement["Action"]) < 2:
            yield statement
            continue
        half = len(statement["Action"]) // 2
        for actions in (statement["Action"][:half], statement["Action"][half:]):
            yield from _split_statements([{**statement, "Action": actions}], size)


def _measure(statements: list[Any]) -> int:
    document = {"Version": "2012-10-17", "Statement": statements}
    return len(json.dumps(document, separators=(",", ":")))


# Of resource types, `AWS::<family>::...`, whose ARNs _Names knows.
_FAMILIES = frozenset({
    "ApiGatewayV2", "CloudWatch", "DynamoDB", "EC2", "ElasticLoadBalancingV2", "Events", "IAM",
    "KMS", "Lambda", "Logs", "S3", "SNS", "SQS",
})  # fmt: skip


class _Names:
    """ARNs of what CloudFormation makes for an application, as patterns."""

    def __init__(self, app: App, templates: Templates) -> None:
        self._app = app
        self._account = app.account or "*"
        self._where = f"{app.region}:{self._account}"
        self._stem = f"{app.prefix}-*"
        own = [stack for stack in templates.stacks if stack.name != ARTIFACTS_STACK]
        bodies = [body for stack in own for body in stack.resources.values()]
        has_buckets = any(body["Type"] == "AWS::S3::Bucket" for body in bodies)
        self._buckets = [f"{ARTIFACTS_STACK}-*", *([self._stem] if has_buckets else [])]
        self._arns = self._list_arns()

    def find(self, action: str) -> tuple[str, ...]:
        """The ARNs that an action is allowed on; none when there can be no such resource."""
        types = list_resource_types(action)
        service = action.partition(":")[0]
        if types is None or (types and service not in self._arns):
            return ()
        if not types:
            return ("*",) if service in self._arns else ()
        if action == "iam:CreateServiceLinkedRole":
            return self._name_linked_role()
        known = self._arns[service]
        if "" in known:
            return known[""]
        return tuple(sorted({arn for kind in types for arn in known.get(kind, ())}))

    def _name_linked_role(self) -> tuple[str, ...]:
        service = "elasticloadbalancing.amazonaws.com"
        return (f"arn:aws:iam::{self._account}:role/aws-service-role/{service}/*",)

    def _list_arns(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """By service and type of resource, as AWS's table names it; "" stands for each type."""
        where, stem = self._where, self._stem
        app, api = self._app, f"arn:aws:apigateway:{self._app.region}::"
        log_groups = f"log-group:/fairway/{app.name}/{app.environment}/*"
        balancing = f"arn:aws:elasticloadbalancing:{where}"
        buckets = tuple(f"arn:aws:s3:::{bucket}" for bucket in self._buckets)
        return {
            "apigateway": {"": (f"{api}/apis", f"{api}/apis/*", f"{api}/tags/*")},
            "cloudformation": {"stack": self._name_stacks()},
            "cloudwatch": {"alarm": (f"arn:aws:cloudwatch:{where}:alarm:{stem}",)},
            # What stands under a table has its name before its own: backups, indexes.
            "dynamodb": dict.fromkeys(
                ("backup", "table"), (f"arn:aws:dynamodb:{where}:table/{stem}",)
            ),
            "ec2": {kind: (f"arn:aws:ec2:{where}:{kind}/*",) for kind in _EC2_TYPES},
            "elasticloadbalancing": {
                "listener-rule/app": (f"{balancing}:listener-rule/app/*",),
                "listener/app": (f"{balancing}:listener/app/*",),
                "loadbalancer/app/": (f"{balancing}:loadbalancer/app/*",),
                "targetgroup": (f"{balancing}:targetgroup/*",),
            },
            "events": {"rule": (f"arn:aws:events:{where}:rule/{stem}",)},
            "iam": {"role": (f"arn:aws:iam::{self._account}:role/{stem}",)},
            "kms": {
                "alias": (f"arn:aws:kms:{where}:alias/{stem}",),
                "key": (f"arn:aws:kms:{where}:key/*",),
            },
            "lambda": {"function": (f"arn:aws:lambda:{where}:function:{stem}",)},
            "logs": {"log-group": (f"arn:aws:logs:{where}:{log_groups}",)},
            "s3": {"bucket": buckets, "object": tuple(f"{arn}/*" for arn in buckets)},
            "sns": {"topic": (f"arn:aws:sns:{where}:{stem}",)},
            "sqs": {"queue": (f"arn:aws:sqs:{where}:{stem}",)},
        }

    def _name_stacks(self) -> tuple[str, ...]:
        """Of every layer, whether there is one now or not, the first and the numbered."""
        arn = f"arn:aws:cloudformation:{self._where}:stack/"
        layers = sorted(name_stacks(self._app))
        own = [f"{arn}{name}{end}/*" for name in layers for end in ("", "-*")]
        return (f"{arn}{ARTIFACTS_STACK}/*", *own)


# Of the network that we make; their ids are AWS's.
_EC2_TYPES = (
    "internet-gateway", "network-acl", "route-table", "security-group", "security-group-rule",
    "subnet", "vpc", "vpc-endpoint", "vpc-flow-log",
)  # fmt: skip
