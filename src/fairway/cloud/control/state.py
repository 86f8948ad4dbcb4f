"""The one seam of durability: what is saved, when, and how it comes back.

Today a snapshot of every service is written after each finished stack
operation and at a clean stop. Services are copied one at a time, and written
in a worker thread, so that the loop answers in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

State = dict[str, Any]


class Store(Protocol):
    """Where snapshots of services go."""

    def names(self) -> list[str]:
        """Services that have a snapshot."""

    def save(self, service: str, state: State) -> None:
        """Write one service's snapshot, replacing the last at once."""

    def load(self, service: str) -> State | None:
        """Read one service's snapshot."""


class StateKeeper:
    """Saves the services' state and restores it."""

    def __init__(
        self, store: Store, services: Callable[[], Mapping[str, Callable[[], State | None]]]
    ) -> None:
        self._store = store
        self._services = services
        self._lock = asyncio.Lock()
        self._pending: asyncio.Task[None] | None = None

    def request_save(self) -> None:
        """Ask for a snapshot soon; requests while one is due are one."""
        if self._pending is None or self._pending.done():
            self._pending = asyncio.get_running_loop().create_task(self._save_soon())

    async def _save_soon(self) -> None:
        await asyncio.sleep(0.05)  # lets the answer that caused it go first
        self._pending = None
        await self.save_all()

    async def save_all(self) -> None:
        """Write every service that has something to keep, or had."""
        async with self._lock:
            kept = set(self._store.names())
            for service, read in self._services().items():
                state = read()
                if state is None or (service not in kept and is_empty(state)):
                    continue
                await asyncio.to_thread(self._store.save, service, state)

    async def close(self) -> None:
        """Save for the last time."""
        if self._pending is not None:
            self._pending.cancel()
        await self.save_all()


def is_empty(state: object) -> bool:
    """Whether a snapshot holds nothing: containers all the way down, or plain defaults."""
    inner = getattr(state, "_data", state)
    if isinstance(inner, Mapping):
        return all(is_empty(value) for value in inner.values())
    if isinstance(inner, (list, tuple, set, frozenset)):
        return not inner
    return not isinstance(inner, (str, bytes)) or not inner
