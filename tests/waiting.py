"""How tests wait: for a condition, with one deadline that is no bound on speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 90.0
"""Seconds until what does not come true fails a test, on however busy a machine."""


def wait_for(ask: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Ask until the answer is true; returns it. Fails with `what` when it never is."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return answer


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Ask until it holds; fails with `what` when it never does."""
    wait_for(holds, what)
