"""Buffered logs."""

from __future__ import annotations

import asyncio

from fairway.cloud.control.logs import LogBuffer


class FakeLogs:
    """Keeps lines; counts appends."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], list[tuple[int, str]]] = {}
        self.appends = 0
        self.expiries: list[int] = []

    def append(self, group: str, stream: str, lines: list[tuple[int, str]]) -> None:
        self.appends += 1
        self.kept.setdefault((group, stream), []).extend(lines)

    def expire(self, now_ms: int) -> None:
        self.expiries.append(now_ms)


def test_lines_are_stored_in_batches_and_in_order() -> None:
    logs = FakeLogs()

    async def write() -> None:
        buffer = LogBuffer(logs, lambda: 1_000_000)
        for number in range(100):
            buffer.write("g", "s", [(number, f"line {number}")])
        buffer.write("g", "other", [(1, "x")])
        assert logs.appends == 0
        buffer.flush()
        buffer.flush()

    asyncio.run(write())
    assert logs.appends == 2
    assert [at for at, _ in logs.kept[("g", "s")]] == list(range(100))
    assert logs.expiries == [1_000_000]


def test_lines_are_stored_without_a_reader() -> None:
    logs = FakeLogs()

    async def write() -> None:
        LogBuffer(logs, lambda: 0).write("g", "s", [(1, "x")])
        async with asyncio.timeout(5):
            while not logs.kept:
                await asyncio.sleep(0.01)

    asyncio.run(write())
    assert logs.kept == {("g", "s"): [(1, "x")]}
