"""Function output on its way into CloudWatch Logs: buffered, flushed in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

FLUSH_AFTER = 0.1
"""Seconds that a line may wait before it can be read."""

Line = tuple[int, str]


class LogStore(Protocol):
    """CloudWatch Logs, as far as the buffer is concerned."""

    def append(self, group: str, stream: str, lines: list[Line]) -> None:
        """Store lines, in order; the group and the stream are made when missing."""

    def expire(self, now_ms: int) -> None:
        """Drop what is older than its group's retention."""


class LogBuffer:
    """Implements `WriteLog`: `write` costs one list append."""

    def __init__(self, store: LogStore, clock_ms: Callable[[], int]) -> None:
        self._store = store
        self._clock_ms = clock_ms
        self._waiting: dict[tuple[str, str], list[Line]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._expired_at = 0

    def write(self, group: str, stream: str, lines: list[Line]) -> None:
        """Take lines; called on the event loop."""
        self._waiting.setdefault((group, stream), []).extend(lines)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FLUSH_AFTER, self.flush)

    def flush(self) -> None:
        """Store everything that waits; called before somebody reads logs."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, {}
        for (group, stream), lines in waiting.items():
            self._store.append(group, stream, lines)
        now = self._clock_ms()
        if now - self._expired_at > 60_000:
            self._expired_at = now
            self._store.expire(now)
