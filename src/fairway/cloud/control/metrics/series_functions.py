"""The functions of metric math. Page "Using metric math", "Functions supported for metric math"."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence

from fairway.cloud.control.metrics.series import (
    Array,
    ExpressionFault,
    Grid,
    TimeSeries,
    Value,
    change,
    keep,
)

Function = Callable[..., Value]
"""Takes the grid and the arguments. Raises TypeError for arguments that it does not take."""


def _each(apply: Callable[[TimeSeries], TimeSeries]) -> Function:
    """A function of one series, or of each of several."""

    def call(grid: Grid, value: Value) -> Value:
        if isinstance(value, list):
            return [apply(series) for series in value]
        return apply(_need_series(value))

    return call


def _need_series(value: Value) -> TimeSeries:
    if not isinstance(value, TimeSeries):
        raise TypeError
    return value


def _need_array(value: Value) -> Array:
    if not isinstance(value, list):
        raise TypeError
    return value


def _need_number(value: Value) -> float:
    if not isinstance(value, float):
        raise TypeError
    return value


def _point(apply: Callable[[float], float]) -> Function:
    def attempt(at: int, value: float) -> float:
        try:
            return float(apply(value))
        except (ValueError, OverflowError):
            return math.nan

    return _each(lambda series: change(series, attempt))


def _between(apply: Callable[[float, float], float]) -> Function:
    """What becomes of a value and the one before it: (seconds between, difference)."""

    def call(series: TimeSeries) -> TimeSeries:
        pairs = itertools.pairwise(series.points.items())
        return keep({b: apply(b - a, y - x) for (a, x), (b, y) in pairs}, series.label)

    return _each(call)


def _sum_up(series: TimeSeries) -> TimeSeries:
    total, found = 0.0, {}
    for at, value in series.points.items():
        found[at] = total = total + value
    return keep(found, series.label)


Summary = Callable[[Sequence[float], int], float]
"""Of the values that there are, and how many there might be."""


def _summarize(apply: Summary) -> Function:
    """One series is a number; of several, each period's values are one value."""

    def call(grid: Grid, value: Value) -> Value:
        if isinstance(value, TimeSeries):
            return apply(list(value.points.values()), grid.count)
        several = _need_array(value)
        times = {at for series in several for at in series.points}
        found = {
            at: apply([s.points[at] for s in several if at in s.points], len(several))
            for at in times
        }
        return keep(found)

    return call


def _find_deviation(values: Sequence[float]) -> float:
    """Of the values themselves, not of a sample; the page does not say which."""
    if not values:
        return math.nan
    middle = sum(values) / len(values)
    try:
        return math.sqrt(sum((value - middle) ** 2 for value in values) / len(values))
    except OverflowError:
        return math.nan


_SUMMARIES: dict[str, Summary] = {
    # "Missing values are treated as 0."
    "AVG": lambda values, places: sum(values) / places if places else math.nan,
    "DATAPOINT_COUNT": lambda values, places: float(len(values)),
    "MAX": lambda values, places: max(values, default=math.nan),
    "MIN": lambda values, places: min(values, default=math.nan),
    "STDDEV": lambda values, places: _find_deviation(values),
    "SUM": lambda values, places: float(sum(values)),
}


def _fill(grid: Grid, value: Value, filler: Value) -> Value:
    if isinstance(value, list):
        return [_fill_one(grid, series, filler) for series in value]
    return _fill_one(grid, _need_series(value), filler)


def _fill_one(grid: Grid, series: TimeSeries, filler: Value) -> TimeSeries:
    if filler == "REPEAT":
        found, last = {}, math.nan
        for at in grid:
            found[at] = last = series.points.get(at, last)
    elif filler == "LINEAR":
        found = _draw_lines(grid, series)
    elif isinstance(filler, TimeSeries):
        found = {**filler.points, **series.points}
    else:
        found = dict.fromkeys(grid, _need_number(filler)) | series.points
    return keep(found, series.label)


def _draw_lines(grid: Grid, series: TimeSeries) -> dict[int, float]:
    """Between two values a straight line; before the first and after the last nothing."""
    found = dict(series.points)
    for (a, x), (b, y) in itertools.pairwise(series.points.items()):
        for at in range(a + grid.period, b, grid.period):
            found[at] = x + (y - x) * (at - a) / (b - a)
    return found


def _choose(grid: Grid, condition: Value, yes: Value, no: Value | None = None) -> Value:
    """IF, by the rules and tables of "Using IF expressions"."""
    if isinstance(condition, float):
        found = yes if condition else no
        if isinstance(found, (str, list)):
            raise TypeError
        return TimeSeries({}) if found is None else found
    points = {}
    for at, value in _need_series(condition).points.items():
        # What is missing is 0 where the condition holds, and dropped where it does not.
        chosen = _take(yes, at, 0.0) if value else _take(no, at, math.nan)
        points[at] = chosen
    return keep(points, yes.label if isinstance(yes, TimeSeries) else "")


def _take(value: Value | None, at: int, missing: float) -> float:
    if isinstance(value, TimeSeries):
        return value.points.get(at, missing)
    return math.nan if value is None else _need_number(value)


def _slice(grid: Grid, value: Value, first: Value, end: Value | None = None) -> Value:
    last = None if end is None else int(_need_number(end))
    return _need_array(value)[int(_need_number(first)) : last]


def _sort(grid: Grid, value: Value, by: str, order: str, limit: Value | None = None) -> Value:
    if by not in ("AVG", "MAX", "MIN", "SUM") or order not in ("ASC", "DESC"):
        raise TypeError
    end = None if limit is None else int(_need_number(limit))

    def rank(series: TimeSeries) -> float:
        found = _SUMMARIES[by](list(series.points.values()), grid.count)
        return found if math.isfinite(found) else -math.inf

    return sorted(_need_array(value), key=rank, reverse=order == "DESC")[:end]


def _first(place: int) -> Function:
    def call(grid: Grid, value: Value) -> Value:
        several = _need_array(value)
        return several[place] if several else TimeSeries({})

    return call


def _find_period(grid: Grid, value: Value) -> Value:
    series = _need_series(value)
    if not series.period:
        raise ExpressionFault("PERIOD takes a metric, not the result of an expression")
    return float(series.period)


def _tell_time(read: Callable[[time.struct_time], float]) -> Function:
    """Each period's own time, in UTC, whether there is a value or not."""

    def call(grid: Grid, value: Value) -> Value:
        series = _need_series(value)
        return keep({at: float(read(time.gmtime(at))) for at in grid}, series.label)

    return call


def _count_metrics(grid: Grid, value: Value) -> Value:
    return float(len(_need_array(value)))


def _remove_empty(grid: Grid, value: Value) -> Value:
    return [series for series in _need_array(value) if series.points]


def _spread(grid: Grid, value: Value) -> Value:
    return keep(dict.fromkeys(grid, _need_number(value)))


def _tell_epoch(grid: Grid, value: Value) -> Value:
    return keep({at: float(at) for at in grid}, _need_series(value).label)


FUNCTIONS: dict[str, Function] = {
    **{name: _summarize(summary) for name, summary in _SUMMARIES.items()},
    "ABS": _point(abs),
    "CEIL": _point(math.ceil),
    "DATE": _tell_time(lambda at: at.tm_mday),
    "DAY": _tell_time(lambda at: at.tm_wday + 1),  # Monday is 1
    "DIFF": _between(lambda seconds, difference: difference),
    "DIFF_TIME": _between(lambda seconds, difference: seconds),
    "EPOCH": _tell_epoch,
    "FILL": _fill,
    "FIRST": _first(0),
    "FLOOR": _point(math.floor),
    "HOUR": _tell_time(lambda at: at.tm_hour),
    "IF": _choose,
    "LAST": _first(-1),
    "LOG": _point(math.log),
    "LOG10": _point(math.log10),
    "METRIC_COUNT": _count_metrics,
    "MINUTE": _tell_time(lambda at: at.tm_min),
    "MONTH": _tell_time(lambda at: at.tm_mon),
    "PERIOD": _find_period,
    "RATE": _between(lambda seconds, difference: difference / seconds),
    "REMOVE_EMPTY": _remove_empty,
    "RUNNING_SUM": _each(_sum_up),
    "SLICE": _slice,
    "SORT": _sort,
    "TIME_SERIES": _spread,
    "YEAR": _tell_time(lambda at: at.tm_year),
}
"""Every function but METRICS, which the evaluation itself knows."""

FILLING = frozenset(
    {"DATE", "DAY", "EPOCH", "FILL", "HOUR", "MINUTE", "MONTH", "TIME_SERIES", "YEAR"}
)
"""Functions whose results have a value for every period."""
