"""What was measured in one minute or hour: exact sums, and values close enough for percentiles."""

from __future__ import annotations

import math
from array import array
from typing import Any

_STEP = math.log(1.02)
_HIGHEST = 1e280
_ZERO = -32768
"""The bucket of zero and of what is below it; logarithms of real values never reach it."""


class Measure:
    """Many values as count, sum, minimum and maximum, which are exact, and a histogram.

    The histogram begins with the second distinct value. Its buckets are 2 % wide, so a
    percentile is within 1 % of the true one, whatever the number of values; a packed one
    takes six bytes a bucket.
    """

    __slots__ = ("_spread", "count", "high", "is_vague", "low", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.low = math.inf
        self.high = -math.inf
        self.is_vague = False
        self._spread: dict[int, int] | tuple[array[int], array[int]] | None = None

    def add(self, value: float, times: int = 1) -> None:
        """Count a value, or the same one several times."""
        if self._spread is not None or (self.count and value != self.low):
            spread = self._open()
            place = _find_bucket(value)
            spread[place] = spread.get(place, 0) + times
        self.count += times
        self.total += value * times
        if value < self.low:
            self.low = value
        if value > self.high:
            self.high = value

    def add_set(self, count: int, total: float, low: float, high: float) -> None:
        """Count values of which only the extremes and the sum are known.

        They have no percentiles, unless all are the same ("Percentiles", page "Amazon
        CloudWatch concepts").
        """
        if low == high:
            self.add(low, count)
            return
        self.is_vague = True
        self.count += count
        self.total += total
        self.low = min(self.low, low)
        self.high = max(self.high, high)

    def merge(self, other: Measure) -> None:
        """Count all values of another."""
        if not other.count:
            return
        if other.is_vague:
            self.add_set(other.count, other.total, other.low, other.high)
            return
        if other._spread is None:
            self.add(other.low, other.count)
            return
        spread = self._open()
        for place, times in other._list_buckets():
            spread[place] = spread.get(place, 0) + times
        self.count += other.count
        self.total += other.total
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)

    def list_samples(self) -> list[tuple[float, float]]:
        """Values with how often each came: the middles of the buckets, within the extremes.

        Empty where they are not known.
        """
        if self.is_vague:
            return []
        if self._spread is None:
            return [(self.low, float(self.count))] if self.count else []
        return [
            (min(max(_middle(place), self.low), self.high), float(times))
            for place, times in self._list_buckets()
        ]

    def pack(self) -> None:
        """Take little memory from now on: nothing more is expected to be added."""
        if isinstance(self._spread, dict):
            places = sorted(self._spread)
            counts = [min(self._spread[place], 0xFFFFFFFF) for place in places]
            self._spread = (array("h", places), array("I", counts))

    def describe(self) -> list[Any]:
        """All of it as plain JSON, for `read_measure`."""
        basic = [self.count, self.total, self.low, self.high]
        if self.is_vague or self._spread is None:
            return [*basic, int(self.is_vague)]
        buckets = sorted(self._list_buckets())
        return [*basic, 0, [place for place, _ in buckets], [times for _, times in buckets]]

    def _open(self) -> dict[int, int]:
        if not isinstance(self._spread, dict):
            self._spread = dict(self._list_buckets())
        return self._spread

    def _list_buckets(self) -> list[tuple[int, int]]:
        if isinstance(self._spread, dict):
            return list(self._spread.items())
        if self._spread is not None:
            return list(zip(*self._spread, strict=True))
        return [(_find_bucket(self.low), self.count)] if self.count else []


def read_measure(row: list[Any]) -> Measure:
    """The inverse of `Measure.describe`; packed."""
    measure = Measure()
    measure.count, measure.total, measure.low, measure.high = row[:4]
    measure.is_vague = bool(row[4])
    if len(row) > 5:
        measure._spread = (array("h", row[5]), array("I", row[6]))
    return measure


def measure_repeated(value: float, times: int) -> Measure:
    """The same value, several times."""
    measure = Measure()
    if times:
        measure.add(value, times)
    return measure


def _find_bucket(value: float) -> int:
    return math.floor(math.log(min(value, _HIGHEST)) / _STEP) if value > 0 else _ZERO


def _middle(place: int) -> float:
    return 0.0 if place == _ZERO else math.exp((place + 0.5) * _STEP)
