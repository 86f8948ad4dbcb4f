"""The messages of a queue: read without being lost, kept, sent again, and let go of.

Amazon SQS Developer Guide: a message that is read stays in the queue, hidden for its visibility
timeout, and each reading counts against `maxReceiveCount` ("Using dead-letter queues"). Of a FIFO
queue's group no more is handed out while something of it is hidden ("FIFO queue delivery logic").
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairway.aws import Aws
from fairway.errors import DeploymentFailed
from fairway.plan.waiting import Pace

HIDDEN_SECONDS = 900
"""How long what was read stays hidden from others, should nobody let go of it.

Longer than most updates take. A message that comes back sooner may be worked on before its queue
is gone; one that is hidden for longer waits, when apply is killed.
"""

AT_ONCE = 10  # "Amazon SQS message quotas": messages in one request
_LARGEST_REQUEST = 262_144  # bytes; the quota was this before it was 1 MiB, and endpoints differ
_MARGIN = 1000  # messages that may come while a queue is read
_EMPTY_POLLS = 3  # long ones in a row, until a trial queue is taken to hold no more
_GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")

Line = dict[str, Any]
"""One message as it is kept: `send` is what SendMessage takes, but for the queue's URL (binary
values in base64); `id` and `attributes` are what the queue said of it."""


@dataclass(frozen=True)
class Counts:
    """How many messages a queue says it has, about; in flight: read by others and not deleted."""

    waiting: int
    in_flight: int
    delayed: int


@dataclass
class Held:
    """Messages that were read and are hidden from others until they are let go of.

    queue: its URL. attributes: the queue's own. before: its counts when reading began.
    messages: as ReceiveMessage gave them, by their ids. left: how many could not be had.
    """

    queue: str
    attributes: Mapping[str, str]
    before: Counts
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    left: int = 0

    @property
    def is_fifo(self) -> bool:
        """Whether the order of its groups is kept."""
        return self.attributes.get("FifoQueue") == "true"

    @property
    def is_full(self) -> bool:
        """Whether enough was read: a queue that is sent to without end has no last message."""
        return len(self.messages) > 2 * self.before.waiting + _MARGIN

    def describe(self) -> list[Line]:
        """The messages as they are kept, in the order in which they were sent."""
        return [describe_message(m) for m in sorted(self.messages.values(), key=_find_order)]


def read_counts(attributes: Mapping[str, str]) -> Counts:
    """A queue's counts from its attributes, which lag behind by up to a minute on AWS."""
    stem = "ApproximateNumberOfMessages"
    return Counts(*(int(attributes.get(stem + end, "0")) for end in ("", "NotVisible", "Delayed")))


def read_attributes(aws: Aws, queue: str) -> dict[str, str]:
    """All attributes of a queue; empty when it is gone."""
    from botocore.exceptions import ClientError

    try:
        answer = aws.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])
    except ClientError as error:
        if error.response.get("Error", {}).get("Code", "").rpartition("#")[2] in _GONE:
            return {}
        raise
    return dict(answer["Attributes"])


def hold_messages(aws: Aws, queue: str) -> Held:
    """Read a queue until it hands out no more. What was read is let go of when that fails."""
    attributes = read_attributes(aws, queue)
    held = Held(queue, attributes, read_counts(attributes))
    try:
        while True:
            read = _read_round(aws, held)
            held.left = read_counts(read_attributes(aws, queue)).waiting
            if not held.left or not read or held.is_full:
                return held
    except BaseException:
        free_quietly(aws, held)
        raise


def _read_round(aws: Aws, held: Held) -> int:
    """Read until a long poll, which asks all of SQS's servers, finds nothing; how many came."""
    read = 0
    while found := _receive(aws, held.queue, HIDDEN_SECONDS):
        fresh = [m for m in found if m["MessageId"] not in held.messages]
        # One that comes again has a new receipt, and only that one counts.
        held.messages.update({m["MessageId"]: m for m in found})
        read += len(fresh)
        if not fresh or held.is_full:  # none fresh: they were not hidden for long enough
            break
    return read


def _receive(aws: Aws, queue: str, hidden: int) -> list[dict[str, Any]]:
    answer = aws.sqs.receive_message(
        QueueUrl=queue,
        MaxNumberOfMessages=AT_ONCE,
        VisibilityTimeout=hidden,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    return list(answer.get("Messages", []))


def _find_order(message: Mapping[str, Any]) -> tuple[int, int]:
    told = message.get("Attributes", {})
    return (int(told.get("SequenceNumber", "0")), int(told.get("SentTimestamp", "0")))


def describe_message(message: Mapping[str, Any]) -> Line:
    """A message as it is kept, from what ReceiveMessage gives."""
    told = dict(message.get("Attributes", {}))
    send: dict[str, Any] = {"MessageBody": message["Body"]}
    values = {n: _to_text(v) for n, v in message.get("MessageAttributes", {}).items()}
    if values:
        send["MessageAttributes"] = values
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        if name in told:
            send[name] = told[name]
    if "AWSTraceHeader" in told:
        trace = {"DataType": "String", "StringValue": told["AWSTraceHeader"]}
        send["MessageSystemAttributes"] = {"AWSTraceHeader": trace}
    return {"send": send, "id": message["MessageId"], "attributes": told}


def _to_text(value: Mapping[str, Any]) -> dict[str, str]:
    found = {"DataType": value["DataType"]}
    if "BinaryValue" in value:
        return {**found, "BinaryValue": base64.b64encode(value["BinaryValue"]).decode()}
    return {**found, "StringValue": value["StringValue"]}


def _to_value(value: Mapping[str, str]) -> dict[str, Any]:
    binary = value.get("BinaryValue")
    return {**value, **({"BinaryValue": base64.b64decode(binary)} if binary else {})}


def dump_lines(lines: Sequence[Line]) -> bytes:
    """Messages as JSON, one a line."""
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


def load_lines(body: bytes) -> list[Line]:
    """Messages as they were kept. JSON has no bare line feed, but messages may hold others."""
    return [json.loads(line) for line in body.decode().split("\n") if line]


def send_lines(aws: Aws, queue: str, lines: Sequence[Line]) -> None:
    """Send messages into a queue, in their order. Raises DeploymentFailed at the first refusal."""
    for batch in _batch(lines):
        entries = [{"Id": str(i), **_make_entry(line)} for i, line in enumerate(batch)]
        answer = aws.sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        for refused in answer.get("Failed", []):
            raise DeploymentFailed(f"SQS did not take a message: {refused.get('Message')}")


def _make_entry(line: Line) -> dict[str, Any]:
    send = dict(line["send"])
    if "MessageAttributes" in send:
        send["MessageAttributes"] = {n: _to_value(v) for n, v in send["MessageAttributes"].items()}
    return send


def _batch(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """As many as fit into one request; one that is larger alone goes alone."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        own = len(dump_lines([line]))
        if batch and (len(batch) == AT_ONCE or size + own > _LARGEST_REQUEST):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += own
    if batch:
        yield batch


def try_lines(aws: Aws, name: str, source: Held, lines: Sequence[Line], pace: Pace) -> bool:
    """Send messages into a queue made for the trial; whether the very same come out of it."""
    kept = {"FifoQueue", "KmsMasterKeyId", "MaximumMessageSize"}
    own = {key: value for key, value in source.attributes.items() if key in kept and value}
    queue = aws.sqs.create_queue(QueueName=name, Attributes=own)["QueueUrl"]
    try:
        send_lines(aws, queue, lines)
        return _sort_out(_empty(aws, queue, len(lines), pace)) == _sort_out(lines)
    finally:
        aws.sqs.delete_queue(QueueUrl=queue)


def _empty(aws: Aws, queue: str, count: int, pace: Pace) -> list[Line]:
    """Take messages out of a queue until so many have come, or no more do."""
    lines: list[Line] = []
    nothing = 0
    for _ in pace.beats():
        while found := _receive(aws, queue, HIDDEN_SECONDS):
            nothing = 0
            lines += [describe_message(message) for message in found]
            _delete(aws, queue, found)
            if len(lines) >= count:
                return lines
        nothing += 1
        if nothing == _EMPTY_POLLS:
            break
    return lines


def _sort_out(lines: Sequence[Line]) -> dict[str, list[str]]:
    """What counts of messages, by group: in its order, and where there is no order, sorted."""
    groups: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        ordered = "SequenceNumber" in line["attributes"]
        group = line["send"].get("MessageGroupId", "") if ordered else ""
        groups[group].append(json.dumps(line["send"], sort_keys=True))
    return {group: found if group else sorted(found) for group, found in groups.items()}


def _delete(aws: Aws, queue: str, messages: Sequence[Mapping[str, Any]]) -> None:
    entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)]
    aws.sqs.delete_message_batch(QueueUrl=queue, Entries=entries)


def free_messages(aws: Aws, held: Held) -> str:
    """Make what was read visible again; what became of it in words, empty when the queue is gone.

    Where our reading was the last that the queue allows, the next one would move the message to
    the dead-letter queue although nobody worked on it. A copy, which counts from nothing, takes
    its place; in a FIFO queue that would break the order, so there it is only told.
    """
    if not held.messages or not read_attributes(aws, held.queue):
        return ""
    most = _find_most_receives(held.attributes)
    spent = [m for m in held.messages.values() if most and _count_receives(m) >= most]
    copied = 0 if held.is_fifo else _copy(aws, held.queue, spent)
    others = list(held.messages.values())
    if copied:
        gone = {m["MessageId"] for m in spent}
        others = [m for m in others if m["MessageId"] not in gone]
    for start in range(0, len(others), AT_ONCE):
        entries = [
            {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"], "VisibilityTimeout": 0}
            for i, m in enumerate(others[start : start + AT_ONCE])
        ]
        aws.sqs.change_message_visibility_batch(QueueUrl=held.queue, Entries=entries)
    return _tell_freed(len(held.messages), copied, len(spent) if held.is_fifo else 0)


def free_quietly(aws: Aws, held: Held) -> None:
    """The same on the way out with an error, which a further one must not hide."""
    from botocore.exceptions import BotoCoreError, ClientError

    with contextlib.suppress(BotoCoreError, ClientError, DeploymentFailed):
        free_messages(aws, held)


def _copy(aws: Aws, queue: str, messages: Sequence[Mapping[str, Any]]) -> int:
    """Send copies, and only then delete the messages themselves; how many."""
    for start in range(0, len(messages), AT_ONCE):
        some = messages[start : start + AT_ONCE]
        send_lines(aws, queue, [describe_message(m) for m in some])
        _delete(aws, queue, some)
    return len(messages)


def _tell_freed(count: int, copied: int, spent: int) -> str:
    told = f"{count} {'message is' if count == 1 else 'messages are'} visible again"
    told += ", counted as read once more"
    if copied:
        told += f"; {copied} of them had been read as often as the queue allows and were sent anew"
    if spent:
        told += (
            f"; {spent} of them have been read as often as the queue allows, and the next "
            "reading moves them to its dead-letter queue"
        )
    return told


def _count_receives(message: Mapping[str, Any]) -> int:
    return int(message.get("Attributes", {}).get("ApproximateReceiveCount", "1"))


def _find_most_receives(attributes: Mapping[str, str]) -> int:
    """How often a message may be read before it is moved; 0 without a dead-letter queue."""
    policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    return int(policy.get("maxReceiveCount", 0))


def find_dead_letters(attributes: Mapping[str, str]) -> str:
    """The ARN of the queue that takes what was read too often; empty for none."""
    policy = json.loads(attributes.get("RedrivePolicy") or "{}")
    return str(policy.get("deadLetterTargetArn", ""))
