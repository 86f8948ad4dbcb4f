"""One invocation on its way to a worker, and what all workers share."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fairway.cloud.functions.memory import MemoryWatch
from fairway.cloud.functions.model import Function, Invocation, WriteLog
from fairway.cloud.functions.nursery import Nursery


@dataclass(frozen=True, slots=True)
class Host:
    """What all workers share.

    clock: epoch seconds. new_id: a random UUID. notice:
    takes a sentence for the user, the same one any number of times.
    """

    nursery: Nursery
    inherited: Mapping[str, str]
    base_environment: Callable[[Function], Mapping[str, str]]
    write_log: WriteLog
    scratch: Path
    clock: Callable[[], float]
    new_id: Callable[[], uuid.UUID]
    watch: MemoryWatch
    notice: Callable[[str], None]


def observe_nothing(duration: float, failed: bool) -> None:
    """Leave an invocation unobserved."""


@dataclass(slots=True, eq=False)
class Job:
    """One invocation on its way.

    invoked_arn: as the caller named the function. release: gives back its place
    in the function's concurrency. observe: takes milliseconds and whether it
    failed, once, when it has run. retried: its cold start has been tried twice.
    """

    request_id: str
    payload: bytes
    trace_id: str
    invoked_arn: str
    outcome: asyncio.Future[Invocation]
    release: Callable[[], None]
    observe: Callable[[float, bool], None] = observe_nothing
    expiry: asyncio.TimerHandle | None = None
    retried: bool = False
    begun: bool = False

    def note_unbegun_end(self) -> None:
        """Release the place of a job that was refused or given up before it began."""
        if not self.begun:
            self.release()

    def leave_queue(self) -> None:
        """Stop its deadline in the queue: it no longer waits there."""
        if self.expiry is not None:
            self.expiry.cancel()
            self.expiry = None
