"""Asynchronous events that wait, run or have an outcome to be told: kept until they have ended."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from fairway.cloud.control.asynchronous import AsyncEvent, AsyncSettings
from fairway.cloud.control.durable.rows import Rows
from fairway.cloud.control.journal_format import Groups
from fairway.cloud.functions.model import Invocation

STORE = b"lambda.events"


class EventRows:
    """Implements `asynchronous.EventLog` over the journal's rows."""

    def __init__(self) -> None:
        self.rows = Rows(STORE, describe_event)

    def restore(self, groups: Groups) -> list[AsyncEvent]:
        """The events that had not ended, oldest first."""
        events = [read_event(row) for row in self.rows.restore(groups).values()]
        return sorted(events, key=lambda event: event.since)

    def keep(self, event: AsyncEvent) -> None:
        """Write the event as it is now, with what changes beside it."""
        self.rows.set(event.request_id, event)

    def forget(self, event: AsyncEvent) -> None:
        """The event has ended."""
        self.rows.remove(event.request_id)


def describe_event(event: AsyncEvent) -> dict[str, Any]:
    """An event as JSON."""
    found = {
        "arn": event.arn,
        "payload": _pack(event.payload),
        "settings": asdict(event.settings),
        "request_id": event.request_id,
        "since": event.since,
        "attempts": event.attempts,
        "condition": event.condition,
    }
    last = event.last
    if last is not None and event.condition:  # needed only for what is still to be told
        found["last"] = {
            "request_id": last.request_id,
            "payload": _pack(last.payload),
            "error": last.error,
            "version": last.version,
        }
    return found


def read_event(row: dict[str, Any]) -> AsyncEvent:
    """The inverse of `describe_event`."""
    last = row.get("last")
    return AsyncEvent(
        arn=row["arn"],
        payload=_unpack(row["payload"]),
        settings=AsyncSettings(**row["settings"]),
        request_id=row["request_id"],
        since=row["since"],
        attempts=row["attempts"],
        condition=row["condition"],
        last=None
        if last is None
        else Invocation(
            last["request_id"],
            _unpack(last["payload"]),
            error=last["error"],
            version=last["version"],
        ),
    )


def _pack(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unpack(text: str) -> bytes:
    return base64.b64decode(text)
