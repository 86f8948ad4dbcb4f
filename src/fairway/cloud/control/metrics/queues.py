"""AWS/SQS: messages that came, went and wait.

Page "Available CloudWatch metrics for Amazon SQS".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from fairway.cloud.control.metrics.funnel import Counted, Funnel
from fairway.cloud.control.metrics.measure import Measure, measure_repeated
from fairway.cloud.control.metrics.store import MINUTE, Metric, MetricStore, name_dimensions

_NAMESPACE = "AWS/SQS"


class _Did(NamedTuple):
    """Something that happened to messages of a queue. unit: of its values."""

    queue: str
    metric: str
    unit: str = "Count"


class QueueMetrics:
    """Counts what is done to queues, and once a minute what waits in them."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._did: Funnel[_Did] = Funnel(expand_did, clock)
        self._looked = 0

    def note(self, queue: str, metric: str, value: float, unit: str = "Count") -> None:
        """Count something; on any thread."""
        self._did.note(_Did(queue, metric, unit), value)

    def note_received(self, queue: str, count: int) -> None:
        """Count one request that received so many messages."""
        if count:
            self.note(queue, "NumberOfMessagesReceived", count)
        else:
            self.note(queue, "NumberOfEmptyReceives", 1)

    def flush(self, store: MetricStore) -> None:
        """Put what was counted into the store; look at the queues when a minute began."""
        self._did.flush(store)
        now = self._clock()
        minute = int(now // MINUTE) * MINUTE
        if minute != self._looked:
            self._looked = minute
            for name, queue in list_queues():
                for metric, unit, value in describe_queue(queue, now):
                    named = Metric(_NAMESPACE, metric, name_dimensions({"QueueName": name}))
                    store.add(named, unit, minute, measure_repeated(value, 1))


def expand_did(shape: _Did, measures: tuple[Measure, ...]) -> Iterator[Counted]:
    """One metric of one queue."""
    dimensions = name_dimensions({"QueueName": shape.queue})
    yield Metric(_NAMESPACE, shape.metric, dimensions), shape.unit, measures[0]


def list_queues() -> list[tuple[str, dict[str, Any]]]:
    """Every queue by its name."""
    from ministack.services import sqs

    return [(str(queue["name"]), queue) for queue in list(dict.values(sqs._queues._data))]


def describe_queue(queue: dict[str, Any], now: float) -> Iterator[tuple[str, str, float]]:
    """What waits in a queue: (metric, unit, value)."""
    visible = hidden = delayed = 0
    oldest = now
    for message in list(queue["messages"]):
        oldest = min(oldest, message["sent_at"])
        if message["visible_at"] <= now:
            visible += 1
        elif message["receive_count"]:
            hidden += 1
        else:
            delayed += 1
    yield "ApproximateNumberOfMessagesVisible", "Count", visible
    yield "ApproximateNumberOfMessagesNotVisible", "Count", hidden
    yield "ApproximateNumberOfMessagesDelayed", "Count", delayed
    yield "ApproximateAgeOfOldestMessage", "Seconds", now - oldest


def patch_queues(metrics: QueueMetrics) -> None:
    """Queues tell what is done to them, by requests and by event sources.

    Call after the other changes to ministack's SQS.
    """
    from ministack.services import sqs

    for name, note in (
        ("_act_send_message", _note_sent),
        ("_act_receive_message", _note_received),
        ("_act_delete_message", _note_deleted),
        ("_act_delete_message_batch", _note_deleted_batch),
    ):
        original = getattr(sqs, name)
        counted = _count_action(original, partial(note, metrics))
        for action, known in list(sqs._HANDLERS.items()):
            if known is original:
                sqs._HANDLERS[action] = counted
        setattr(sqs, name, counted)
    _count_event_sources(sqs, metrics)


def _count_action(original: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
    """An action that is counted once it is done. note: takes the queue, request and answer."""

    def act(data: dict[str, Any], url: str) -> Any:
        answer = original(data, url)
        if asyncio.iscoroutine(answer):
            return finish(data, url, answer)
        note(str(data.get("QueueUrl") or url).rpartition("/")[2], data, answer)
        return answer

    async def finish(data: dict[str, Any], url: str, doing: Awaitable[Any]) -> Any:
        answer = await doing
        note(str(data.get("QueueUrl") or url).rpartition("/")[2], data, answer)
        return answer

    return act


def _note_sent(metrics: QueueMetrics, queue: str, data: dict[str, Any], _: Any) -> None:
    size = len(str(data.get("MessageBody") or "").encode())
    metrics.note(queue, "NumberOfMessagesSent", 1)
    metrics.note(queue, "SentMessageSize", size, "Bytes")


def _note_received(metrics: QueueMetrics, queue: str, _: Any, answer: dict[str, Any]) -> None:
    metrics.note_received(queue, len(answer.get("Messages") or ()))


def _note_deleted(metrics: QueueMetrics, queue: str, _: Any, __: Any) -> None:
    metrics.note(queue, "NumberOfMessagesDeleted", 1)


def _note_deleted_batch(metrics: QueueMetrics, queue: str, _: Any, answer: dict[str, Any]) -> None:
    if answer.get("Successful"):
        metrics.note(queue, "NumberOfMessagesDeleted", len(answer["Successful"]))


def _count_event_sources(sqs: Any, metrics: QueueMetrics) -> None:
    take, drop = sqs._receive_messages_for_esm, sqs._delete_messages_for_esm

    def take_messages(url: str, wanted: int) -> Any:
        found = take(url, wanted)
        metrics.note_received(url.rpartition("/")[2], len(found))
        return found

    def drop_messages(url: str, handles: set[str]) -> Any:
        if handles:
            metrics.note(url.rpartition("/")[2], "NumberOfMessagesDeleted", len(handles))
        return drop(url, handles)

    sqs._receive_messages_for_esm = take_messages
    sqs._delete_messages_for_esm = drop_messages
