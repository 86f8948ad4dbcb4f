"""Processes that a bench starts: whom they belong to, what memory they take, how they end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
PROC = Path("/proc")
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass(frozen=True)
class Process:
    """One row of the process table; `rss` in bytes."""

    pid: int
    parent: int
    rss: int


def prepare_this_process() -> None:
    """Let us open many connections, and adopt the daemons that targets leave behind.

    As a "child subreaper" (Linux) this process becomes the parent of every orphan below it, so a
    target that goes into the background is still found, measured and ended.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    # A terminated bench still runs its `finally` blocks, and so ends what it started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def list_processes() -> list[Process]:
    """Every process that can be seen: from /proc, or from `ps` where there is none."""
    if not (PROC / "self/stat").exists():
        out = subprocess.run(
            ["ps", "-axo", "pid=,ppid=,rss="], capture_output=True, text=True, check=True
        ).stdout
        rows = (map(int, line.split()) for line in out.splitlines())
        return [Process(pid, parent, rss * 1024) for pid, parent, rss in rows]
    names = (entry.name for entry in PROC.iterdir() if entry.name.isdigit())
    return [found for name in names if (found := _read(name))]


def _read(name: str) -> Process | None:
    try:
        stat = (PROC / name / "stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None  # it ended while we were looking
    fields = stat.rpartition(")")[2].split()  # proc(5): the name in brackets may hold anything
    return Process(int(name), int(fields[1]), int(fields[21]) * resource.getpagesize())


def find_descendants(root: int, excluded: Iterable[int] = ()) -> list[Process]:
    """The processes below `root`, without the trees that start at the `excluded` ones."""
    below: dict[int, list[Process]] = {}
    for process in list_processes():
        below.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    ahead, left_out = [root], set(excluded)
    while ahead:
        children = [p for p in below.get(ahead.pop(), []) if p.pid not in left_out]
        found += children
        ahead += [child.pid for child in children]
    return found


@dataclass
class MemoryWatch:
    """Samples the summed RSS of everything that this process started, except `excluded` trees.

    Shared pages count once per process. Above `limit` bytes the processes are killed, so that a
    target without a bound does not take the machine with it; `exceeded` then says so.
    """

    limit: int
    every: float = 0.2
    excluded: set[int] = field(default_factory=set)
    peak: int = 0
    exceeded: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> MemoryWatch:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def reset(self) -> None:
        """Start the peak again, for the next part of a measurement."""
        self.peak = 0

    def _watch(self) -> None:
        while not self._stop.wait(self.every):
            tree = find_descendants(os.getpid(), self.excluded)
            total = sum(process.rss for process in tree)
            self.peak = max(self.peak, total)
            if total > self.limit:
                self.exceeded = True
                _signal_each(tree, signal.SIGKILL)


def start(command: list[str], cwd: Path, env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own; its output goes to `log`."""
    with log.open("ab") as out:
        return subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end_descendants(excluded: Iterable[int] = (), patience: float = 8.0) -> int:
    """End what this process still has below it, politely first; how many had to be killed."""
    excluded = set(excluded)
    remaining = find_descendants(os.getpid(), excluded)
    _signal_each(remaining, signal.SIGTERM)
    ends = time.monotonic() + patience
    while remaining and time.monotonic() < ends:
        time.sleep(0.05)
        remaining = _reap(find_descendants(os.getpid(), excluded))
    killed = len(remaining)
    ends = time.monotonic() + patience
    while remaining and time.monotonic() < ends:
        _signal_each(remaining, signal.SIGKILL)
        time.sleep(0.05)
        remaining = _reap(find_descendants(os.getpid(), excluded))
    return killed


def _reap(processes: list[Process]) -> list[Process]:
    """Collect the exit codes of our own dead children; the processes that still live."""
    alive = []
    for process in processes:
        with contextlib.suppress(ChildProcessError):
            if process.parent == os.getpid() and os.waitpid(process.pid, os.WNOHANG)[0]:
                continue
        alive.append(process)
    return alive


def _signal_each(processes: Iterable[Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, number)


@contextlib.contextmanager
def ended_afterwards(excluded: Callable[[], Iterable[int]] = tuple) -> Iterator[None]:
    """Whatever happens inside, nothing that was started there lives on."""
    try:
        yield
    finally:
        end_descendants(excluded())
