"""An SQS in memory: visibility, counts of receives, redrive, and groups that keep their order."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError


@dataclass
class FakeMessage:
    send: dict[str, Any]
    number: int
    receives: int = 0
    receipt: str = ""  # of the last reading; hidden while it is set and `hidden`
    hidden: bool = False
    delayed: bool = False


@dataclass
class FakeQueue:
    """kind: attributes as AWS tells them. limit: messages in flight at once."""

    attributes: dict[str, str] = field(default_factory=dict)
    messages: list[FakeMessage] = field(default_factory=list)
    limit: int = 120_000


class FakeSqs:
    """The calls that backups make. Long polls find everything, or nothing when there is none."""

    def __init__(self) -> None:
        self.queues: dict[str, FakeQueue] = {}
        self.numbers = itertools.count(1)
        self.deleted: list[str] = []

    def create_queue(self, QueueName: str, Attributes: dict[str, str]) -> dict[str, str]:
        url = f"http://sqs/{QueueName}"
        assert url not in self.queues
        fifo = Attributes.get("FifoQueue") == "true"
        assert fifo == QueueName.endswith(".fifo")
        assert len(QueueName) <= 80
        self.queues[url] = FakeQueue({**Attributes, "QueueArn": f"arn:aws:sqs:::{QueueName}"})
        return {"QueueUrl": url}

    def delete_queue(self, QueueUrl: str) -> None:
        self.deleted.append(QueueUrl)
        del self.queues[QueueUrl]

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        queue = self.find(QueueUrl)
        hidden = sum(m.hidden for m in queue.messages)
        delayed = sum(m.delayed for m in queue.messages)
        waiting = len(queue.messages) - hidden - delayed
        stem = "ApproximateNumberOfMessages"
        counts = {stem: waiting, f"{stem}NotVisible": hidden, f"{stem}Delayed": delayed}
        told = {**queue.attributes, **{k: str(v) for k, v in counts.items()}}
        wanted = told.keys() if "All" in AttributeNames else AttributeNames
        return {"Attributes": {name: told[name] for name in wanted if name in told}}

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        assert len(Entries) <= 10
        assert len({e["Id"] for e in Entries}) == len(Entries)
        for entry in Entries:
            send = {key: value for key, value in entry.items() if key != "Id"}
            self.find(QueueUrl).messages.append(FakeMessage(send, next(self.numbers)))
        return {"Successful": [{"Id": e["Id"]} for e in Entries]}

    def receive_message(
        self, QueueUrl: str, MaxNumberOfMessages: int, VisibilityTimeout: int, **_: Any
    ) -> dict[str, Any]:
        queue = self.find(QueueUrl)
        assert VisibilityTimeout > 0
        self._redrive(queue)
        busy = {m.send.get("MessageGroupId") for m in queue.messages if m.hidden} - {None}
        fifo = queue.attributes.get("FifoQueue") == "true"
        found = [
            m
            for m in queue.messages
            if not m.hidden
            and not m.delayed
            and not (fifo and m.send.get("MessageGroupId") in busy)
        ]
        room = queue.limit - sum(m.hidden for m in queue.messages)
        taken = found[: min(MaxNumberOfMessages, room)]
        return {"Messages": [self._read(m, fifo=fifo) for m in taken]} if taken else {}

    def _read(self, message: FakeMessage, *, fifo: bool) -> dict[str, Any]:
        message.receives += 1
        message.hidden = True
        message.receipt = f"{message.number}/{message.receives}"
        told = {
            "SentTimestamp": str(1000 - message.number if not fifo else 0),
            "ApproximateReceiveCount": str(message.receives),
        }
        for name in ("MessageGroupId", "MessageDeduplicationId"):
            if name in message.send:
                told[name] = message.send[name]
        if fifo:
            told["SequenceNumber"] = f"{message.number:020}"
        system = message.send.get("MessageSystemAttributes", {})
        if system:
            told["AWSTraceHeader"] = system["AWSTraceHeader"]["StringValue"]
        return {
            "MessageId": f"m-{message.number}",
            "ReceiptHandle": message.receipt,
            "Body": message.send["MessageBody"],
            "Attributes": told,
            "MessageAttributes": message.send.get("MessageAttributes", {}),
        }

    def _redrive(self, queue: FakeQueue) -> None:
        """ "Using dead-letter queues": moved when read once more than maxReceiveCount."""
        policy = json.loads(queue.attributes.get("RedrivePolicy", "{}"))
        if not policy:
            return
        most = int(policy["maxReceiveCount"])
        spent = [m for m in queue.messages if not m.hidden and m.receives >= most]
        target = next(
            q
            for q in self.queues.values()
            if q.attributes["QueueArn"] == policy["deadLetterTargetArn"]
        )
        queue.messages = [m for m in queue.messages if m not in spent]
        target.messages += spent

    def delete_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> None:
        receipts = {e["ReceiptHandle"] for e in Entries}
        queue = self.find(QueueUrl)
        queue.messages = [m for m in queue.messages if m.receipt not in receipts]

    def change_message_visibility_batch(
        self, QueueUrl: str, Entries: list[dict[str, Any]]
    ) -> dict[str, Any]:
        assert len(Entries) <= 10
        for entry in Entries:
            assert entry["VisibilityTimeout"] == 0
            for message in self.find(QueueUrl).messages:
                if message.receipt == entry["ReceiptHandle"]:
                    message.hidden = False
        return {}

    def find(self, url: str) -> FakeQueue:
        if url not in self.queues:
            code = "AWS.SimpleQueueService.NonExistentQueue"
            raise ClientError({"Error": {"Code": code, "Message": "no such queue"}}, "call")
        return self.queues[url]
