"""Threads that are run at once by whoever starts them."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fairway.cloud.control.inline_delivery import InlineThreads


def deliver(said: list[int]) -> None:
    said.append(threading.get_ident())


def fail() -> None:
    raise ValueError("no such receiver")


def test_only_what_is_chosen_runs_at_once() -> None:
    said: list[int] = []
    threads = InlineThreads(threading, lambda target, args: bool(args))
    threads.Thread(target=deliver, args=(said,)).start()
    assert said == [threading.get_ident()]
    other: Any = threads.Thread(target=deliver, kwargs={"said": said}, daemon=True)
    other.start()
    other.join(10)
    assert len(said) == 2
    assert said[1] != said[0]
    assert threads.current_thread() is threading.current_thread()


def test_a_failure_stays_with_the_delivery(caplog: pytest.LogCaptureFixture) -> None:
    InlineThreads(threading, lambda target, args: True).Thread(target=fail).start()
    assert "no such receiver" in caplog.text
