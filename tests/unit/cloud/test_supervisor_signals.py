"""A signal to the supervisor reaches the cloud wherever in its start the cloud is."""

from __future__ import annotations

import subprocess
import sys

# The child is late in telling its handlers from the supervisor's, as on a busy machine, and the
# supervisor is told to end just when it has forked.
SIGNAL_BETWEEN_FORK_AND_CHILD = """
import os, signal, sys, time
from fairway.cloud.supervisor import Supervisor

told = signal.Signals[sys.argv[1]]
os.register_at_fork(
    after_in_parent=lambda: os.kill(os.getpid(), told),
    after_in_child=lambda: time.sleep(0.3),
)

def live_on(restarts):
    signal.alarm(20)  # a cloud that missed the signal does not outlive the test
    while True:
        signal.pause()

sys.exit(Supervisor(live_on, print).run())
"""


def run(program: str, *arguments: str) -> int:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, timeout=15, check=False).returncode


def test_a_signal_just_after_the_fork_is_not_lost() -> None:
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        assert run(SIGNAL_BETWEEN_FORK_AND_CHILD, name) == 0, name
