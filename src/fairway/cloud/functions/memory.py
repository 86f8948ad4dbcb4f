"""How much memory workers use, and a watch that ends those that use too much."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
from pathlib import Path
from typing import Protocol

_FRESH = 0.1  # seconds that a peak is good for: reading it costs more than a small request
_PAGE = os.sysconf("SC_PAGE_SIZE") // 1024  # KiB
_EVERY = 0.05  # seconds between two looks at a worker that runs
_CHILDREN_EVERY = 4  # looks between two at its child processes, which cost more


class Gauge:
    """The memory of one worker, in KiB: now, and at most; 0 where the system does not tell.

    On Linux its own resident memory counts, as the kernel's limit on Lambda
    does, and of its child processes what they do not share.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._read_at = float("-inf")
        self._looks = 0
        self._children = 0
        self._status = _open(f"/proc/{pid}/status")
        self._statm = _open(f"/proc/{pid}/statm")

    @property
    def peak(self) -> int:
        """The most that was seen so far."""
        return self._peak

    def read_peak(self, now: float, *, fresh: bool = False) -> int:
        """Give the peak so far; `now` in seconds of any steady clock.

        fresh: do not settle for a reading of a moment ago.
        """
        if self._status >= 0 and (fresh or now - self._read_at > _FRESH):
            self._read_at = now
            with contextlib.suppress(OSError):
                _, found, rest = os.pread(self._status, 4096, 0).partition(b"VmHWM:")
                if found:
                    self.record(int(rest.split(None, 1)[0]))
        return self._peak

    def look(self) -> int:
        """Give what is used now."""
        used = self._read_own()
        if self._statm >= 0:
            if self._looks % _CHILDREN_EVERY == 0:
                self._children = sum(map(_read_private, _list_descendants(self._pid)))
            self._looks += 1
            used += self._children
        self.record(used)
        return used

    def _read_own(self) -> int:
        if self._statm >= 0:
            with contextlib.suppress(OSError, IndexError, ValueError):
                return int(os.pread(self._statm, 256, 0).split()[1]) * _PAGE
            return 0
        return _read_darwin(self._pid) if sys.platform == "darwin" else 0

    def record(self, kibibytes: int) -> None:
        """Take a size known from elsewhere."""
        self._peak = max(self._peak, kibibytes)

    def close(self) -> None:
        """Let the process go."""
        for descriptor in (self._status, self._statm):
            if descriptor >= 0:
                os.close(descriptor)
        self._status = self._statm = -1


class Watched(Protocol):
    """A worker, as the watch sees it."""

    def check_memory(self) -> None:
        """Look at the memory used and act on it."""


class MemoryWatch:
    """Looks at every worker that runs something, at intervals, while there are any."""

    def __init__(self) -> None:
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, worker: Watched) -> None:
        """Watch a worker."""
        self._watched.add(worker)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._look)

    def discard(self, worker: Watched) -> None:
        """Watch it no longer."""
        self._watched.discard(worker)

    def _look(self) -> None:
        self._timer = None
        for worker in list(self._watched):
            worker.check_memory()
        if self._watched and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._look)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY)
    except OSError:
        return -1


def _list_descendants(pid: int) -> list[int]:
    """Child processes and theirs, at most a few hundred."""
    found: list[int] = []
    waiting = [pid]
    while waiting and len(found) < 300:
        children = _list_children(waiting.pop())
        found += children
        waiting += children
    return found


def _list_children(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (thread / "children").read_bytes().split())
    return children


def _read_private(pid: int) -> int:
    """KiB of a process that it shares with no other."""
    total = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines():
            if line.startswith((b"Private_Clean:", b"Private_Dirty:")):
                total += int(line.split()[1])
    return total


def _read_darwin(pid: int) -> int:
    """KiB of a process's footprint on macOS, where there is no /proc; 0 when it is not told."""
    usage = (ctypes.c_uint64 * 64)()
    try:
        library = ctypes.CDLL("/usr/lib/libproc.dylib")
        told = library.proc_pid_rusage(pid, 2, ctypes.byref(usage)) == 0
    except (OSError, AttributeError):
        return 0
    # rusage_info_v2: a UUID of 16 bytes, then 64-bit fields; the eighth is ri_phys_footprint.
    return int(usage[2 + 7]) // 1024 if told else 0
