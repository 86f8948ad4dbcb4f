"""The one seam through which time and randomness enter the edge."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


def make_hex_id(digits: int) -> str:
    """Return that many random hexadecimal digits; `digits` is even."""
    return secrets.token_hex(digits // 2)


def draw_below(limit: int) -> int:
    """Return a random integer in [0, limit); spreads load, so it need not be secret."""
    return random.randrange(limit)  # noqa: S311


@dataclass(frozen=True, slots=True)
class Stamps:
    """Where the handlers get the time, identifiers, chance and waiting from.

    now: epoch seconds. elapsed: monotonic seconds. hex_id: that many hexadecimal
    digits. draw: an integer in [0, limit). sleep: wait that many seconds.
    """

    now: Callable[[], float] = time.time
    elapsed: Callable[[], float] = time.perf_counter
    hex_id: Callable[[int], str] = make_hex_id
    draw: Callable[[int], int] = draw_below
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
