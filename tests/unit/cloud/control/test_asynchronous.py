"""Events: attempts, pauses, age, and what is told at the end; with a fake clock."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from fairway.cloud.control.asynchronous import (
    AsyncEvent,
    AsyncInvocations,
    AsyncSettings,
    Pauses,
    read_settings,
)
from fairway.cloud.control.durable.events import STORE, EventRows, describe_event, read_event
from fairway.cloud.control.journal_format import Content
from fairway.cloud.functions.model import (
    Invocation,
    PayloadTooLarge,
    TooManyRequests,
    UnknownFunction,
)

ARN = "arn:aws:lambda:eu-west-1:000000000000:function:f"
QUEUE = "arn:aws:sqs:eu-west-1:000000000000:q"
OTHER = "arn:aws:sqs:eu-west-1:000000000000:other"
ID = uuid.UUID(int=7)
Attempt = Invocation | Exception


def fine(payload: bytes = b'"done"') -> Invocation:
    return Invocation(str(ID), payload, version="3")


def failed() -> Invocation:
    return Invocation(str(ID), b'{"errorMessage": "no", "errorType": "E"}', error="Unhandled")


class World:
    """Answers attempts from a list, counts time by what is waited, keeps what is delivered."""

    def __init__(self, *attempts: Attempt, deliver: Exception | None = None) -> None:
        self.attempts = list(attempts)
        self.made: list[tuple[str, bytes, str | None]] = []
        self.now = 1_700_000_000.0
        self.waited: list[float] = []
        self.delivered: list[tuple[str, Any, Mapping[str, tuple[str, str]]]] = []
        self.reports: list[str] = []
        self.kept: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[int, str]] = []
        self._refusal = deliver

    async def invoke(self, arn: str, payload: bytes, *, request_id: str | None) -> Invocation:
        self.made.append((arn, payload, request_id))
        attempt = self.attempts.pop(0) if len(self.attempts) > 1 else self.attempts[0]
        if isinstance(attempt, Exception):
            raise attempt
        return attempt

    async def deliver(
        self, arn: str, body: str, attributes: Mapping[str, tuple[str, str]], sender: str
    ) -> None:
        assert sender == ARN
        if self._refusal:
            raise self._refusal
        self.delivered.append((arn, json.loads(body), attributes))

    def keep(self, event: AsyncEvent) -> None:
        self.kept[event.request_id] = json.loads(json.dumps(describe_event(event)))
        self.history.append((event.attempts, event.condition))

    def forget(self, event: AsyncEvent) -> None:
        del self.kept[event.request_id]

    async def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds

    def run(self, settings: AsyncSettings, payload: bytes = b'{"n": 1}') -> World:
        async def play() -> None:
            events = AsyncInvocations(
                invoke=self.invoke,
                deliver=self.deliver,
                report=self.reports.append,
                log=self,
                pauses=Pauses(retries=(60.0, 120.0), throttled=1.0, throttled_most=300.0),
                clock=lambda: self.now,
                wait=self.wait,
                new_id=lambda: ID,
            )
            assert events.submit(ARN, payload, settings) == str(ID)
            while events._running:
                await asyncio.sleep(0)

        asyncio.run(asyncio.wait_for(play(), 10))
        return self


def test_a_success_is_tried_once_and_told_where_wanted() -> None:
    world = World(fine()).run(AsyncSettings(on_success=QUEUE, on_failure=OTHER))
    assert world.made == [(ARN, b'{"n": 1}', str(ID))]
    ((target, record, attributes),) = world.delivered
    assert (target, attributes) == (QUEUE, {})
    assert record == {
        "version": "1.0",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "requestContext": {
            "requestId": str(ID),
            "functionArn": f"{ARN}:$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "3"},
        "responsePayload": "done",
    }


def test_two_retries_after_one_and_two_minutes() -> None:
    """Page "How Lambda handles errors and retries with asynchronous invocation"."""
    world = World(failed()).run(AsyncSettings(on_failure=QUEUE, dead_letter=OTHER))
    assert world.waited == [60.0, 120.0]
    assert {request for _, _, request in world.made} == {str(ID)}
    (target, record, _), (other, dead, attributes) = world.delivered
    assert (target, other) == (QUEUE, OTHER)
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert dead == {"n": 1}
    assert attributes["RequestID"] == ("String", str(ID))
    assert attributes["ErrorMessage"] == ("String", "no")


def test_an_event_is_in_the_log_until_who_has_to_be_told_was() -> None:
    world = World(failed()).run(AsyncSettings(on_failure=QUEUE))
    assert world.history == [(0, ""), (1, ""), (2, ""), (3, "RetriesExhausted")]
    assert world.kept == {}


def test_a_kept_event_goes_on_where_it_was() -> None:
    """After a kill: the attempts that were made count, and an outcome is only told."""
    rows = EventRows()
    settings = AsyncSettings(on_success=OTHER, on_failure=QUEUE)
    rows.keep(AsyncEvent(ARN, b"\xff1", settings, "tried", 1_700_000_000.0, attempts=2))
    rows.keep(
        AsyncEvent(ARN, b"2", settings, "told", 1_699_999_999.0, 1, "Success", fine(b'"done"'))
    )
    rows.keep(AsyncEvent(ARN, b"3", settings, "over", 1.0))
    lines: list[bytes] = []
    rows.rows.collect(lines)
    rows.forget(AsyncEvent(ARN, b"3", settings, "over", 1.0))
    rows.rows.collect(lines)
    content = Content()
    content.apply(b"\n".join(lines) + b"\n")

    again = EventRows()
    told, tried = again.restore(content.groups)
    assert (STORE, b"0") not in content.groups
    world = World(failed())

    async def play() -> None:
        events = AsyncInvocations(
            invoke=world.invoke,
            deliver=world.deliver,
            report=world.reports.append,
            log=again,
            clock=lambda: world.now,
            wait=world.wait,
        )
        events.start(told)
        events.start(tried)
        while events._running:
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(play(), 10))
    assert [(payload, request) for _, payload, request in world.made] == [(b"\xff1", "tried")]
    targets = [(to, r["requestContext"]["requestId"], r["requestContext"]["condition"])
               for to, r, _ in world.delivered]  # fmt: skip
    assert targets == [(OTHER, "told", "Success"), (QUEUE, "tried", "RetriesExhausted")]
    lines = []
    again.rows.collect(lines)
    assert len(lines) == 2
    assert all(line.count(b"\t") == 2 for line in lines)


def test_what_began_and_ended_between_two_batches_is_not_written() -> None:
    rows = EventRows()
    event = AsyncEvent(ARN, b"1", AsyncSettings(), "short", 1.0)
    rows.keep(event)
    rows.forget(event)
    lines: list[bytes] = []
    rows.rows.collect(lines)
    assert lines == []
    assert read_event(describe_event(event)) == event


def test_a_retry_may_succeed() -> None:
    world = World(failed(), fine()).run(AsyncSettings(on_failure=QUEUE))
    assert (len(world.made), world.delivered) == (2, [])


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (1, 2)])
def test_retries_are_as_configured(retries: int, attempts: int) -> None:
    assert len(World(failed()).run(AsyncSettings(retries=retries)).made) == attempts


def test_throttling_waits_longer_each_time_and_costs_no_attempt() -> None:
    throttled = TooManyRequests("busy")
    world = World(throttled, throttled, throttled, fine()).run(AsyncSettings(retries=0))
    assert world.waited == [1.0, 2.0, 4.0]
    assert len(world.made) == 4


def test_an_event_that_is_too_old_is_given_up() -> None:
    world = World(TooManyRequests("busy")).run(
        AsyncSettings(max_age=60, on_failure=QUEUE, dead_letter=OTHER)
    )
    (_, record, _), (_, _, attributes) = world.delivered
    assert record["requestContext"]["condition"] == "EventAgeExceeded"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responsePayload" not in record
    assert attributes["ErrorCode"] == ("Number", "429")
    assert sum(world.waited) > 60


def test_events_of_a_deleted_function_are_dropped() -> None:
    assert World(UnknownFunction(ARN)).run(AsyncSettings(on_failure=QUEUE)).delivered == []


def test_a_record_that_cannot_be_delivered_is_told() -> None:
    world = World(fine(), deliver=ValueError("no such queue"))
    world.run(AsyncSettings(on_success=QUEUE))
    assert world.reports == [f"An event of {ARN} could not be sent to {QUEUE}: no such queue"]


def test_closing_ends_what_waits() -> None:
    async def play() -> None:
        world = World(failed())
        forever: Callable[[float], Any] = lambda _: asyncio.Event().wait()  # noqa: E731
        events = AsyncInvocations(
            invoke=world.invoke, deliver=world.deliver, report=print, log=world, wait=forever
        )
        events.submit(ARN, b"1", AsyncSettings())
        await asyncio.sleep(0)
        await events.close()
        assert not events._running
        assert [event["payload"] for event in world.kept.values()] == ["MQ=="]

    asyncio.run(asyncio.wait_for(play(), 10))


def test_settings_are_those_of_the_qualifier() -> None:
    config = {"DeadLetterConfig": {"TargetArn": QUEUE}}
    own = {
        "MaximumRetryAttempts": 0,
        "MaximumEventAgeInSeconds": 60,
        "DestinationConfig": {"OnFailure": {"Destination": OTHER}, "OnSuccess": {}},
    }
    record = {"event_invoke_configs": {"live": own}}
    assert read_settings(config, record, "live") == AsyncSettings(0, 60, "", OTHER, QUEUE)
    assert read_settings(config, record, "") == AsyncSettings(dead_letter=QUEUE)
    assert read_settings({}, {"event_invoke_config": own}, "").retries == 0


def test_an_event_that_no_invocation_takes_is_dropped_and_told() -> None:
    world = World(PayloadTooLarge("larger than 6 MB")).run(AsyncSettings())
    assert world.kept == {}
    assert "larger than 6 MB" in world.reports[0]


def test_a_failure_of_the_cloud_itself_is_told_and_the_event_stays() -> None:
    world = World(OSError("no more processes")).run(AsyncSettings())
    assert list(world.kept) == [str(ID)]
    assert "no more processes" in world.reports[0]
