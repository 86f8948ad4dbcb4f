"""AWS/Lambda: what invocations mean as metrics. Page "Types of metrics for Lambda functions"."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fairway.cloud.control.metrics.funnel import Counted, Funnel
from fairway.cloud.control.metrics.measure import Measure, measure_repeated
from fairway.cloud.control.metrics.store import Metric, MetricStore, name_dimensions
from fairway.cloud.functions.model import Ended

_NAMESPACE = "AWS/Lambda"


class _Ran(NamedTuple):
    """Invocations that ended alike."""

    name: str
    qualifier: str
    version: str
    failed: bool
    throttled: bool
    reserved: bool


class _Queued(NamedTuple):
    """Something about asynchronous invocations of a function."""

    metric: str
    unit: str
    arn: str


class InvocationMetrics:
    """Counts invocations and what becomes of asynchronous events."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._ran: Funnel[_Ran] = Funnel(expand_ran, clock)
        self._queued: Funnel[_Queued] = Funnel(expand_queued, clock)

    def note(self, ended: Ended) -> None:
        """Count one invocation that ended, or was throttled."""
        qualifier = ended.invoked_arn.split(":")[7:]
        shape = _Ran(
            ended.name,
            qualifier[0] if qualifier else "",
            ended.version,
            ended.failed,
            ended.throttled,
            ended.reserved,
        )
        self._ran.note(shape, ended.duration, ended.concurrency, ended.total_concurrency)

    def note_event(self, metric: str, arn: str, value: float, unit: str = "Count") -> None:
        """Count something about an event of the asynchronous queue; on any thread."""
        self._queued.note(_Queued(metric, unit, arn), value)

    def flush(self, store: MetricStore) -> None:
        """Put what was counted into the store."""
        self._ran.flush(store)
        self._queued.flush(store)


def expand_ran(shape: _Ran, measures: tuple[Measure, ...]) -> Iterator[Counted]:
    """The metrics of invocations that ended alike."""
    duration, concurrency, total = measures
    many = duration.count
    if shape.throttled:
        values = [("Throttles", "Count", measure_repeated(1.0, many))]
    else:
        values = [
            ("Invocations", "Count", measure_repeated(1.0, many)),
            ("Errors", "Count", measure_repeated(float(shape.failed), many)),
            ("Throttles", "Count", measure_repeated(0.0, many)),
            ("Duration", "Milliseconds", duration),
        ]
    for place in _list_places(shape):
        for name, unit, measure in values:
            yield Metric(_NAMESPACE, name, name_dimensions(place)), unit, measure
    if shape.throttled:
        return
    own = name_dimensions({"FunctionName": shape.name})
    yield Metric(_NAMESPACE, "ConcurrentExecutions", own), "Count", concurrency
    yield Metric(_NAMESPACE, "ConcurrentExecutions"), "Count", total
    if not shape.reserved:
        yield Metric(_NAMESPACE, "UnreservedConcurrentExecutions"), "Count", total


def _list_places(shape: _Ran) -> Iterator[dict[str, str]]:
    """The sets of dimensions that Lambda reports an invocation under."""
    name = shape.name
    yield {}
    yield {"FunctionName": name}
    resource = f"{name}:{shape.qualifier}" if shape.qualifier else name
    yield {"FunctionName": name, "Resource": resource}
    if shape.qualifier and shape.qualifier != shape.version:
        yield {"FunctionName": name, "Resource": resource, "ExecutedVersion": shape.version}


def expand_queued(shape: _Queued, measures: tuple[Measure, ...]) -> Iterator[Counted]:
    """One metric of asynchronous invocations, under each set of dimensions."""
    parts = shape.arn.split(":")
    name, qualifier = parts[6], parts[7:]
    resource = f"{name}:{qualifier[0]}" if qualifier else name
    for place in ({}, {"FunctionName": name}, {"FunctionName": name, "Resource": resource}):
        yield Metric(_NAMESPACE, shape.metric, name_dimensions(place)), shape.unit, measures[0]
