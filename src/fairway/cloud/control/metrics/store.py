"""The metrics that the local cloud measures itself, kept in memory within a bound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fairway.cloud.control.metrics.measure import Measure

MINUTE = 60
HOUR = 3600
MINUTES_KEPT = 3 * HOUR
"""Seconds; older minutes are folded into hours. AWS keeps minutes for 15 days."""

HOURS_KEPT = 15 * 24 * HOUR
"""Seconds; AWS keeps hours for 455 days."""

MOST_SERIES = 3000
"""The most metrics at once; beyond it those that were written longest ago are forgotten."""

Dimensions = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: namespace, name and its exact set of dimensions, in order of name."""

    namespace: str
    name: str
    dimensions: Dimensions = ()


@dataclass(slots=True)
class Series:
    """A metric's values by the epoch second that a minute or hour began at."""

    unit: str
    minutes: dict[int, Measure] = field(default_factory=dict)
    hours: dict[int, Measure] = field(default_factory=dict)
    newest: int = 0

    def list_points(self) -> Iterator[tuple[int, Measure]]:
        """All (start, measure), oldest first."""
        yield from sorted(self.hours.items())
        yield from sorted(self.minutes.items())


Point = tuple[Metric, str, str, int]
"""A metric, its unit, "m" or "h" for minute or hour, and the second that it began at."""


class MetricStore:
    """All series. Used on the event loop only."""

    def __init__(self) -> None:
        self._series: dict[Metric, Series] = {}
        self._folded = 0
        self._changed: set[Point] = set()

    def add(self, metric: Metric, unit: str, minute: int, measure: Measure) -> None:
        """Count values into the minute that began at this epoch second."""
        series = self._series.get(metric)
        if series is None:
            series = self._series[metric] = Series(unit)
        known = series.minutes.get(minute)
        if known is None:
            known = series.minutes[minute] = Measure()
            if minute > series.newest and (last := series.minutes.get(series.newest)):
                last.pack()
            series.newest = max(series.newest, minute)
        known.merge(measure)
        self._changed.add((metric, series.unit, "m", minute))

    def adopt(self, metric: Metric, series: Series) -> None:
        """Have these values for a metric: those that were kept."""
        self._series[metric] = series

    def take_changes(self) -> set[Point]:
        """What was written, folded or forgotten since this was asked last."""
        taken, self._changed = self._changed, set()
        return taken

    def note_changes(self, points: Iterable[Point]) -> None:
        """These are to be told again."""
        self._changed.update(points)

    def find(self, metric: Metric) -> Series | None:
        """The values of a metric."""
        return self._series.get(metric)

    def __iter__(self) -> Iterator[tuple[Metric, Series]]:
        """Every metric."""
        return iter(list(self._series.items()))

    def __len__(self) -> int:
        """How many metrics there are."""
        return len(self._series)

    def fold(self, now: float) -> None:
        """Fold old minutes, drop old hours and what is too much. Cheap when called often."""
        if now - self._folded < MINUTE:
            return
        self._folded = int(now)
        for metric, series in list(self._series.items()):
            self._fold_series(metric, series, now)
            if not series.minutes and not series.hours:
                self._forget(metric)
        if len(self._series) > MOST_SERIES:
            ordered = sorted(self._series, key=lambda m: self._series[m].newest)
            for metric in ordered[: len(self._series) - MOST_SERIES]:
                self._forget(metric)

    def _forget(self, metric: Metric) -> None:
        series = self._series.pop(metric)
        self.note_changes((metric, series.unit, "m", start) for start in series.minutes)
        self.note_changes((metric, series.unit, "h", start) for start in series.hours)

    def _fold_series(self, metric: Metric, series: Series, now: float) -> None:
        for minute in [m for m in series.minutes if m < now - MINUTES_KEPT]:
            hour = minute - minute % HOUR
            series.hours.setdefault(hour, Measure()).merge(series.minutes.pop(minute))
            series.hours[hour].pack()
            self.note_changes((metric, series.unit, *p) for p in (("m", minute), ("h", hour)))
        for hour in [h for h in series.hours if h < now - HOURS_KEPT]:
            del series.hours[hour]
            self._changed.add((metric, series.unit, "h", hour))


def name_dimensions(dimensions: Mapping[str, str] | Iterable[tuple[str, str]]) -> Dimensions:
    """Dimensions in the order in which metrics are known."""
    return tuple(sorted(dict(dimensions).items()))
