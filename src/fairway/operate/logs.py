"""What the application says: the log groups of its components, merged by time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fairway.aws import Aws
from fairway.define import App
from fairway.define.spec import Function, HttpApi
from fairway.errors import FairwayError
from fairway.events import LogLine


@dataclass(frozen=True)
class LogSource:
    """A component's log group. label: what its lines are told as; aws: who is asked for them."""

    label: str
    group: str
    aws: Aws


@dataclass(frozen=True)
class LogQuery:
    """Which lines: of which sources, from when (epoch milliseconds), holding what.

    pattern: CloudWatch Logs' own filter pattern.
    """

    sources: Sequence[LogSource]
    start_ms: int
    pattern: str = ""


def list_logging(app: App) -> list[str]:
    """Components that have a log group of their own."""
    return [*app.of_kind(Function), *app.of_kind(HttpApi)]


def list_sources(app: App, aws: Aws, prefix: str = "") -> list[LogSource]:
    """The log groups of an application; `prefix` comes before each component in the labels."""
    stem = f"/fairway/{app.name}/{app.environment}"
    return [LogSource(f"{prefix}{name}", f"{stem}/{name}", aws) for name in list_logging(app)]


def read_lines(query: LogQuery) -> list[LogLine]:
    """Lines that match, oldest first."""
    return sorted((line for _, line in _read_events(query)), key=lambda line: line.timestamp_ms)


def follow_lines(query: LogQuery, wait: Callable[[], bool]) -> Iterator[LogLine]:
    """Lines as they come. `wait` pauses between questions and says whether to go on."""
    seen: dict[str, int] = {}
    start = query.start_ms
    while True:
        fresh = [
            (event_id, line)
            for event_id, line in _read_events(LogQuery(query.sources, start, query.pattern))
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


def _read_events(query: LogQuery) -> Iterator[tuple[str, LogLine]]:
    for source in list(query.sources):  # who asked may change them meanwhile
        logs = source.aws.logs
        alike: Counter[str] = Counter()
        arguments: dict[str, Any] = {"logGroupName": source.group, "startTime": query.start_ms}
        if query.pattern:
            arguments["filterPattern"] = query.pattern
        try:
            pages = logs.get_paginator("filter_log_events").paginate(**arguments)
            for page in pages:
                for event in page["events"]:
                    text, time = event.get("message", "").rstrip("\n"), event.get("timestamp", 0)
                    same = f"{event.get('logStreamName', '')}/{time}/{text}"
                    alike[same] += 1
                    # Its number among equals, not its place in the answer: that moves with `start`.
                    event_id = event.get("eventId") or f"{same}/{alike[same]}"
                    yield (
                        f"{source.group} {event_id}",
                        LogLine(source.label, text, timestamp_ms=time),
                    )
        except logs.exceptions.ResourceNotFoundException:
            continue  # not deployed yet
        except logs.exceptions.InvalidParameterException as error:
            if not query.pattern:
                raise
            raise _explain_pattern(query.pattern, error.response["Error"]["Message"]) from error


def _explain_pattern(pattern: str, said: str) -> FairwayError:
    if "character" in said and '"' not in pattern and pattern[:1] not in "{[%":
        hint = f"put words with more than letters, digits and _ in double quotes: '\"{pattern}\"'"
    else:
        hint = (
            "it is a filter pattern of CloudWatch Logs, for example: ERROR, '\"time out\"', "
            "'?ERROR ?WARN', 'ERROR -retried', '%4[0-9][0-9]%', '{ $.level = \"ERROR\" }'"
        )
    return FairwayError(f"'{pattern}' is no pattern to filter logs with: {said}", hint=hint)
