"""The way of measurements into the store: a few additions each, everything else once a second.

What happens often (a request, an invocation) has few shapes: the same listener, the same
status. Each shape collects its values; only when they are flushed does a shape become
metrics with names and dimensions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

from fairway.cloud.control.metrics.measure import Measure
from fairway.cloud.control.metrics.store import MINUTE, Metric, MetricStore

Counted = tuple[Metric, str, Measure]
"""A metric, its unit, and values for it."""


Shape = TypeVar("Shape", bound=Hashable)


class Funnel(Generic[Shape]):
    """Collects values by shape. expand: what a shape's collected values mean as metrics.

    `note` may be called on any thread; `flush` on the event loop.
    """

    def __init__(
        self,
        expand: Callable[[Shape, tuple[Measure, ...]], Iterable[Counted]],
        clock: Callable[[], float],
    ) -> None:
        self._expand = expand
        self._clock = clock
        self._waiting: dict[tuple[int, Shape], tuple[Measure, ...]] = {}
        self._lock = threading.Lock()

    def note(self, shape: Shape, *values: float) -> None:
        """Count values; the same shape always comes with the same number of them."""
        key = (int(self._clock()) // MINUTE, shape)
        with self._lock:
            measures = self._waiting.get(key)
            if measures is None:
                measures = self._waiting[key] = tuple(Measure() for _ in values)
            for measure, value in zip(measures, values, strict=True):
                measure.add(value)

    def flush(self, store: MetricStore) -> None:
        """Put what was collected into the store."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for (minute, shape), measures in waiting.items():
            for metric, unit, measure in self._expand(shape, measures):
                if measure.count:
                    store.add(metric, unit, minute * MINUTE, measure)
