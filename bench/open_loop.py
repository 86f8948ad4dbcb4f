"""Load in an open loop: requests are due at their times, whatever became of the earlier ones.

A request's time counts from when it was due, so that a stall is not hidden: what it holds up is
late. Each user has a connection of its own, kept alive, and sends one request after the other on
it: the next one waits for the answer, and its time runs meanwhile.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PATIENCE = 30.0
"""Seconds from when it was due until a request counts as unanswered."""

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: (\d+)")

Choose = Callable[[int], tuple[str, str]]
"""The number of a request to its method and path."""


@dataclass
class Account:
    """What came back. took: seconds of each answered request; outcomes: of the others too."""

    took: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)

    def describe(self) -> dict[str, Any]:
        """Counts, and percentiles in milliseconds."""
        ordered = sorted(self.took) or [float("nan")]
        points = {
            f"p{p}_ms": round(ordered[max(0, -(-len(ordered) * p // 100) - 1)] * 1000, 1)
            for p in (50, 95, 99)
        }
        errors = {name: count for name, count in self.outcomes.items() if name != "200"}
        return {
            "requests": sum(self.outcomes.values()),
            "errors": sum(errors.values()),
            "errors_by_kind": errors,
            **points,
            "max_ms": round(ordered[-1] * 1000, 1),
        }


class User:
    """One connection, opened at the first request and again after a failure."""

    def __init__(self, host: str, port: int, account: Account) -> None:
        self._host, self._port = host, port
        self._account = account
        self._turn = asyncio.Lock()
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, due: float) -> None:
        """Send one request after those before it, and account for it."""
        try:
            async with asyncio.timeout(due + PATIENCE - time.perf_counter()), self._turn:
                outcome = await self._exchange(method, path)
        except TimeoutError:
            outcome = "unanswered"
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            outcome = type(error).__name__
        if outcome.isdigit():
            self._account.took.append(time.perf_counter() - due)
        else:
            self.close()
        self._account.outcomes[outcome] += 1

    async def _exchange(self, method: str, path: str) -> str:
        if self._pair is None:
            self._pair = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._pair
        request = f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
        writer.write(f"{request}Content-Length: 0\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        await reader.readexactly(int(length[1]) if length else 0)
        if b"\r\nconnection: close" in head.lower():
            self.close()
        return head.split(b" ", 2)[1].decode()

    def close(self) -> None:
        """Drop the connection."""
        if self._pair is not None:
            self._pair[1].close()
            self._pair = None


async def run_open_loop(
    url: str, *, users: int, rate: float, seconds: float, choose: Choose, account: Account
) -> None:
    """Send `rate` requests a second in sum, the users in turn; returns when all are accounted."""
    host, port = url.removeprefix("http://").split(":")
    everybody = [User(host, int(port), account) for _ in range(users)]
    began = time.perf_counter()
    under_way: set[asyncio.Task[None]] = set()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        task = asyncio.create_task(everybody[number % users].send(*choose(number), due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    for user in everybody:
        user.close()


def mix_reads_and_writes(number: int) -> tuple[str, str]:
    """Every other request writes a row. Blocks of users take turns, so that each user does both."""
    return ("POST", "/app") if (number // 1000 + number) % 2 else ("GET", "/")
