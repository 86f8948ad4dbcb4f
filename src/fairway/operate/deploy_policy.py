"""The smallest policy with which an application can be applied, from what its templates hold.

What CloudFormation calls in the deployer's name stands in AWS's resource schemas, under the
handlers of each type; what Fairway itself calls stands here. Resources are narrowed to the
application's prefix where AWS puts a name of ours into the ARN, else to account and region.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fairway.compile import Templates
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.draft import name_stacks
from fairway.define import App
from fairway.plan.schemas import load_schema

MANAGED_POLICY_SIZE = 6144
"""Characters without white space: "IAM and AWS STS quotas", size of a managed policy."""

# What the stages call, by client; a test holds it against their source.
STAGE_CALLS: dict[str, frozenset[str]] = {
    "cloudformation:stack": frozenset(
        {
            "cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet",
            "cloudformation:DeleteStack", "cloudformation:DescribeChangeSet",
            "cloudformation:DescribeStackEvents", "cloudformation:DescribeStackResourceDrifts",
            "cloudformation:DescribeStacks", "cloudformation:DetectStackDrift",
            "cloudformation:ExecuteChangeSet", "cloudformation:GetTemplate",
            "cloudformation:ListChangeSets", "cloudformation:ListStackResources",
            "cloudformation:TagResource",
        }
    ),
    "cloudformation:account": frozenset(
        {
            "cloudformation:DescribeStackDriftDetectionStatus", "cloudformation:ListStacks",
            "dynamodb:ListTables", "ec2:DescribeManagedPrefixLists", "sts:GetCallerIdentity",
        }
    ),
    "s3:artifacts": frozenset(
        {
            "s3:DeleteBucket", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject",
            "s3:ListBucket", "s3:ListBucketVersions", "s3:PutObject",
        }
    ),
    "dynamodb:backup": frozenset({"dynamodb:Scan"}),
}  # fmt: skip

# Service Authorization Reference: no resource can be named for these.
_WITHOUT_RESOURCE = re.compile(
    r"(ec2|elasticloadbalancing):Describe\w+|kms:(CreateKey|ListAliases)|dynamodb:ListTables|"
    r"logs:(\w+LogDelivery|\w+ResourceP\w+|DescribeLogGroups)"
)
# Calls for features that no component has, and those on data rather than on resources.
_LEFT_OUT = re.compile(
    r"dynamodb:(\w*Item|Query|Scan|\w*Replica|Import\w+|\w+KinesisStreamingDestination|"
    r"(Put|Delete)ResourcePolicy|UpdateContributorInsights)|"
    r"ec2:(\w*VpnGateways?|\w+Ipam\w*|\w+EncryptionControls?|ModifyVpcTenancy|DescribeInstances|"
    r"\w+SubnetCidrBlock)|"
    r"elasticloadbalancing:(\w+CapacityReservation|ModifyIpPools)|"
    r"lambda:(\w+RuntimeAlias|GetLayerVersion|(Put|Delete)FunctionCodeSigningConfig|"
    r"PublishVersion|PassCapacityProvider|Put(Runtime|FunctionScaling|FunctionRecursion)\w+)|"
    r"logs:((Put|Delete)(Index|DataProtection)Policy|PutLogEvents|CreateLogStream|"
    r"PutBearerTokenAuthentication|PutLogGroupDeletionProtection)|"
    r"s3:(\w*[Oo]bject(Acl|Version|Metadata)?|\w+Metadata\w*Table\w*|\w+Tables?|REST.*|"
    r"(Put|Delete)(Bucket)?(Accelerate|Analytics|Cors|CORS|Website|Replication|Inventory|Metrics|"
    r"IntelligentTiering|ObjectLock|Notification|Abac|Acl)\w*)|"
    r"iam:(\w+PermissionsBoundary)"
)


def make_deploy_policy(app: App, templates: Templates) -> dict[str, Any]:
    """An IAM policy document for the account and region of the environment."""
    account = app.account or "*"
    names = _Names(app, account)
    by_resource: dict[tuple[str, ...], set[str]] = {}

    def allow(actions: Iterable[str], resources: tuple[str, ...]) -> None:
        by_resource.setdefault(resources, set()).update(actions)

    allow(STAGE_CALLS["cloudformation:stack"], names.name_stacks())
    allow(STAGE_CALLS["cloudformation:account"], ("*",))
    allow(STAGE_CALLS["s3:artifacts"], names.name_artifact_objects())
    kinds = {body["Type"] for stack in templates.stacks for body in stack.resources.values()}
    if "AWS::DynamoDB::Table" in kinds:
        allow(STAGE_CALLS["dynamodb:backup"], names.find("dynamodb:Scan"))
    for action in list_handler_actions(kinds, app.region):
        allow((action,), names.find(action))
    statements = [
        {"Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}
        for resources, actions in sorted(by_resource.items())
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def list_handler_actions(kinds: Iterable[str], region: str) -> list[str]:
    """What CloudFormation calls to make, read, change and remove resources of these types.

    Calls to services that the types are not of are for features that nothing uses, but for
    keys, roles and the delivery of logs.
    """
    found: set[str] = set()
    for kind in kinds:
        handlers = (load_schema(kind, region) or {}).get("handlers", {})
        for verb in ("create", "read", "update", "delete"):
            found |= set(handlers.get(verb, {}).get("permissions", []))
    families = {kind.split("::")[1] for kind in kinds}
    services = {_SERVICES[family] for family in families if family in _SERVICES}
    services |= {"kms", "iam"}
    return sorted(a for a in found if a.split(":")[0] in services and not _LEFT_OUT.fullmatch(a))


def list_uncovered(templates: Templates) -> list[str]:
    """Types of raw resources whose services this knows no names of: the policy leaves them out."""
    kinds = {body["Type"] for stack in templates.stacks for body in stack.resources.values()}
    return sorted(kind for kind in kinds if kind.split("::")[1] not in _SERVICES)


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


_SERVICES = {
    "ApiGatewayV2": "apigateway",
    "CloudWatch": "cloudwatch",
    "DynamoDB": "dynamodb",
    "EC2": "ec2",
    "ElasticLoadBalancingV2": "elasticloadbalancing",
    "Events": "events",
    "IAM": "iam",
    "KMS": "kms",
    "Lambda": "lambda",
    "Logs": "logs",
    "S3": "s3",
    "SNS": "sns",
    "SQS": "sqs",
}


class _Names:
    """ARNs of what CloudFormation makes for an application, as patterns."""

    def __init__(self, app: App, account: str) -> None:
        self._app = app
        self._where = f"{app.region}:{account}"
        self._account = account
        self._stem = f"{app.prefix}-*"

    def name_stacks(self) -> tuple[str, ...]:
        """Of every layer, whether there is one now or not, the first and the numbered."""
        arn = f"arn:aws:cloudformation:{self._where}:stack/"
        layers = sorted(name_stacks(self._app))
        own = [f"{arn}{name}{end}/*" for name in layers for end in ("", "-*")]
        return (f"{arn}{ARTIFACTS_STACK}/*", *own)

    def name_artifact_objects(self) -> tuple[str, ...]:
        buckets = (f"{ARTIFACTS_STACK}-*", self._stem)
        return tuple(f"arn:aws:s3:::{bucket}{end}" for bucket in buckets for end in ("", "/*"))

    def find(self, action: str) -> tuple[str, ...]:
        """The ARNs that an action is allowed on."""
        if _WITHOUT_RESOURCE.fullmatch(action):
            return ("*",)
        if action == "iam:CreateServiceLinkedRole":
            return (f"arn:aws:iam::{self._account}:role/aws-service-role/*",)
        where, stem = self._where, self._stem
        log_groups = f"log-group:/fairway/{self._app.name}/{self._app.environment}/*"
        found = {
            "apigateway": (
                f"arn:aws:apigateway:{self._app.region}::/apis",
                f"arn:aws:apigateway:{self._app.region}::/apis/*",
                f"arn:aws:apigateway:{self._app.region}::/tags/*",
            ),
            "cloudwatch": (f"arn:aws:cloudwatch:{where}:alarm:{stem}",),
            "dynamodb": (f"arn:aws:dynamodb:{where}:table/{stem}",),
            "ec2": (f"arn:aws:ec2:{where}:*/*",),
            "elasticloadbalancing": (f"arn:aws:elasticloadbalancing:{where}:*/*",),
            "events": (f"arn:aws:events:{where}:rule/{stem}",),
            "iam": (f"arn:aws:iam::{self._account}:role/{stem}",),
            "kms": (f"arn:aws:kms:{where}:alias/{stem}", f"arn:aws:kms:{where}:key/*"),
            "lambda": (f"arn:aws:lambda:{where}:function:{stem}",),
            "logs": (f"arn:aws:logs:{where}:{log_groups}",),
            "s3": (f"arn:aws:s3:::{ARTIFACTS_STACK}-*", f"arn:aws:s3:::{stem}"),
            "sns": (f"arn:aws:sns:{where}:{stem}",),
            "sqs": (f"arn:aws:sqs:{where}:{stem}",),
        }
        return found[action.split(":")[0]]
