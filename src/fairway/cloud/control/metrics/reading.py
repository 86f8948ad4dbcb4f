"""CloudWatch's answers: statistics, percentiles and data, over what users and we published.

Replaces ministack's reading, which takes a request without dimensions for all sets of
dimensions, answers oldest first, knows neither units nor pages of ListMetrics, and has no
percentile for values that were counted together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairway.cloud.control.metrics.measure import Measure
from fairway.cloud.control.metrics.store import Metric, MetricStore, name_dimensions

Scope = tuple[str, str]
"""Account and region."""

BASIC = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_SHORT = {"sum": "Sum", "avg": "Average", "min": "Minimum", "max": "Maximum"}


@dataclass(frozen=True, slots=True)
class Value:
    """One statistic of one period. start: epoch seconds; samples: 0 of an expression."""

    start: int
    value: float
    samples: float


class MetricReader:
    """Everything that can be read in one account and region.

    own: what the local cloud measures, all in the scope `home`. published: what
    PutMetricData stored, as ministack's points by (namespace, name, dimensions).
    """

    def __init__(
        self,
        own: MetricStore,
        home: Scope,
        published: Callable[[Scope], Mapping[tuple[str, str, str], list[dict[str, Any]]]],
    ) -> None:
        self._own = own
        self._home = home
        self._published = published

    def list_metrics(self, scope: Scope) -> Iterator[Metric]:
        """Every metric with values."""
        if scope == self._home:
            yield from (metric for metric, _ in self._own)
        for (namespace, name, _), points in list(self._published(scope).items()):
            if points:
                dimensions = name_dimensions(points[0].get("Dimensions") or {})
                yield Metric(namespace, name, dimensions)

    def read_periods(
        self, scope: Scope, metric: Metric, period: int, start: float, end: float, unit: str = ""
    ) -> dict[int, Measure]:
        """A metric's values in [start, end), by the beginnings of periods that count from start."""
        found: dict[int, Measure] = {}
        for at, measure in self._list_points(scope, metric, unit):
            if start <= at < end:
                place = int(start + (at - start) // period * period)
                found.setdefault(place, Measure()).merge(measure)
        return dict(sorted(found.items()))

    def find_unit(self, scope: Scope, metric: Metric) -> str:
        """The unit that a metric was published with."""
        series = self._own.find(metric) if scope == self._home else None
        if series is not None:
            return series.unit
        points = self._find_published(scope, metric)
        return str(points[0].get("Unit") or "None") if points else "None"

    def _list_points(
        self, scope: Scope, metric: Metric, unit: str
    ) -> Iterator[tuple[float, Measure]]:
        series = self._own.find(metric) if scope == self._home else None
        if series is not None and unit in ("", series.unit):
            yield from series.list_points()
        for point in self._find_published(scope, metric):
            if unit in ("", point.get("Unit")):
                yield point["Timestamp"], read_point(point)

    def _find_published(self, scope: Scope, metric: Metric) -> list[dict[str, Any]]:
        text = "|".join(f"{name}={value}" for name, value in metric.dimensions)
        return self._published(scope).get((metric.namespace, metric.name, text)) or []


def read_point(point: Mapping[str, Any]) -> Measure:
    """A point of ministack's: a value that came so many times, or a statistic set."""
    measure = Measure()
    statistics = point.get("_stat")
    if statistics is None:
        times = int(point.get("Count") or 1)
        measure.add(float(point["Value"]), times)
        return measure
    count = int(statistics.get("SampleCount") or 0)
    if count:
        measure.add_set(
            count,
            float(statistics.get("Sum") or 0.0),
            float(statistics.get("Minimum") or 0.0),
            float(statistics.get("Maximum") or 0.0),
        )
    return measure


def name_statistic(name: str) -> str | None:
    """A statistic as CloudWatch names it, or None for one that is not supported here.

    Page "CloudWatch statistics definitions": Sum and the like, and percentiles such as p99.9.
    """
    found = name if name in BASIC else _SHORT.get(name.lower())
    if found is None and name[:1] in ("p", "P") and name[1:].replace(".", "", 1).isdecimal():
        found = f"p{name[1:]}" if 0 <= float(name[1:]) <= 100 else None
    return found


def take_statistic(measure: Measure, name: str) -> float | None:
    """A statistic of values; None for a percentile that they do not have."""
    if not measure.count:
        return None
    match name:
        case "SampleCount":
            return float(measure.count)
        case "Sum":
            return measure.total
        case "Average":
            return measure.total / measure.count
        case "Minimum":
            return measure.low
        case "Maximum":
            return measure.high
    samples = measure.list_samples()
    return find_percentile(samples, float(name[1:])) if samples else None


def find_percentile(samples: Sequence[tuple[float, float]], percent: float) -> float:
    """The value below which so many percent lie, interpolated between the two nearest ranks."""
    ordered = sorted(samples)
    rank = percent / 100 * (sum(weight for _, weight in ordered) - 1)
    low, share = int(rank), rank - int(rank)
    first = _value_at(ordered, low)
    return first + share * (_value_at(ordered, low + 1) - first) if share else first


def _value_at(ordered: Iterable[tuple[float, float]], rank: int) -> float:
    seen, value = 0.0, 0.0
    for value, weight in ordered:
        seen += weight
        if rank < seen:
            return value
    return value
