"""The one seam of durability: what is written, when, and how it comes back.

Before an answer leaves that may have changed something, everything that
changed is in the journal: one batch, one write. The operating system has it
then, so it survives the death of any process. Changes that no request waits
for are written a moment later; records that may have been changed in place
are looked at by a sweep.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from fairway.cloud.control.durable.services import Services
from fairway.cloud.control.durable.touch import Touched
from fairway.cloud.control.journal import Journal, Opened
from fairway.cloud.control.requests import Change

_log = logging.getLogger(__name__)

_TICK = 0.1
"""Seconds until a change that no request waits for is written."""

_SWEEP = 50
"""Ticks between sweeps."""

_TRIES = 100


class StateKeeper:
    """Writes the services' changes. Everything but `mark_finished` runs on the loop."""

    def __init__(
        self,
        journal: Journal,
        notify: Callable[[str], None],
        keep: bool = True,
        tick: Callable[[bool], None] = lambda changed: None,
    ) -> None:
        """keep: whether to write at all; off only where its price is measured.

        tick: told ten times a second whether something has changed.
        """
        self._journal = journal
        self._notify = notify
        self._keep = keep
        self._tick = tick
        self._written = 0
        self._services: Services | None = None
        self._unsaved: list[bytes] = []
        self._failures: list[str] = []
        self._sweep_due = False
        self._writing: asyncio.Task[None] | None = None

    def open(self) -> Opened:
        """What was kept. Raises StateUnusable."""
        return self._journal.open()

    def attach(self, services: Services) -> None:
        """Write what these services change."""
        self._services = services

    def start(self) -> None:
        """Write in the background too."""
        if self._keep:
            self._writing = asyncio.get_running_loop().create_task(self._write_regularly())

    # --- writing -----------------------------------------------------------------

    def append(self, lines: list[bytes]) -> None:
        """Write records now. Raises OSError; they are not kept then."""
        if self._keep:
            self._journal.append(b"\n".join(lines) + b"\n")

    def note_failure(self, text: str) -> None:
        """Something a request should have stored was not."""
        self._failures.append(text)

    def mark_finished(self) -> None:
        """A stack operation ended: whatever it touched is looked at. From any thread."""
        self._sweep_due = True

    async def save(self, change: Change, touched: set[str]) -> str | None:
        """Write what a request changed; why it could not be written, or None.

        touched: the services the request may have changed.
        """
        if self._services is None or not self._keep:
            return None
        if isinstance(touched, Touched):
            touched.answer(changed=change is not Change.NONE)
        if self._sweep_due:
            self._sweep_due = False
            self._look_at_touched()
        elif change is Change.NONE and not self._unsaved:
            return None
        reason = await self._collect_and_write(touched if change is Change.CONTROL else ())
        if self._failures:
            reason, self._failures = self._failures[-1], []
        if reason is not None:
            self._notify(
                f"What was changed could not be saved: {reason}. Requests that change something "
                "are refused until it can; nothing that was saved before is affected."
            )
        return reason

    async def _collect_and_write(self, touched: Iterable[str] = ()) -> str | None:
        if self._services is None:
            return None
        for _ in range(_TRIES):
            try:
                self._services.collect(self._unsaved, touched)
                break
            except RuntimeError:  # a thread of the emulator is changing a store just now
                await asyncio.sleep(0.002)
        return self._write()

    def _write(self) -> str | None:
        if not self._unsaved:
            return None
        try:
            self._journal.append(b"\n".join(self._unsaved) + b"\n")
        except OSError as error:
            return error.strerror or str(error)
        self._unsaved = []
        self._written += 1
        if self._journal.is_due():
            self._compact()
        return None

    def _compact(self) -> None:
        try:
            self._journal.compact()
        except OSError as error:  # no room for the next segment: this one goes on
            _log.warning("the journal could not be compacted: %s", error)

    # --- in the background -------------------------------------------------------

    async def _write_regularly(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(_TICK)
            ticks += 1
            written, self._written = self._written, 0
            try:
                self._tick(bool(written))
                if self._sweep_due:
                    self._sweep_due = False
                    self._look_at_touched()
                if self._services is not None and (self._unsaved or self._services.has_news):
                    await self._collect_and_write()
                if ticks % _SWEEP == 0:
                    await self._sweep()
            except Exception:
                _log.exception("changes could not be written in the background")

    def _look_at_touched(self) -> None:
        """Look at whatever was touched, in one moment, which the caller writes."""
        if self._services is not None:
            for service in self._services.list_due(everything=True):
                with contextlib.suppress(RuntimeError):  # busy: it stays due
                    self._services.sweep(self._unsaved, service, thorough=False)

    async def _sweep(self, everything: bool = False) -> None:
        """Look at all records of services that were touched, a service at a time."""
        if self._services is None:
            return
        for service in self._services.list_due(everything):
            with contextlib.suppress(RuntimeError):  # busy: it stays due
                self._services.sweep(self._unsaved, service)
            if not everything:  # otherwise it is one moment, written by the caller
                self._write()
                await asyncio.sleep(0)

    async def close(self) -> bool:
        """Write for the last time; whether that was possible."""
        reason: str | None = None
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        if self._services is not None and self._keep:
            await self._sweep(everything=True)
            reason = await self._collect_and_write()
            if reason is not None:
                _log.error("the last changes could not be saved: %s", reason)
            written, self._written = self._written, 0
            self._tick(bool(written))
        await self._journal.close()
        return reason is None
