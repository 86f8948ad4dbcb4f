"""Asynchronous invocations: queued, tried again, and told about at the end.

Follows "Invoking a Lambda function asynchronously", "How Lambda handles errors
and retries with asynchronous invocation" and "Capturing records of Lambda
asynchronous invocations".
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fairway.cloud.functions.model import (
    Invocation,
    PayloadTooLarge,
    TooManyRequests,
    UnknownFunction,
)

MAX_EVENT_AGE = 21_600
"""Seconds: how long Lambda keeps an event by default, 6 hours."""

RETRIES = 2
"""How often Lambda tries again after an error of the function, by default."""

_ERROR_MESSAGE = 1024  # bytes; "Adding a dead-letter queue": the first 1 KB of the message


class InvokeAgain(Protocol):
    """Run one attempt. Raises as `fairway.cloud.functions.model.Invoke` does."""

    async def __call__(self, arn: str, payload: bytes, *, request_id: str | None) -> Invocation:
        """Invoke with the request id that all attempts at an event share."""


class Deliver(Protocol):
    """Hand a message to a queue, topic, function or event bus. Raises for one that is missing."""

    async def __call__(
        self, arn: str, body: str, attributes: Mapping[str, tuple[str, str]], sender: str
    ) -> None:
        """Deliver; attributes: name to (data type, value); sender: the function's ARN."""


@dataclass(frozen=True, slots=True)
class AsyncSettings:
    """What is configured for a function's asynchronous invocations. Targets are ARNs or ""."""

    retries: int = RETRIES
    max_age: float = MAX_EVENT_AGE
    on_success: str = ""
    on_failure: str = ""
    dead_letter: str = ""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between attempts. On AWS: a minute, then two; throttled, 1 s doubling to 5 min."""

    retries: tuple[float, ...] = (1.0, 2.0)
    throttled: float = 0.2
    throttled_most: float = 5.0


@dataclass(slots=True)
class AsyncEvent:
    """One event on its way. arn: the function as it was named, also an alias.

    condition: how it ended, in the words of a destination's record; "" while it
    has not. last: the outcome of the last attempt.
    """

    arn: str
    payload: bytes
    settings: AsyncSettings
    request_id: str
    since: float
    attempts: int = 0
    condition: str = ""
    last: Invocation | None = None


class EventLog(Protocol):
    """Keeps events until they have ended. Called on any thread; must not block."""

    def keep(self, event: AsyncEvent) -> None:
        """The event is new, or another attempt or its outcome is known."""

    def forget(self, event: AsyncEvent) -> None:
        """The event has ended, and who had to be told was."""


Observe = Callable[..., None]
"""Counts something about an event: metric, function's ARN, value and, if no count, its unit."""


def observe_nothing(metric: str, arn: str, value: float, unit: str = "Count") -> None:
    """Leave an event unobserved."""


class AsyncInvocations:
    """Runs events until they succeed, or their retries or age are used up.

    An event is in the log from its acceptance until it has ended, so one that a
    kill interrupts runs again at the next start: Lambda's queue too may give an
    event to a function more than once. report: takes a sentence when a record
    cannot be delivered.
    """

    def __init__(
        self,
        *,
        invoke: InvokeAgain,
        deliver: Deliver,
        report: Callable[[str], None],
        log: EventLog,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        new_id: Callable[[], uuid.UUID] = uuid.uuid4,
        observe: Observe = observe_nothing,
    ) -> None:
        self._observe = observe
        self._invoke = invoke
        self._deliver = deliver
        self._report = report
        self._log = log
        self._pauses = pauses or Pauses()
        self._clock = clock
        self._wait = wait
        self._new_id = new_id
        self._running: set[asyncio.Task[None]] = set()

    def submit(self, arn: str, payload: bytes, settings: AsyncSettings) -> str:
        """Accept an event and start it; returns its request id. Call on the loop."""
        event = self.accept(arn, payload, settings)
        self.start(event)
        return event.request_id

    def accept(self, arn: str, payload: bytes, settings: AsyncSettings) -> AsyncEvent:
        """Take an event: it is in the log when this returns. Call on any thread, then `start`."""
        event = AsyncEvent(arn, payload, settings, str(self._new_id()), self._clock())
        self._log.keep(event)
        self._observe("AsyncEventsReceived", event.arn, 1)
        return event

    def start(self, event: AsyncEvent) -> None:
        """Run an accepted event, or one that an earlier process left. Call on the loop."""
        task = asyncio.get_running_loop().create_task(self._run(event))
        self._running.add(task)
        task.add_done_callback(lambda done: self._end(event, done))

    def _end(self, event: AsyncEvent, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._report(
                f"An event of {event.arn} could not be run: {error}. It is kept, and tried again "
                "at the next start."
            )

    async def close(self) -> None:
        """Stop; what has not ended stays in the log."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, event: AsyncEvent) -> None:
        if not event.condition:
            if not await self._try_until_end(event):
                self._log.forget(event)
                return
            self._log.keep(event)
        await self._tell(event)
        self._log.forget(event)

    async def _try_until_end(self, event: AsyncEvent) -> bool:
        """Set the event's condition; False when it cannot be run and nobody is to be told."""
        settings = event.settings
        pause = self._pauses.throttled
        while (age := self._clock() - event.since) <= settings.max_age:
            self._observe("AsyncEventAge", event.arn, age * 1000, "Milliseconds")
            try:
                event.last = await self._invoke(
                    event.arn, event.payload, request_id=event.request_id
                )
            except TooManyRequests:
                await self._wait(pause)
                pause = min(2 * pause, self._pauses.throttled_most)
                continue
            except UnknownFunction:
                self._observe("AsyncEventsDropped", event.arn, 1)
                return False  # Lambda drops the events of a deleted function
            except PayloadTooLarge as error:  # another function's record may be
                self._observe("AsyncEventsDropped", event.arn, 1)
                self._report(f"An event of {event.arn} was dropped: {error}")
                return False
            event.attempts += 1
            if event.last.error is None:
                event.condition = "Success"
                return True
            if event.attempts > settings.retries:
                event.condition = "RetriesExhausted"
                return True
            self._log.keep(event)
            await self._wait(
                self._pauses.retries[min(event.attempts, len(self._pauses.retries)) - 1]
            )
        event.condition = "EventAgeExceeded"
        return True

    async def _tell(self, event: AsyncEvent) -> None:
        settings = event.settings
        if event.condition == "Success":
            targets = [(settings.on_success, True)]
        else:
            self._observe("AsyncEventsDropped", event.arn, 1)
            targets = [(settings.on_failure, True), (settings.dead_letter, False)]
        for target, is_destination in targets:
            if not target:
                continue
            try:
                if is_destination:
                    record = json.dumps(self._describe(event), ensure_ascii=False)
                    await self._deliver(target, record, {}, event.arn)
                else:
                    body = event.payload.decode("utf-8", "replace")
                    await self._deliver(target, body, describe_dead_letter(event), event.arn)
            except Exception as error:  # the event is lost as on AWS, but not in silence
                failed = "DestinationDeliveryFailures" if is_destination else "DeadLetterErrors"
                self._observe(failed, event.arn, 1)
                self._report(f"An event of {event.arn} could not be sent to {target}: {error}")

    def _describe(self, event: AsyncEvent) -> dict[str, Any]:
        """The record that a destination gets."""
        now, last = self._clock(), event.last
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        arn = event.arn if event.arn.count(":") > 6 else f"{event.arn}:$LATEST"
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": f"{stamp}.{int(now * 1000) % 1000:03d}Z",
            "requestContext": {
                "requestId": event.request_id,
                "functionArn": arn,
                "condition": event.condition,
                "approximateInvokeCount": event.attempts,
            },
            "requestPayload": read_payload(event.payload),
        }
        if last is not None:
            response = {"statusCode": 200, "executedVersion": last.version}
            if last.error is not None:
                response["functionError"] = last.error
            record["responseContext"] = response
            record["responsePayload"] = read_payload(last.payload)
        return record


def describe_dead_letter(event: AsyncEvent) -> dict[str, tuple[str, str]]:
    """The attributes of a dead letter ("Adding a dead-letter queue")."""
    last = event.last
    answer = read_payload(last.payload) if last else None
    message = answer.get("errorMessage") if isinstance(answer, dict) else None
    text = str(message or "The event was not processed in time").encode()[:_ERROR_MESSAGE]
    return {
        "RequestID": ("String", event.request_id),
        "ErrorCode": ("Number", "200" if last else "429"),
        "ErrorMessage": ("String", text.decode("utf-8", "ignore")),
    }


def read_payload(payload: bytes) -> Any:
    """A payload as JSON, or as text where it is none."""
    try:
        return json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        return payload.decode("utf-8", "replace")


def read_settings(
    config: Mapping[str, Any], record: Mapping[str, Any], qualifier: str
) -> AsyncSettings:
    """What a function's record says of its asynchronous invocations under this qualifier."""
    configs = record.get("event_invoke_configs") or {}
    own = configs.get(qualifier) or (
        None if qualifier else configs.get("$LATEST") or record.get("event_invoke_config")
    )
    own = own or {}
    targets = own.get("DestinationConfig") or {}
    retries, age = own.get("MaximumRetryAttempts"), own.get("MaximumEventAgeInSeconds")
    return AsyncSettings(
        retries=RETRIES if retries is None else int(retries),
        max_age=MAX_EVENT_AGE if age is None else float(age),
        on_success=str((targets.get("OnSuccess") or {}).get("Destination") or ""),
        on_failure=str((targets.get("OnFailure") or {}).get("Destination") or ""),
        dead_letter=str((config.get("DeadLetterConfig") or {}).get("TargetArn") or ""),
    )
