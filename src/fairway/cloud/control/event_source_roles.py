"""Event sources are read in the function's role: what the role must allow, and what if not.

Lambda asks when a mapping is made, and refuses it; a role that loses its
permission later stops the reading, and the mapping says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fairway.cloud.control.authority import FunctionRole, find_refusal, find_role
from fairway.cloud.control.denials import Denial
from fairway.cloud.control.resources.registry import Extension, Properties
from fairway.cloud.control.streams.poller import Follow, Followed

Record = Mapping[str, Any]
Tell = Callable[[Denial], None]

READS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "sqs": (("sqs:ReceiveMessage",), ("sqs:DeleteMessage",), ("sqs:GetQueueAttributes",)),
    "dynamodb": (
        ("dynamodb:GetRecords",),
        ("dynamodb:GetShardIterator",),
        ("dynamodb:DescribeStream",),
        ("dynamodb:ListStreams",),
    ),
    "kinesis": (
        ("kinesis:GetRecords",),
        ("kinesis:GetShardIterator",),
        ("kinesis:DescribeStream", "kinesis:DescribeStreamSummary"),
    ),
}
"""For each source all of these, of each the one or the other.

Pages "Creating and configuring an Amazon SQS event source mapping", "Process
DynamoDB records with Lambda" and "Process Amazon Kinesis Data Streams records with
Lambda", execution role permissions.
"""

_PURPOSE = "to read its event source"


def find_read_refusal(who: FunctionRole, source: str) -> Denial | None:
    """What a role lacks to read a source ARN; None when it lacks nothing, or nobody is asked."""
    for alternatives in READS.get(source.split(":")[2], ()):
        refusals = [find_refusal(who, action, source) for action in alternatives]
        first = refusals[0]
        if first is not None and all(refusals):
            return Denial(first.principal, first.action, first.resource, _PURPOSE)
    return None


def word_mapping_refusal(source: str, refused: Denial) -> str:
    """What Lambda answers to a mapping that its role cannot read."""
    service = source.split(":")[2]
    if refused.action.startswith("kms:"):
        return (
            "The function execution role does not have permissions to call "
            f"{refused.action.partition(':')[2]} on KMS"
        )
    if service == "sqs":
        call = refused.action.partition(":")[2]
        return f"The function execution role does not have permissions to call {call} on SQS"
    name, calls = {
        "dynamodb": ("DynamoDB", "GetRecords, GetShardIterator, DescribeStream, and ListStreams"),
        "kinesis": (
            "Kinesis",
            "GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams",
        ),
    }[service]
    return (
        f"Cannot access stream {source}. Please ensure the role can perform the {calls} Actions "
        f"on your stream in {name}."
    )


def check_mapping(function: str, source: str) -> str | None:
    """Why Lambda would refuse a mapping of a function (name or ARN) on a source; None if not."""
    from ministack.services import lambda_svc

    name, _ = lambda_svc._resolve_request_scoped_name_and_qualifier(function)
    if source.count(":") < 5 or name not in lambda_svc._functions:
        return None  # refused for that
    who = find_role(lambda_svc._func_arn(name))
    refused = find_read_refusal(who, source) if who else None
    return word_mapping_refusal(source, refused) if refused else None


def may_read(mapping: dict[str, Any], tell: Tell) -> bool:
    """Whether a mapping's role still allows reading; if not, its record and a notice say so."""
    source = str(mapping.get("EventSourceArn") or "")
    who = find_role(str(mapping["FunctionArn"]))
    refused = find_read_refusal(who, source) if who else None
    if refused is None:
        return True
    problem = f"PROBLEM: {word_mapping_refusal(source, refused)}"
    if mapping.get("LastProcessingResult") != problem:
        mapping["LastProcessingResult"] = problem
        tell(refused)
    return False


def follow_readable(follow: Follow, tell: Tell) -> Follow:
    """The mappings on streams whose role allows reading."""

    def choose() -> Iterator[Followed]:
        for followed in follow():
            if may_read(followed.mapping, tell):
                yield followed

    return choose


def patch_mapping_roles(tell: Tell) -> None:
    """Refuse mappings that could not be read; poll queues only while they can be."""
    from ministack.core.responses import error_response_json
    from ministack.services import lambda_svc

    create, iterate = lambda_svc._create_esm, lambda_svc._iter_all_esms

    def create_mapping(data: Record) -> Any:
        source = str(data.get("EventSourceArn") or "")
        refusal = check_mapping(str(data.get("FunctionName") or ""), source)
        if refusal is not None:
            return error_response_json("InvalidParameterValueException", refusal, 400)
        return create(data)

    def iterate_readable() -> Iterator[tuple[str, str, Any]]:
        for account, region, mapping in iterate():
            is_queue = ":sqs:" in str(mapping.get("EventSourceArn") or "")
            enabled = mapping.get("Enabled", True)
            if not is_queue or not enabled or may_read(mapping, tell):
                yield account, region, mapping

    lambda_svc._create_esm = create_mapping
    lambda_svc._iter_all_esms = iterate_readable


def _check_declared(props: Properties) -> None:
    source = str(props.get("EventSourceArn") or "")
    refusal = check_mapping(str(props.get("FunctionName") or ""), source)
    if refusal is not None:
        raise ValueError(f"{refusal} (Service: Lambda, Status Code: 400)")


EXTENSIONS = {"AWS::Lambda::EventSourceMapping": Extension(check=_check_declared)}
