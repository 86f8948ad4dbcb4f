"""When the supervisor starts again, waits, and gives up. Children are real forks."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from fairway.cloud.supervisor import GIVE_UP_AFTER, LONGEST_DELAY, UNABLE, Supervisor, next_delay


def test_delays_grow_and_end() -> None:
    delays = [next_delay(n) for n in range(1, GIVE_UP_AFTER + 1)]
    assert delays[-1] is None
    grown = [d for d in delays if d is not None]
    assert grown == sorted(grown)
    assert grown[-1] <= LONGEST_DELAY


@pytest.fixture(autouse=True)
def _keep_signals() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(n) for n in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def supervise(child: Callable[[int], int]) -> tuple[int, list[float], list[str]]:
    slept: list[float] = []
    said: list[str] = []
    code = Supervisor(child, said.append, clock=lambda: 0.0, sleep=slept.append).run()
    return code, slept, said


def test_a_good_end_ends_all() -> None:
    assert supervise(lambda restarts: 0) == (0, [], [])


def test_a_child_that_cannot_start_is_not_started_again() -> None:
    assert supervise(lambda restarts: UNABLE) == (UNABLE, [], [])


def test_a_killed_child_is_started_again() -> None:
    def child(restarts: int) -> int:
        if restarts < 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    code, slept, said = supervise(child)
    assert code == 0
    assert len(slept) == 2
    assert "exit -9" in said[0]


def test_it_gives_up_with_a_word() -> None:
    code, slept, said = supervise(lambda restarts: 7)
    assert code == 1
    assert len(slept) == GIVE_UP_AFTER - 1
    assert "giving up (exit 7)" in said[-1]
