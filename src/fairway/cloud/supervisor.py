"""Keeps the cloud alive: forks it, waits, and starts it again when it dies.

The supervisor imports nothing heavy, so the tree costs little more than the
cloud itself, and it starts its child by a plain fork.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0
GIVE_UP_AFTER = 5
"""Deaths in a row, each within a minute of its start."""

STABLE = 60.0
TAKEN = 4
"""Exit code when another tree has the directory."""

UNABLE = 5
"""Exit code of a child that could not start and said why: starting it again is no use."""


_ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


def next_delay(deaths: int) -> float | None:
    """Seconds before the next start after so many quick deaths; None to give up."""
    if deaths >= GIVE_UP_AFTER:
        return None
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (deaths - 1))


class Supervisor:
    """Runs `child` in forked processes until it ends well or is told to stop.

    child(restarts) runs in the child process and returns its exit code.
    """

    def __init__(
        self,
        child: Callable[[int], int],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._child = child
        self._say = say
        self._clock = clock
        self._sleep = sleep
        self._pid = 0
        self._stopping = False

    def run(self) -> int:
        """Supervise; returns the exit code of the whole."""
        for number in _ENDING:
            signal.signal(number, self._forward)
        deaths = restarts = 0
        while True:
            began = self._clock()
            code = self._run_child(restarts)
            if self._stopping or code in (0, UNABLE):
                return 0 if self._stopping else code
            deaths = 1 if self._clock() - began > STABLE else deaths + 1
            delay = next_delay(deaths)
            if delay is None:
                self._say(f"the cloud died {deaths} times in a row; giving up (exit {code})")
                return 1
            self._say(f"the cloud died (exit {code}); starting it again in {delay:g} s")
            self._sleep(delay)
            if self._is_stopping():  # the signal handler may have run meanwhile
                return 0
            restarts += 1

    def _run_child(self, restarts: int) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        # Held back until both know who they are: a child that still had our handlers would take
        # the signal that we hand on to it, and live on.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        self._pid = os.fork()
        if self._pid == 0:
            for number in _ENDING:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
            try:
                code = self._child(restarts)
            except SystemExit as error:
                code = error.code if isinstance(error.code, int) else 1
            except BaseException as error:
                self._say(f"the cloud failed: {error!r}")
                sys.excepthook(type(error), error, error.__traceback__)
                code = 1
            os._exit(code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        if self._stopping:  # the signal came between the loop's check and the fork
            os.kill(self._pid, signal.SIGTERM)
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(status)

    def _is_stopping(self) -> bool:
        return self._stopping

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        if self._pid:
            os.kill(self._pid, signal.SIGTERM)
