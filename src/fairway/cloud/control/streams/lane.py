"""One lane of a shard: a batch at a time, in order, until it is done or given up.

Follows "Using Lambda with Amazon DynamoDB" and "Using Lambda with Amazon Kinesis
Data Streams" with their pages on batching, partial batch responses and
discarded records. A failing batch holds its lane: order is worth more there.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fairway.cloud.control.event_sources import BATCH_BYTES
from fairway.cloud.control.streams.model import FOREVER, Entry, Record, Settings, Shard
from fairway.cloud.functions.model import (
    Invocation,
    PayloadTooLarge,
    TooManyRequests,
    UnknownFunction,
)

_READ = 1000
"""Entries looked at in one read, as of GetRecords on DynamoDB streams."""

Filter = Callable[[list[Record]], list[Record]]
Advance = Callable[[str], None]


class InvokeBatch(Protocol):
    """Run a function once. Raises as `fairway.cloud.functions.model.Invoke` does."""

    async def __call__(self, arn: str, payload: bytes) -> Invocation:
        """Invoke and wait for the outcome."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds before a failed batch is tried again, doubling. AWS does not say its own."""

    first: float = 0.2
    most: float = 5.0


@dataclass(slots=True)
class Batch:
    """Entries that are given to the function together. attempts: that failed already."""

    entries: list[Entry]
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What was read for one lane: its own entries that pass the filter, and where reading ended."""

    entries: list[Entry]
    end: str
    is_full: bool


def choose_lane(key: str, lanes: int) -> int:
    """The lane of a partition key: the same key always, so its records stay in order."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % lanes


def take_entries(
    shard: Shard, after: str, settings: Settings, lane: int, choose: Filter
) -> Taken | None:
    """Read the next batch of a lane; None when there is nothing new."""
    raw = shard.read(after, _READ if settings.lanes > 1 else settings.batch_size)
    if not raw:
        return None
    entries: list[Entry] = []
    size, end = 0, after
    for entry in raw:
        if choose_lane(entry.key, settings.lanes) == lane:
            size += len(json.dumps(entry.record, default=str))
            if len(entries) == settings.batch_size or (entries and size > BATCH_BYTES):
                return Taken(_pass(entries, choose), end, True)
            entries.append(entry)
        end = entry.order
    return Taken(_pass(entries, choose), end, len(entries) >= settings.batch_size)


def _pass(entries: list[Entry], choose: Filter) -> list[Entry]:
    """Entries that the mapping's filter lets through; the others count as done."""
    kept = {id(record) for record in choose([entry.record for entry in entries])}
    return [entry for entry in entries if id(entry.record) in kept]


def find_failure(outcome: Invocation, batch: Batch, settings: Settings) -> int | None:
    """The index of the first entry that must come again; None when all are done.

    "Configuring partial batch response with DynamoDB and Lambda" (and the Kinesis
    page): the lowest sequence number in batchItemFailures is the checkpoint; a bad
    answer or an empty identifier fails the whole batch, an empty list none of it.
    """
    if outcome.error is not None:
        return 0
    if not settings.reports_failures:
        return None
    try:
        answer = json.loads(outcome.payload) if outcome.payload else None
    except (ValueError, RecursionError):
        return 0
    if answer is None or answer == "":
        return None
    items = answer.get("batchItemFailures") if isinstance(answer, dict) else answer
    if isinstance(answer, dict) and not items:
        return None
    if not isinstance(answer, dict) or not isinstance(items, list):
        return 0
    places = {entry.order: place for place, entry in enumerate(batch.entries)}
    named = [item.get("itemIdentifier") if isinstance(item, dict) else None for item in items]
    if not all(isinstance(each, str) and each in places for each in named):
        return 0
    return min(places[str(each)] for each in named)


class Lane:
    """Works through batches of one lane. advance: told what is done, by sequence number."""

    def __init__(
        self,
        settings: Settings,
        shard: str,
        *,
        invoke: InvokeBatch,
        advance: Advance,
        discard: Callable[[dict[str, Any]], Awaitable[None]],
        report: Callable[[str], None],
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._shard = shard
        self._invoke = invoke
        self._advance = advance
        self._discard = discard
        self._report = report
        self._pauses = pauses or Pauses()
        self._clock = clock
        self._wait = wait

    async def work(self, taken: Taken) -> None:
        """Until every entry is done or given up; then the lane stands where reading ended."""
        pending = [Batch(taken.entries)] if taken.entries else []
        pause = self._pauses.first
        while pending:
            batch = await self._drop_old(pending.pop(0))
            if not batch.entries:
                continue
            try:
                outcome = await self._invoke(self._settings.function, _encode(batch))
            except PayloadTooLarge:  # one record alone: it will not get smaller
                outcome = Invocation(str(uuid.uuid4()), b"", error="Unhandled")
            except (TooManyRequests, UnknownFunction):  # costs no attempt: it did not run
                pending.insert(0, batch)
                pause = await self._rest(pause)
                continue
            rest = await self._judge(outcome, batch)
            pending[:0] = rest
            pause = await self._rest(pause) if rest else self._pauses.first
        self._advance(taken.end)

    async def _rest(self, pause: float) -> float:
        """Wait before the next attempt; returns how long to wait before the one after."""
        await self._wait(pause)
        return min(2 * pause, self._pauses.most)

    async def _judge(self, outcome: Invocation, batch: Batch) -> list[Batch]:
        """What of the batch comes again."""
        settings = self._settings
        failed = find_failure(outcome, batch, settings)
        self._report("OK" if failed is None else "PROBLEM: Function call failed")
        if failed is None:
            self._advance(batch.entries[-1].order)
            return []
        if failed:
            self._advance(batch.entries[failed - 1].order)
        rest = batch.entries[failed:]
        if settings.bisect and failed:  # "the batch is bisected at the returned sequence number"
            return [Batch(rest, batch.attempts)]
        if settings.bisect and len(rest) > 1:  # splitting does not consume retries
            half = len(rest) // 2
            return [Batch(rest[:half], batch.attempts), Batch(rest[half:], batch.attempts)]
        attempts = batch.attempts + 1
        if settings.retries == FOREVER or attempts <= settings.retries:
            return [Batch(rest, attempts)]
        await self._give_up(rest, "RetryAttemptsExhausted", outcome, attempts)
        return []

    async def _drop_old(self, batch: Batch) -> Batch:
        """Give up entries beyond the mapping's age."""
        if self._settings.max_age == FOREVER:
            return batch
        oldest = self._clock() - self._settings.max_age
        old = [entry for entry in batch.entries if entry.at < oldest]
        if not old:
            return batch
        await self._give_up(old, "MaximumRecordAgeExceeded", None, batch.attempts)
        return Batch([entry for entry in batch.entries if entry.at >= oldest], batch.attempts)

    async def _give_up(
        self, entries: list[Entry], condition: str, outcome: Invocation | None, attempts: int
    ) -> None:
        if self._settings.on_failure:
            record = describe_discarded(
                self._settings, self._shard, entries, condition, outcome, attempts, self._clock()
            )
            await self._discard(record)
        self._advance(entries[-1].order)


def _encode(batch: Batch) -> bytes:
    records = [entry.record for entry in batch.entries]
    text = json.dumps({"Records": records}, ensure_ascii=False, default=str)
    return text.encode(errors="replace")  # halves of surrogate pairs, which AWS does not store


def describe_discarded(
    settings: Settings,
    shard: str,
    entries: list[Entry],
    condition: str,
    outcome: Invocation | None,
    attempts: int,
    now: float,
) -> dict[str, Any]:
    """The record for an on-failure destination, which names the entries and does not hold them.

    Pages "Retain discarded batch records for a DynamoDB event source in Lambda" and
    for Kinesis. The word for too old records is not on them.
    """
    kind = "DDBStreamBatchInfo" if ":dynamodb:" in settings.stream else "KinesisBatchInfo"
    record: dict[str, Any] = {
        "requestContext": {
            "requestId": outcome.request_id if outcome else str(uuid.uuid4()),
            "functionArn": settings.function,
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "version": "1.0",
        "timestamp": format_time(now),
        kind: {
            "shardId": shard,
            "startSequenceNumber": entries[0].order,
            "endSequenceNumber": entries[-1].order,
            "approximateArrivalOfFirstRecord": format_time(entries[0].at),
            "approximateArrivalOfLastRecord": format_time(entries[-1].at),
            "batchSize": len(entries),
            "streamArn": settings.stream,
        },
    }
    if outcome is not None:
        record["responseContext"] = {
            "statusCode": 200,
            "executedVersion": outcome.version,
            "functionError": outcome.error,
        }
    return record


def format_time(at: float) -> str:
    """Epoch seconds as 2019-11-14T00:13:49.717Z."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    return f"{stamp}.{int(at * 1000) % 1000:03d}Z"
