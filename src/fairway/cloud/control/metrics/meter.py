"""All that measures, as one part of the local cloud: composed, ticking, and asked."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from fairway.cloud.control.metrics import cloudwatch
from fairway.cloud.control.metrics.answers import MetricAnswers
from fairway.cloud.control.metrics.invocations import InvocationMetrics
from fairway.cloud.control.metrics.notices import AlarmActions, Change, publish_to_topic
from fairway.cloud.control.metrics.queues import QueueMetrics, patch_queues
from fairway.cloud.control.metrics.reading import MetricReader, Scope
from fairway.cloud.control.metrics.requests import RequestMetrics
from fairway.cloud.control.metrics.store import MetricStore
from fairway.cloud.control.metrics.tables import TableMetrics, patch_tables
from fairway.cloud.control.metrics.watch import AlarmWatch, Announcer

_log = logging.getLogger(__name__)
TICK = 1.0
"""Seconds that what was measured may wait before alarms see it; readers need not wait."""


class Gauge(Protocol):
    """Something whose measurements are put into the store when it is asked."""

    def flush(self, store: MetricStore) -> None:
        """Put what was counted into the store."""


class Meter:
    """Takes measurements, and serves them through ministack's CloudWatch API."""

    def __init__(
        self,
        home: Scope,
        is_detailed: Callable[[str, str, str], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._home = home
        self._store = MetricStore()
        self.requests = RequestMetrics(clock, is_detailed)
        self.invocations = InvocationMetrics(clock)
        self._queues, self._tables = QueueMetrics(clock), TableMetrics(clock)
        self._gauges: tuple[Gauge, ...] = (
            self.requests,
            self.invocations,
            self._queues,
            self._tables,
        )
        self._ticking: asyncio.Task[None] | None = None

    def adopt(
        self,
        loop: asyncio.AbstractEventLoop,
        invoke: Callable[[str, bytes], None],
        permits: Callable[[str, str, str], bool],
        report: Callable[[str], None],
    ) -> None:
        """Answer ministack's API and run its alarms. Call once its modules may be imported."""
        reader = MetricReader(self._store, self._home, cloudwatch.find_published)
        actions = AlarmActions(publish_to_topic, invoke, permits)
        announcer = Announcer(
            actions.run, cloudwatch.find_history, cloudwatch.make_starter(loop), report
        )

        def take_change(scope: Scope, change: Change) -> None:
            announcer.record(scope, change)
            announcer.announce(scope, change)
            cloudwatch.evaluate_composites(scope, change.alarm)

        self._watch = AlarmWatch(reader, cloudwatch.list_alarms, take_change, self._clock)
        cloudwatch.patch_reading(MetricAnswers(reader))
        cloudwatch.patch_writing()
        cloudwatch.patch_alarms(announcer)
        patch_queues(self._queues)
        patch_tables(self._tables)

    def start(self) -> None:
        """Begin to tick."""
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    def flush(self) -> None:
        """Make everything measured readable."""
        for gauge in self._gauges:
            gauge.flush(self._store)
        self._store.fold(self._clock())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            try:
                self.flush()
                self._watch.evaluate_due()
            except Exception:
                _log.exception("metrics or alarms could not be brought up to date")

    async def stop(self) -> None:
        """Stop ticking."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
