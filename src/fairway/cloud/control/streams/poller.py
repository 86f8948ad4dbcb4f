"""Every stream mapping, followed: which lanes there are, where each stands, and which have work."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairway.cloud.control.durable.rows import Rows
from fairway.cloud.control.streams.lane import (
    Filter,
    InvokeBatch,
    Lane,
    Pauses,
    Taken,
    take_entries,
)
from fairway.cloud.control.streams.model import Settings, Shard

_log = logging.getLogger(__name__)

STORE = b"lambda.positions"

_TICK = 0.1
"""Seconds between looks at the streams. Lambda polls each shard once a second."""


@dataclass(frozen=True, slots=True)
class Followed:
    """One mapping that is enabled. mapping: its record, which is told how batches end."""

    mapping: dict[str, Any]
    settings: Settings
    shards: list[Shard]
    choose: Filter


Follow = Callable[[], Iterator[Followed]]
"""The enabled mappings whose stream exists."""


class StreamPoller:
    """Gives each lane of each shard its next batch. Runs on the loop.

    A position is written after its batch, so after a kill a batch may come
    again, as it may on AWS. deliver: hands a record to a destination's ARN, in a function's role.
    """

    def __init__(
        self,
        *,
        follow: Follow,
        invoke: InvokeBatch,
        deliver: Callable[[str, str, Mapping[str, tuple[str, str]], str], Awaitable[None]],
        report: Callable[[str], None],
        positions: Rows,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._follow = follow
        self._invoke = invoke
        self._deliver = deliver
        self._report = report
        self._positions = positions
        self._pauses = pauses
        self._clock = clock
        self._wait = wait
        self._busy: dict[tuple[str, str, int], asyncio.Task[None]] = {}
        self._since: dict[tuple[str, str, int], float] = {}
        self._polling: asyncio.Task[None] | None = None
        self._is_closed = False

    def start(self) -> None:
        """Begin to poll."""
        self._polling = asyncio.get_running_loop().create_task(self._poll_regularly())

    async def close(self) -> None:
        """Stop; batches under way come again at the next start."""
        self._is_closed = True
        tasks = [*self._busy.values(), *([self._polling] if self._polling else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def place(self, settings: Settings, shards: list[Shard]) -> None:
        """Fix where a new mapping begins, at the moment it is made. Call on any thread."""
        for shard in shards:
            self._place_shard(settings, shard, settings.start)

    async def _poll_regularly(self) -> None:
        while True:
            try:
                self.poll()
            except Exception:
                _log.exception("event source mappings could not be looked at")
            await self._wait(_TICK)

    def poll(self) -> None:
        """Start a batch in every lane that has one due; forget mappings that are gone."""
        seen = set()
        for followed in self._follow():
            seen.add(followed.settings.uuid)
            try:
                for shard in followed.shards:
                    for number in range(followed.settings.lanes):
                        self._look(followed, shard, number)
            except Exception:  # one broken record or filter must not hold every mapping
                _log.exception("the mapping %s could not be looked at", followed.settings.uuid)
        for key, task in list(self._busy.items()):
            if key[0] not in seen:  # deleted or disabled
                task.cancel()

    def forget(self, uuid: str) -> None:
        """A mapping was deleted."""
        for key in self._positions.list_keys():
            if key.startswith(f"{uuid}/"):
                self._positions.remove(key)

    # --- positions -----------------------------------------------------------------

    def _place_shard(self, settings: Settings, shard: Shard, start: str) -> list[str]:
        key = f"{settings.uuid}/{shard.name}"
        places: list[str] | None = self._positions.get(key)
        if places is None:
            at = shard.find_start(start, settings.start_time)
            places = [at] * settings.lanes
        elif len(places) != settings.lanes:  # keys move between lanes: none may be skipped
            places = [min(places)] * settings.lanes
        else:
            return places
        self._positions.set(key, places)
        return places

    def _find_place(self, settings: Settings, shard: Shard) -> list[str]:
        if self._positions.get(f"{settings.uuid}/{shard.name}") is not None:
            return self._place_shard(settings, shard, settings.start)
        # A shard that appears later holds nothing that was before the mapping.
        known = any(k.startswith(f"{settings.uuid}/") for k in self._positions.list_keys())
        return self._place_shard(settings, shard, "TRIM_HORIZON" if known else settings.start)

    # --- lanes ---------------------------------------------------------------------

    def _look(self, followed: Followed, shard: Shard, number: int) -> None:
        settings = followed.settings
        key = (settings.uuid, shard.name, number)
        if key in self._busy:
            return
        place = self._find_place(settings, shard)[number]
        taken = take_entries(shard, place, settings, number, followed.choose)
        if taken is None or not self._is_due(key, taken, settings):
            return
        if not taken.entries:  # others' records, or filtered ones
            self._advance(settings, shard.name, number, taken.end)
            return
        task = asyncio.get_running_loop().create_task(
            self._make_lane(followed, shard.name, number).work(taken)
        )
        self._busy[key] = task
        task.add_done_callback(lambda done: self._end(key, done))

    def _is_due(self, key: tuple[str, str, int], taken: Taken, settings: Settings) -> bool:
        """Whether the window has passed or the batch is full ("batching behavior")."""
        if settings.window and taken.entries and not taken.is_full:
            now = self._clock()
            if now - self._since.setdefault(key, now) < settings.window:
                return False
        self._since.pop(key, None)
        return True

    def _end(self, key: tuple[str, str, int], task: asyncio.Task[None]) -> None:
        self._busy.pop(key, None)
        if not task.cancelled() and task.exception() is not None:
            _log.error("a batch of %s failed here", key, exc_info=task.exception())
        elif not task.cancelled() and not self._is_closed:
            self.poll()  # more may have come meanwhile

    def _make_lane(self, followed: Followed, shard: str, number: int) -> Lane:
        settings = followed.settings

        async def discard(record: dict[str, Any]) -> None:
            try:
                sender = str(followed.mapping["FunctionArn"])
                await self._deliver(settings.on_failure, json.dumps(record), {}, sender)
            except Exception as error:
                self._report(
                    f"Discarded records of {settings.stream} could not be sent to "
                    f"{settings.on_failure}: {error}"
                )

        def report(result: str) -> None:
            followed.mapping["LastProcessingResult"] = result

        return Lane(
            settings,
            shard,
            invoke=self._invoke,
            advance=lambda order: self._advance(settings, shard, number, order),
            discard=discard,
            report=report,
            pauses=self._pauses,
            clock=self._clock,
            wait=self._wait,
        )

    def _advance(self, settings: Settings, shard: str, number: int, order: str) -> None:
        key = f"{settings.uuid}/{shard}"
        places = self._positions.get(key)
        if places is not None and number < len(places) and places[number] < order:
            self._positions.set(key, [*places[:number], order, *places[number + 1 :]])
