"""All that measures, as one part of the local cloud: composed, ticking, and asked."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

from fairway.cloud.control.journal_format import Groups
from fairway.cloud.control.metrics import cloudwatch
from fairway.cloud.control.metrics.answers import MetricAnswers
from fairway.cloud.control.metrics.invocations import InvocationMetrics
from fairway.cloud.control.metrics.keeping import MetricKeeper
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

KEEP = 15
"""Ticks between writes of what was measured: a kill costs at most so much of it."""


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
        append: Callable[[list[bytes]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """append: writes records to the journal, or raises OSError."""
        self._clock = clock
        self._home = home
        self._store = MetricStore()
        self._keeper = MetricKeeper(self._store, append)
        self._resumed: float | None = None
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

    def restore(self, groups: Groups) -> None:
        """Go on with what the journal holds; it is taken out of it."""
        if groups:
            self._resumed = self._clock()
        self._keeper.restore(groups)

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

        self._watch = AlarmWatch(
            reader, cloudwatch.list_alarms, take_change, self._clock, self._resumed
        )
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
        for _ in self._keeper.load():
            pass
        for gauge in self._gauges:
            gauge.flush(self._store)
        self._store.fold(self._clock())

    async def _tick(self) -> None:
        for ticks in count(1):
            await asyncio.sleep(TICK)
            try:
                for _ in self._keeper.load():
                    await asyncio.sleep(0)
                self.flush()
                self._watch.evaluate_due()
                if ticks % KEEP == 0:
                    await self._keep()
            except Exception:
                _log.exception("metrics or alarms could not be brought up to date")

    async def _keep(self) -> None:
        with contextlib.suppress(OSError):  # tried again; requests that change something tell it
            for _ in self._keeper.write():
                await asyncio.sleep(0)

    async def stop(self) -> None:
        """Stop ticking, and write the last of it."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)
            try:
                self.flush()
                await self._keep()
            except Exception:  # the rest of the cloud must end in order
                _log.exception("the last measurements could not be written")
