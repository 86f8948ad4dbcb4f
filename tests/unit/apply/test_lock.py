"""The lock: one holder, told to the others; dead ones are recognised."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.apply.fakes import BEGAN, make_store

from fairway.apply.lock import (
    Holder,
    LockHeld,
    break_lock,
    find_holder,
    is_alive,
    read_lock,
    release_lock,
    take_lock,
)

ANN = Holder("ann@desk", "desk", "boot-1", 7, "100")
BOB = Holder("bob@ci", "ci", "boot-2", 8, "200")


def test_the_second_is_told_who_since_when_and_how_to_break_it() -> None:
    store, _ = make_store()
    held, dead = take_lock(store, "shop", "prod", "apply", ANN, BEGAN)
    assert dead is None
    later = BEGAN + timedelta(minutes=12)
    with pytest.raises(LockHeld) as refused:
        take_lock(store, "shop", "prod", "apply", BOB, later, alive=lambda holder: True)
    text = refused.value.summary
    assert "ann@desk is changing shop in prod" in text
    assert "process 7 on desk" in text
    assert "2026-11-21T10:00:00+00:00 (12 min ago)" in text
    assert f"fairway unlock -e prod --break {held.lock.id}" in (refused.value.hint or "")
    take_lock(store, "shop", "poc", "apply", BOB, later)
    release_lock(store, held)
    assert read_lock(store, "shop", "prod") is None
    take_lock(store, "shop", "prod", "apply", BOB, later)


def test_a_dead_holders_lock_is_taken_over() -> None:
    store, _ = make_store()
    take_lock(store, "shop", "prod", "apply", ANN, BEGAN)
    held, dead = take_lock(store, "shop", "prod", "destroy", BOB, BEGAN, alive=lambda h: h == BOB)
    assert dead
    assert dead.holder == ANN
    assert read_lock(store, "shop", "prod") == held


def test_of_two_that_take_over_one_wins() -> None:
    store, s3 = make_store()
    take_lock(store, "shop", "prod", "apply", ANN, BEGAN)

    def get_in_between(key: str) -> None:
        s3.on_put = lambda key: None
        take_lock(store, "shop", "prod", "apply", BOB, BEGAN, alive=lambda h: h != ANN)

    def arm(key: str) -> None:
        s3.on_put = get_in_between  # the first write is refused; the second takes over

    s3.on_put = arm
    third = replace(BOB, pid=9)
    with pytest.raises(LockHeld, match="process 8"):
        take_lock(store, "shop", "prod", "apply", third, BEGAN, alive=lambda h: h != ANN)


def test_a_lost_answer_does_not_lock_oneself_out() -> None:
    store, s3 = make_store()
    s3.lost_answers = 1
    held, _ = take_lock(store, "shop", "prod", "apply", ANN, BEGAN)
    assert read_lock(store, "shop", "prod") == held


def test_breaking_needs_the_right_id() -> None:
    store, _ = make_store()
    held, _ = take_lock(store, "shop", "prod", "apply", ANN, BEGAN)
    with pytest.raises(LockHeld, match=f"is {held.lock.id}, not 0000"):
        break_lock(store, "shop", "prod", "0000")
    assert break_lock(store, "shop", "prod", held.lock.id) == held.lock
    assert break_lock(store, "shop", "prod", held.lock.id) is None


def test_giving_back_a_broken_lock_leaves_the_next_holders() -> None:
    store, _ = make_store()
    mine, _ = take_lock(store, "shop", "prod", "apply", ANN, BEGAN)
    break_lock(store, "shop", "prod", mine.lock.id)
    other, _ = take_lock(store, "shop", "prod", "apply", BOB, BEGAN)
    release_lock(store, mine)
    assert read_lock(store, "shop", "prod") == other


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody is said to be dead")
def test_who_is_alive() -> None:
    mine = find_holder("me")
    assert mine.pid == os.getpid()
    assert is_alive(mine)
    assert is_alive(replace(mine, machine="another boot", pid=1))
    assert not is_alive(replace(mine, process="1"))  # the pid is another process's by now
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        start = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
        holder = replace(mine, pid=child.pid, process=start)
        assert is_alive(holder)
        child.send_signal(signal.SIGKILL)
        # Even before its parent has taken notice of it.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(holder)
    finally:
        child.kill()
        child.communicate()
