"""Buffered logs and the snapshot seam."""

from __future__ import annotations

import asyncio
from typing import Any

from fairway.cloud.control.logs import LogBuffer
from fairway.cloud.control.state import State, StateKeeper, is_empty


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


class FakeStore:
    """Snapshots in memory."""

    def __init__(self) -> None:
        self.saved: dict[str, State] = {}
        self.saves = 0

    def names(self) -> list[str]:
        return list(self.saved)

    def save(self, service: str, state: State) -> None:
        self.saves += 1
        self.saved[service] = state

    def load(self, service: str) -> State | None:
        return self.saved.get(service)


def test_empty_services_are_not_written_until_they_had_something() -> None:
    store = FakeStore()
    states: dict[str, Any] = {"a": {"rows": {}}, "b": {"rows": {"x": "y"}}, "c": None}

    async def save() -> None:
        keeper = StateKeeper(store, lambda: {k: (lambda k=k: states[k]) for k in states})
        await keeper.save_all()
        assert set(store.saved) == {"b"}
        states["b"] = {"rows": {}}
        await keeper.close()

    asyncio.run(save())
    assert store.saved == {"b": {"rows": {}}}


def test_requests_for_a_snapshot_are_gathered() -> None:
    store = FakeStore()

    async def save() -> None:
        keeper = StateKeeper(store, lambda: {"a": lambda: {"x": "y"}})
        for _ in range(20):
            keeper.request_save()
        async with asyncio.timeout(5):
            while not store.saved:
                await asyncio.sleep(0.01)

    asyncio.run(save())
    assert store.saves == 1


def test_emptiness() -> None:
    assert is_empty({"a": [], "b": {}, "n": 0, "none": None})
    assert not is_empty({"a": {"b": ["x"]}})
    assert not is_empty({"a": "text"})
