"""What a request can change, told from its head: how much to look at before it is answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from fairway.cloud.control.asgi import Scope


class Change(Enum):
    """NONE: it only reads. DATA: rows, messages, objects. CONTROL: anything."""

    NONE = "none"
    DATA = "data"
    CONTROL = "control"


_DATA: Mapping[str, frozenset[str]] = {
    "DynamoDB_20120810": frozenset(
        {
            "PutItem",
            "UpdateItem",
            "DeleteItem",
            "BatchWriteItem",
            "TransactWriteItems",
            "ExecuteStatement",
            "ExecuteTransaction",
            "BatchExecuteStatement",
        }
    ),
    "AmazonSQS": frozenset(
        {
            "SendMessage",
            "SendMessageBatch",
            "ReceiveMessage",
            "DeleteMessage",
            "DeleteMessageBatch",
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "PurgeQueue",
        }
    ),
    "Kinesis_20131202": frozenset({"PutRecord", "PutRecords"}),
    "AmazonSSM": frozenset({"PutParameter", "DeleteParameter", "DeleteParameters"}),
}
_LATER: Mapping[str, frozenset[str]] = {
    "Firehose_20150804": frozenset({"PutRecord", "PutRecordBatch"}),
    "GraniteServiceVersion20100801": frozenset({"PutMetricData"}),
}
"""Streams of measurements: written with the next sweep, not before each answer."""

_CREDENTIAL = re.compile(rb"Credential=[^/]+/\d+/[^/]*/([^/]+)/aws4_request")

_READS = ("Get", "List", "Describe", "BatchGet", "Query", "Scan", "TransactGet", "Lookup")

_WRITING_READS = frozenset({"TrentService.GetParametersForImport"})
"""They are called Get, and what they give is kept."""

_QUERY_ACTION = re.compile(rb"(?:^|&)Action=([A-Za-z]+)(?:&|$)")
"""The same in a query string: a request may be sent by GET, as presigned ones are."""

_ACTION = re.compile(rb"Action=([A-Za-z]+)(?:&|$)")
"""How SDKs begin the form of a request ("Query API", CloudFormation's and EC2's references)."""


def service_of(headers: list[tuple[bytes, bytes]]) -> str:
    """The AWS service that a signed request names, or ""."""
    for name, value in headers:
        if name == b"authorization":
            found = _CREDENTIAL.search(value)
            return found.group(1).decode("ascii", "replace") if found else ""
    return ""


def classify(scope: Scope, service: str) -> Change:
    """What the request may have changed when its answer is ready."""
    target = _find(scope["headers"], b"x-amz-target")
    if target:
        family, _, action = target.partition(".")
        if action in _DATA.get(family, ()):
            return Change.DATA
        reads = action.startswith(_READS) or action in _LATER.get(family, ())
        reads = reads and target not in _WRITING_READS
        return Change.NONE if reads else Change.CONTROL
    if service == "s3":
        return _classify_object(scope)
    if service == "lambda" and "/invocations" in scope["path"]:
        # What the function writes are requests of its own; an event must be kept until it ran.
        event = _find(scope["headers"], b"x-amz-invocation-type") == "Event"
        return Change.DATA if event else Change.NONE
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        asked = _QUERY_ACTION.search(scope.get("query_string", b""))
        # A presigned one does not name its service in a header: then it may be STS.
        changes = asked is not None and not _reads(asked[1], service or "sts")
        return Change.CONTROL if changes else Change.NONE
    return Change.CONTROL


def reads_by_form(body: bytes, service: str) -> bool:
    """Whether the form of a request says that it only reads; of those that name no target.

    body: its beginning. STS answers with new credentials to what is called Get.
    """
    found = _ACTION.match(body)
    return found is not None and _reads(found[1], service)


def _reads(action: bytes, service: str) -> bool:
    return service != "sts" and action.decode().startswith(_READS)


def _classify_object(scope: Scope) -> Change:
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return Change.NONE
    is_object = scope["path"].strip("/").count("/") >= 1
    return Change.DATA if is_object else Change.CONTROL


def _find(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return ""
