"""Queues as event sources: when a batch is due, and which of its messages succeeded.

Follows "Using Lambda with Amazon SQS" and "Handling errors for an SQS event
source in Lambda".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

Record = dict[str, Any]

BATCH_BYTES = 5_000_000
"""Where a batch stops growing: Lambda's payload limit of 6 MB, less what surrounds the messages."""

_MOST_AT_ONCE = 10


def read_failures(body: object, message_ids: Sequence[str]) -> set[str]:
    """The ids of the messages that failed, from a handler's answer.

    An answer that is empty, null or has an empty list is a success; one that is
    no JSON, or an item whose id is missing, empty or unknown, fails the whole batch
    ("Implementing partial batch responses", success and failure conditions).
    """
    if isinstance(body, str):
        if not body:
            return set()
        try:
            body = json.loads(body)
        except ValueError:
            return set(message_ids)
    if body is None or body == {}:
        return set()
    if not isinstance(body, dict):
        return set(message_ids)
    items = body.get("batchItemFailures")
    if items is None or items == []:
        return set()
    if not isinstance(items, list):
        return set(message_ids)
    failed = {item.get("itemIdentifier") if isinstance(item, dict) else None for item in items}
    if not failed <= set(message_ids):
        return set(message_ids)
    return {str(each) for each in failed}


def gather_batch(receive: Callable[[int], list[Record]], wanted: int) -> list[Record]:
    """Receive up to `wanted` messages, ten at a time as Amazon SQS gives them.

    "Using Lambda with Amazon SQS": a batch ends at its size or at Lambda's payload limit.
    """
    batch: list[Record] = []
    size = 0
    while len(batch) < wanted and size < BATCH_BYTES:
        received = receive(min(_MOST_AT_ONCE, wanted - len(batch)))
        if not received:
            break
        batch += received
        size += sum(len(str(message.get("body") or "")) for message in received)
    return batch


class BatchWindows:
    """Holds mappings back until a batch is full or its window has passed.

    "Using Lambda with Amazon SQS", batching behavior: a batch is due when the
    window ends or the batch size is reached. clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def is_due(self, mapping: Record, waiting: int) -> bool:
        """Whether to take a batch now; waiting: messages that could be taken."""
        window = float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
        name = str(mapping["UUID"])
        if not window or not waiting:
            self._since.pop(name, None)
            return True
        now = self._clock()
        since = self._since.setdefault(name, now)
        if waiting < int(mapping.get("BatchSize") or 10) and now - since < window:
            return False
        del self._since[name]
        return True
