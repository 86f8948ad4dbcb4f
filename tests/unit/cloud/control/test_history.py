"""Earlier moments, told by the journal as far as its files reach back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from fairway.cloud.control.durable.records import clear, put, remove
from fairway.cloud.control.history import Clock, History, Unreadable, list_surplus
from fairway.cloud.control.journal import Journal
from fairway.cloud.control.state import StateKeeper

NAME = (b"dynamodb.items", b'"arn:a"')
OTHER = (b"dynamodb.items", b'"arn:ab"')


class Past:
    """A journal that is written at moments which the test says, in seconds."""

    def __init__(self, folder: Path, room: int = 1_000_000) -> None:
        self.folder, self.room, self.now = folder, room, 0.0
        self.open()

    def open(self) -> None:
        self.journal = Journal(self.folder, room=self.room)
        self.journal.open()
        self.history = History(self.folder / "journal")
        self._clock = Clock(self.append, lambda: self.now)

    def append(self, lines: list[bytes]) -> None:
        self.journal.append(b"\n".join(lines) + b"\n")

    def write(self, at: float, *lines: bytes) -> None:
        """Write at a moment, and mark it."""
        self.now = at
        self.append(list(lines))
        self._clock.tick(True)

    def put(self, at: float, key: str, value: str, name: tuple[bytes, bytes] = NAME) -> None:
        self.write(at, put(*name, key.encode(), value.encode()))

    def merge(self) -> None:
        async def run() -> None:
            await self.journal.compact()

        asyncio.run(run())

    def read(self, at: float) -> dict[bytes, bytes] | None:
        return self.history.read_group(NAME, int(at * 1000))


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


def test_a_group_is_told_as_it_was(past: Past) -> None:
    past.put(10, "a", "1")
    past.put(20, "b", "1", OTHER)
    past.put(30, "a", "2")
    past.write(40, remove(*NAME, b"a"), put(*NAME, b"c", b"1"))
    past.write(50, clear(*NAME), put(*NAME, b"d", b"1"))
    assert past.history.find_earliest() == 10_000
    assert past.read(9) is None
    assert past.read(10) == {b"a": b"1"}
    assert past.read(29.9) == {b"a": b"1"}
    assert past.read(30) == {b"a": b"2"}
    assert past.read(45) == {b"c": b"1"}
    assert past.read(99) == {b"d": b"1"}


def test_no_mark_is_written_where_nothing_changed(past: Past) -> None:
    past.put(10, "a", "1")
    size = sum(path.stat().st_size for path in (past.folder / "journal").iterdir())
    past._clock.tick(False)
    assert sum(path.stat().st_size for path in (past.folder / "journal").iterdir()) == size


def test_restarts_and_merges_change_no_moment(past: Past) -> None:
    past.put(10, "a", "1")
    past.put(20, "a", "2")
    past.merge()
    past.put(30, "a", "3")
    past.open()
    past.put(40, "a", "4")
    past.merge()
    past.put(50, "a", "5")
    told = {at: (past.read(at) or {}).get(b"a") for at in (10, 20, 30, 40, 50)}
    assert told == {10: b"1", 20: b"2", 30: b"3", 40: b"4", 50: b"5"}


def test_without_room_a_merge_ends_the_past(tmp_path: Path) -> None:
    past = Past(tmp_path, room=0)
    past.put(10, "a", "1")
    past.put(20, "a", "2")
    past.merge()
    past.put(30, "a", "3")
    assert past.history.find_earliest() == 20_000
    assert past.read(10) is None
    assert (past.read(25), past.read(30)) == ({b"a": b"2"}, {b"a": b"3"})


def test_the_newest_generations_stay_while_there_is_room(past: Past) -> None:
    for turn in range(4):
        past.put(10 + turn, "a", "x" * 1000)
        past.merge()
    newest = max(int(path.stem) for path in (past.folder / "journal").glob("*.base"))
    gone = list_surplus(past.folder / "journal", newest, 3500)
    assert sorted(path.name for path in gone) == [
        "00000001.base",
        "00000001.log",
        "00000002.base",
        "00000002.log",
        "00000003.log",
    ]
    assert list_surplus(past.folder / "journal", newest, 100_000) == []


def test_a_lost_file_ends_the_past(past: Past) -> None:
    past.put(10, "a", "1")
    past.merge()
    past.put(20, "a", "2")
    past.merge()
    past.put(30, "a", "3")
    journal = past.folder / "journal"
    assert past.read(15) == {b"a": b"1"}
    (journal / "00000002.log").unlink()
    assert past.history.find_earliest() == 20_000
    assert past.read(15) is None
    assert past.read(25) == {b"a": b"2"}


def test_a_state_of_before_is_told_from_its_first_mark(past: Past) -> None:
    past.append([put(*NAME, b"a", b"1")])
    past.merge()
    assert past.history.find_earliest() is None
    past.put(20, "b", "1")
    assert past.history.find_earliest() == 20_000
    assert past.read(10) is None
    assert past.read(20) == {b"a": b"1", b"b": b"1"}


def flip(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def test_a_damaged_batch_is_never_told(past: Past) -> None:
    past.put(10, "a", "first")
    past.put(15, "b", "1", OTHER)
    past.put(20, "a", "second")
    past.put(30, "a", "third")
    segment = past.folder / "journal" / "00000001.log"
    flip(segment, b"second", b"sexond")
    assert past.read(10) == {b"a": b"first"}
    for at in (20, 30):
        with pytest.raises(Unreadable, match=r"00000001\.log"):
            past.read(at)
    assert past.history.find_earliest() == 10_000


def test_a_damaged_base_is_never_told(past: Past) -> None:
    past.put(10, "a", "first")
    past.merge()
    past.put(20, "b", "second")
    base = past.folder / "journal" / "00000001.base"
    (past.folder / "journal" / "00000001.log").unlink()
    assert past.read(20) == {b"a": b"first", b"b": b"second"}
    flip(base, b"\tfirst", b"\tfiest")
    # Its mark is in the same batch, so the past begins with the segment after it.
    assert past.history.find_earliest() == 20_000
    with pytest.raises(Unreadable, match=r"00000001\.base"):
        past.read(20)


def test_a_damaged_mark_is_no_moment(past: Past) -> None:
    past.put(10, "a", "1")
    past.put(20, "a", "2")
    flip(past.folder / "journal" / "00000001.log", b"at\t10000", b"at\t00000")
    assert past.history.find_earliest() == 20_000


def test_half_a_batch_at_the_end_is_no_damage(past: Past) -> None:
    past.put(10, "a", "1")
    with (past.folder / "journal" / "00000001.log").open("ab") as file:
        file.write(b"J 00000000 99\nhalf")
    assert past.read(10) == {b"a": b"1"}


def test_what_came_after_the_last_mark_is_told_from_when_it_was_written(past: Past) -> None:
    past.put(10, "a", "1")
    past.append([put(*NAME, b"a", b"2")])  # and then a kill
    os.utime(past.folder / "journal" / "00000001.log", (11, 11))
    past.now = 50
    journal = Journal(past.folder)
    journal.open(lambda: 50)
    asyncio.run(journal.close())
    assert [(past.read(at) or {}).get(b"a") for at in (10, 12, 40)] == [b"1", b"2", b"2"]


def test_a_file_of_the_future_was_written_by_now(past: Past) -> None:
    past.append([put(*NAME, b"a", b"1")])
    os.utime(past.folder / "journal" / "00000001.log", (99, 99))
    Journal(past.folder).open(lambda: 50)
    assert past.history.find_earliest() == 50_000


def test_no_room_for_that_mark_fails_no_start(tmp_path: Path) -> None:
    past = Past(tmp_path)
    past.put(10, "a", "1")

    def write(descriptor: int, data: bytes) -> int:
        if data.startswith(b"J "):
            raise OSError(28, "No space left on device")
        return os.write(descriptor, data)

    opened = Journal(tmp_path, write).open()
    assert opened.groups[NAME] == {b"a": b"1"}


def test_a_stop_marks_what_was_written_before_it(tmp_path: Path) -> None:
    async def run() -> None:
        keeper = StateKeeper(
            Journal(tmp_path), lambda text: None, tick=lambda changed: clock.tick(changed)
        )
        clock = Clock(keeper.append, lambda: 20.0)
        keeper.open()
        services: Any = OneRow()
        keeper.attach(services)
        await keeper.close()

    asyncio.run(run())
    assert History(tmp_path / "journal").read_group(NAME, 20_000) == {b"a": b"1"}


class OneRow:
    """Services of which one has a row that is not written yet."""

    has_news = True

    def collect(self, lines: list[bytes], touched: Iterable[str]) -> None:
        lines.append(put(*NAME, b"a", b"1"))

    def list_due(self, everything: bool) -> list[str]:
        return []
