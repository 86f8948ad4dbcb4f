"""What a request is to a policy where ministack takes it for something else.

ministack reads an action, and what it is done to, wherever a request may say it, while its
handlers read one place: a request that says two things was allowed for one and did the other.
Here the handler's place alone counts. Then: a request about a backup of a table acts on the
backup, and on the table that it becomes: page "Actions, resources, and condition keys for Amazon
DynamoDB". A batch of messages needs what each of them needs: page "Amazon SQS API permissions:
Actions and resource reference". There are no actions for batches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

ListResources = Callable[[bytes, str, str], list[str]]

_BY_FORM = frozenset(
    {
        "autoscaling",
        "cloudformation",
        "ec2",
        "elasticache",
        "elasticloadbalancing",
        "iam",
        "monitoring",
        "rds",
        "sns",
        "sqs",
        "sts",
    }
)
"""Services of ministack that look for the parameter Action: to all others it says nothing."""

_TABLE = frozenset(
    [
        "CreateBackup",
        "CreateTable",
        "DeleteItem",
        "DeleteTable",
        "DescribeContinuousBackups",
        "DescribeKinesisStreamingDestination",
        "DescribeTable",
        "DescribeTimeToLive",
        "DisableKinesisStreamingDestination",
        "EnableKinesisStreamingDestination",
        "GetItem",
        "ListBackups",
        "ListContributorInsights",
        "PutItem",
        "UpdateContinuousBackups",
        "UpdateItem",
        "UpdateKinesisStreamingDestination",
        "UpdateTable",
        "UpdateTimeToLive",
    ]
)
_INDEX = frozenset(
    ["DescribeContributorInsights", "Query", "Scan", "SearchVectors", "UpdateContributorInsights"]
)
"""These act on an index where they name one; on one beside it the others do not look."""

_BATCH = frozenset({"BatchGetItem", "BatchWriteItem"})
_BY_ARN = {
    "DeleteBackup": "BackupArn",
    "DescribeBackup": "BackupArn",
    "DescribeExport": "ExportArn",
    "DescribeImport": "ImportArn",
    "ExportTableToPointInTime": "TableArn",
    **dict.fromkeys(
        ("DeleteResourcePolicy", "GetResourcePolicy", "PutResourcePolicy"), "ResourceArn"
    ),
    **dict.fromkeys(("ListTagsOfResource", "TagResource", "UntagResource"), "ResourceArn"),
}
"""Operations on what one member of the request names."""

_OPERATION = re.compile(r"/operation/([^/?]+)")
_FORM = "application/x-www-form-urlencoded"
_refused: ContextVar[bool] = ContextVar("split_request", default=False)
_operation: ContextVar[str] = ContextVar("dynamodb_operation", default="")
"""What the request being answered asks of DynamoDB, since the body alone does not tell it."""


def patch_requests(iam_actions: Any) -> None:
    """Correct what ministack makes of requests. iam_actions: its module."""
    iam_actions.dynamodb_resource_arns = name_tables(iam_actions)
    iam_actions.extract_iam_action = name_action(iam_actions.extract_iam_action)


def name_action(original: Callable[..., str | None]) -> Callable[..., str | None]:
    """The action of a request, or None without one. original: ministack's."""

    def extract(
        service: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query_params: Mapping[str, Any],
    ) -> str | None:
        is_form = service in _BY_FORM and not _goes_by_name(service, path, headers)
        is_split = is_form and method == "POST" and _says_two_things(headers, body, query_params)
        _refused.set(is_split)
        if is_split:
            return f"{service}:InvalidRequest"
        if not is_form and service != "ses":  # it has both kinds, which ministack tells apart
            body = b"" if _FORM in headers.get("content-type", "") else body
            query_params = {k: v for k, v in query_params.items() if k != "Action"}
        action = original(service, method, path, headers, body, query_params)
        if action is None and service == "monitoring":
            named = _OPERATION.search(path)  # as its handler reads it: the protocol with CBOR
            return f"cloudwatch:{named[1]}" if named else None
        if service == "dynamodb":
            _operation.set((action or "").partition(":")[2])
        is_batch = action is not None and action.startswith("sqs:") and action.endswith("Batch")
        return action.removesuffix("Batch") if action and is_batch else action

    return extract


def is_refused() -> bool:
    """Whether the request being answered says two things, so that no policy can decide on it."""
    return _refused.get()


def _says_two_things(
    headers: Mapping[str, str], body: bytes, parameters: Mapping[str, Any]
) -> bool:
    """Whether a handler, which reads any body as a form, would see other parameters than these.

    parameters: those of the address, and of the body where its type says that it is a form.
    """
    if not body:
        return False
    if not headers.get("content-type", "").startswith(_FORM):
        return True
    said = {k: v for k, v in parameters.items() if not k.startswith("X-Amz-")}
    return said != parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)


def _goes_by_name(service: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether ministack's handler takes the action from X-Amz-Target or the path."""
    target, is_json = headers.get("x-amz-target", ""), "amz-json" in headers.get("content-type", "")
    match service:
        case "iam":
            return is_json and "." in target
        case "monitoring":
            return "." in target or "/operation/" in path
        case "sqs":
            return target.startswith("AmazonSQS.")
        case "sts":
            return is_json and target.startswith("AWSSecurityTokenServiceV20110615.")
    return False


def name_tables(iam_actions: Any) -> ListResources:
    """Lists the resources of a request to DynamoDB; none where its operation knows none."""

    def list_resources(body: bytes, region: str, account: str) -> list[str]:
        try:
            found: Any = iam_actions.json.loads(body or b"{}")
        except ValueError:
            return []
        if not isinstance(found, dict):
            return []
        where = f"arn:aws:dynamodb:{region}:{account}:table/"
        return [name for name in _list_named(_operation.get(), found, where) if name]

    return list_resources


def _list_named(operation: str, request: Mapping[str, Any], where: str) -> Iterator[str]:
    """What the handler of an operation reads, as ARNs; "" for what is not there."""
    if operation in _TABLE:
        yield _name_table(request.get("TableName"), where)
    elif operation in _INDEX:
        table, index = _name_table(request.get("TableName"), where), request.get("IndexName")
        yield f"{table}/index/{index}" if table and index and isinstance(index, str) else table
    elif operation in _BATCH:
        asked = request.get("RequestItems")
        for name in asked if isinstance(asked, dict) else ():
            yield _name_table(name, where)
    elif operation == "RestoreTableToPointInTime":
        yield _name_table(request.get("TargetTableName"), where)
        named = request.get("SourceTableName") or request.get("SourceTableArn")
        yield _name_table(named, where)
    elif operation == "RestoreTableFromBackup":
        yield _name_table(request.get("TargetTableName"), where)
        yield _read_arn(request, "BackupArn")
    elif operation in _BY_ARN:
        yield _read_arn(request, _BY_ARN[operation])


def _read_arn(request: Mapping[str, Any], member: str) -> str:
    found = request.get(member)
    return found if isinstance(found, str) and found.startswith("arn:") else ""


def _name_table(name: Any, where: str) -> str:
    """The ARN of a table by its name or ARN: of one with an index the table alone is meant."""
    if not isinstance(name, str) or not name:
        return ""
    return "/".join(name.split("/")[:2]) if name.startswith("arn:") else where + name
