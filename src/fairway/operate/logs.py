"""What the application says: the log groups of its components, merged by time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fairway.aws import Aws
from fairway.define import App
from fairway.define.spec import Function, HttpApi
from fairway.events import LogLine


@dataclass(frozen=True)
class LogQuery:
    """Which lines: of which components, from when (epoch milliseconds), holding what.

    pattern: CloudWatch Logs' own filter pattern.
    """

    components: Sequence[str]
    start_ms: int
    pattern: str = ""


def list_logging(app: App) -> list[str]:
    """Components that have a log group of their own."""
    return [*app.of_kind(Function), *app.of_kind(HttpApi)]


def read_lines(app: App, aws: Aws, query: LogQuery) -> list[LogLine]:
    """Lines that match, oldest first."""
    return sorted(
        (line for _, line in _read_events(app, aws, query)), key=lambda line: line.timestamp_ms
    )


def follow_lines(
    app: App, aws: Aws, query: LogQuery, wait: Callable[[], bool]
) -> Iterator[LogLine]:
    """Lines as they come. `wait` pauses between questions and says whether to go on."""
    seen: dict[str, int] = {}
    start = query.start_ms
    while True:
        fresh = [
            (event_id, line)
            for event_id, line in _read_events(
                app, aws, LogQuery(query.components, start, query.pattern)
            )
            if event_id not in seen
        ]
        for event_id, line in sorted(fresh, key=lambda pair: pair[1].timestamp_ms):
            seen[event_id] = line.timestamp_ms
            # Lines may arrive late: look a little behind the newest.
            start = max(start, line.timestamp_ms - 10_000)
            yield line
        seen = {event_id: at for event_id, at in seen.items() if at >= start}
        if not wait():
            return


def _read_events(app: App, aws: Aws, query: LogQuery) -> Iterator[tuple[str, LogLine]]:
    for component in query.components:
        group = f"/fairway/{app.name}/{app.environment}/{component}"
        arguments: dict[str, Any] = {"logGroupName": group, "startTime": query.start_ms}
        if query.pattern:
            arguments["filterPattern"] = query.pattern
        try:
            pages = aws.logs.get_paginator("filter_log_events").paginate(**arguments)
            for page in pages:
                for position, event in enumerate(page["events"]):
                    text, time = event.get("message", "").rstrip("\n"), event.get("timestamp", 0)
                    stream = event.get("logStreamName", "")
                    event_id = event.get("eventId") or f"{stream}/{time}/{position}/{text}"
                    yield event_id, LogLine(component, text, timestamp_ms=time)
        except aws.logs.exceptions.ResourceNotFoundException:
            continue  # not deployed yet
