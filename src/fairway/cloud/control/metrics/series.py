"""Values of metric math: numbers, time series and lists of them, and their operators.

Page "Using metric math": data types, arithmetic, comparison and logical operators.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass


class ExpressionFault(Exception):
    """An expression that cannot be evaluated; the text says why."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The periods that are looked at. start: epoch seconds; period: seconds; count: how many."""

    start: int
    period: int
    count: int

    def __iter__(self) -> Iterator[int]:
        """The beginnings of all periods."""
        return iter(range(self.start, self.start + self.count * self.period, self.period))


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Values by the second that their period began at; a period without a value is missing.

    label: of the metric, for whoever shows it; period: of a metric, 0 of what was computed.
    """

    points: dict[int, float]
    label: str = ""
    period: int = 0


Array = list[TimeSeries]
Value = float | str | TimeSeries | Array
"""A word, such as REPEAT, is the argument of some functions."""

Change = Callable[[int, float], float]


def change(series: TimeSeries, apply: Change) -> TimeSeries:
    """A series of each value's own result; one that is no number is dropped."""
    return keep({at: apply(at, value) for at, value in series.points.items()}, series.label)


def keep(points: dict[int, float], label: str = "") -> TimeSeries:
    """A series of those values that are numbers, in order of time."""
    real = {at: value for at, value in sorted(points.items()) if math.isfinite(value)}
    return TimeSeries(real, label)


def _divide(left: float, right: float) -> float:
    return left / right if right else math.nan


def _raise_to(left: float, right: float) -> float:
    try:
        found = left**right
    except (OverflowError, ZeroDivisionError):
        return math.nan
    return found if isinstance(found, float) else math.nan  # a root of what is below zero


_APPLY: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "^": _raise_to,
    "==": lambda left, right: float(left == right),
    "!=": lambda left, right: float(left != right),
    "<": lambda left, right: float(left < right),
    "<=": lambda left, right: float(left <= right),
    ">": lambda left, right: float(left > right),
    ">=": lambda left, right: float(left >= right),
    "AND": lambda left, right: float(bool(left) and bool(right)),
    "OR": lambda left, right: float(bool(left) or bool(right)),
}


def combine(sign: str, left: Value, right: Value) -> Value:
    """Two values under an operator. Of two series, a value that only one has meets a 0."""
    if isinstance(left, str) or isinstance(right, str):
        raise ExpressionFault(f"Unsupported operand for {sign}: a text")
    if isinstance(left, list) and isinstance(right, list):
        raise ExpressionFault(f"Unsupported operands for {sign}: two arrays of time series")
    if isinstance(left, list):
        return [_combine_two(sign, each, right) for each in left]  # type: ignore[misc, arg-type]
    if isinstance(right, list):
        return [_combine_two(sign, left, each) for each in right]  # type: ignore[misc]
    return _combine_two(sign, left, right)


def _combine_two(
    sign: str, left: float | TimeSeries, right: float | TimeSeries
) -> float | TimeSeries:
    apply = _APPLY[sign]
    if isinstance(left, TimeSeries) and isinstance(right, TimeSeries):
        times = left.points.keys() | right.points.keys()
        found = {at: apply(left.points.get(at, 0.0), right.points.get(at, 0.0)) for at in times}
        return keep(found, left.label)
    if isinstance(left, TimeSeries):
        number = float(right)  # type: ignore[arg-type]
        return change(left, lambda at, value: apply(value, number))
    if isinstance(right, TimeSeries):
        return change(right, lambda at, value: apply(left, value))
    return apply(left, right)


def negate(value: Value) -> Value:
    """The unary minus."""
    if isinstance(value, str):
        raise ExpressionFault("Unsupported operand for -: a text")
    if isinstance(value, list):
        return [change(each, lambda at, number: -number) for each in value]
    if isinstance(value, TimeSeries):
        return change(value, lambda at, number: -number)
    return -value
