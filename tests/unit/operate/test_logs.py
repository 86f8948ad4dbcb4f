"""Following log lines: each is told once, also where the events have no ids of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from fairway.aws import Aws
from fairway.operate.logs import LogQuery, LogSource, follow_lines


class FakeLogs:
    """A log group that answers as CloudWatch Logs does: from `startTime` on, in pages of two."""

    class exceptions:
        ResourceNotFoundException = KeyError

    def __init__(self, *, with_ids: bool = False) -> None:
        self.events: list[dict[str, Any]] = []
        self.with_ids = with_ids

    def say(self, at_ms: int, text: str) -> None:
        event: dict[str, Any] = {"logStreamName": "one", "timestamp": at_ms, "message": text}
        if self.with_ids:
            event["eventId"] = str(len(self.events))
        self.events.append(event)

    def get_paginator(self, operation: str) -> FakeLogs:
        assert operation == "filter_log_events"
        return self

    def paginate(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        found = [e for e in self.events if e["timestamp"] >= arguments["startTime"]]
        for first in range(0, len(found), 2):
            yield {"events": found[first : first + 2]}


class FakeAws:
    def __init__(self, logs: FakeLogs) -> None:
        self.logs = logs


def follow(logs: FakeLogs, *later: list[tuple[int, str]]) -> list[str]:
    """What is told when `later` comes, one part after each question."""
    coming = iter(later)

    def wait() -> bool:
        part = next(coming, None)
        for at_ms, text in part or []:
            logs.say(at_ms, text)
        return part is not None

    source = LogSource("api", "/group", cast("Aws", FakeAws(logs)))
    return [line.text for line in follow_lines(LogQuery([source], 0), wait)]


def test_lines_are_told_once_when_the_window_moves_on() -> None:
    told = follow(FakeLogs(), [(1000, "a"), (9000, "b"), (11_500, "c")], [(12_000, "d")], [])
    assert told == ["a", "b", "c", "d"]


def test_lines_long_after_the_others_are_told_once() -> None:
    logs = FakeLogs()
    told = follow(logs, [(1000, "a")], [(60_000, "b"), (60_001, "c")], [(61_000, "d")], [])
    assert told == ["a", "b", "c", "d"]


def test_equal_lines_of_one_moment_are_all_told() -> None:
    told = follow(FakeLogs(), [(1000, "a"), (5000, "same")], [(5000, "same"), (12_000, "c")], [])
    assert told == ["a", "same", "same", "c"]


def test_ids_of_the_events_count_where_there_are_some() -> None:
    logs = FakeLogs(with_ids=True)
    assert follow(logs, [(1000, "a"), (1000, "a")], [(12_000, "b")], []) == ["a", "a", "b"]
