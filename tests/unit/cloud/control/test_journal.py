"""The journal on disk: what survives which accident, and what is said about it."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fairway.cloud.control.journal import Journal, Opened, StateUnusable
from fairway.cloud.control.journal_format import FORMAT, Groups, choose_files

Rows = dict[bytes, bytes]


def put(key: str, value: str, group: str = "g") -> bytes:
    return f"s\t{group}\t{key}\t{value}".encode()


def rows_of(groups: Groups, group: bytes = b"g") -> Rows:
    return groups.get((b"s", group), {})


def open_journal(
    state: Path, write: Callable[[int, bytes], int] = os.write
) -> tuple[Journal, Opened]:
    journal = Journal(state, write)
    return journal, journal.open(lambda: 0.0)


def close(journal: Journal) -> None:
    asyncio.run(journal.close())


def reopen(state: Path) -> Opened:
    journal, opened = open_journal(state)
    close(journal)
    return opened


def last_log(state: Path) -> Path:
    """The newest segment that has batches in it."""
    return next(p for p in reversed(choose_files(state / "journal")) if b"\nJ " in p.read_bytes())


def write_batches(state: Path, *batches: list[bytes]) -> None:
    journal, _ = open_journal(state)
    for lines in batches:
        journal.append(b"\n".join(lines) + b"\n")
    close(journal)


def test_what_was_appended_is_there(tmp_path: Path) -> None:
    write_batches(
        tmp_path,
        [put("a", "1"), put("b", "2"), put("x", "9", "other")],
        [put("a", "3"), b"s\tg\tb", b"s\tg\tnever"],
        [b"s\tother"],
    )
    opened = reopen(tmp_path)
    assert rows_of(opened.groups) == {b"a": b"3"}
    assert rows_of(opened.groups, b"other") == {}
    assert opened.damage == []


def test_a_half_written_end_is_as_if_never_begun(tmp_path: Path) -> None:
    write_batches(tmp_path / "whole", [put("a", "1")], [put("a", "2"), put("b", "2")])
    whole = last_log(tmp_path / "whole").read_bytes()
    begin = whole.rindex(b"J ")
    for end in range(begin, len(whole)):
        state = tmp_path / f"cut{end}"
        shutil.copytree(tmp_path / "whole", state)
        for extra in choose_files(state / "journal")[1:]:
            extra.unlink()
        choose_files(state / "journal")[0].write_bytes(whole[:end])
        opened = reopen(state)
        assert rows_of(opened.groups) == {b"a": b"1"}, end
        assert opened.damage == []
        write_batches(state, [put("c", "3")])
        assert rows_of(reopen(state).groups) == {b"a": b"1", b"c": b"3"}, end


def test_a_corrupt_spot_costs_only_itself_and_is_told(tmp_path: Path) -> None:
    write_batches(tmp_path, [put("a", "1")], [put("b", "secret")], [put("c", "3")])
    log = last_log(tmp_path)
    damaged = log.read_bytes().replace(b"secret", b"sXcret")
    log.write_bytes(damaged)
    opened = reopen(tmp_path)
    assert rows_of(opened.groups) == {b"a": b"1", b"c": b"3"}
    (sentence,) = opened.damage
    kept = tmp_path / "damaged" / "19700101-000000" / log.name
    assert str(kept) in sentence
    assert "lost" in sentence
    assert kept.read_bytes() == damaged
    again = reopen(tmp_path)
    assert again.damage == []
    assert rows_of(again.groups) == {b"a": b"1", b"c": b"3"}


def test_a_corrupt_head_loses_the_file_but_not_the_others(tmp_path: Path) -> None:
    write_batches(tmp_path, [put("a", "1")])
    first = last_log(tmp_path)
    write_batches(tmp_path, [put("b", "2")])
    first.write_bytes(b"rubbish\n" + first.read_bytes())
    opened = reopen(tmp_path)
    assert rows_of(opened.groups) == {b"b": b"2"}
    assert len(opened.damage) == 1


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    write_batches(tmp_path, [put("a", "1")])
    gone = last_log(tmp_path)
    write_batches(tmp_path, [put("b", "2")])
    gone.unlink()
    opened = reopen(tmp_path)
    assert rows_of(opened.groups) == {b"b": b"2"}
    assert gone.name in opened.damage[0]


@pytest.mark.parametrize("where", ["format", "segment"])
def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path, where: str) -> None:
    write_batches(tmp_path, [put("a", "1")])
    if where == "format":
        (tmp_path / "format").write_text(json.dumps({"format": FORMAT + 1}))
    else:
        log = last_log(tmp_path)
        log.write_bytes(log.read_bytes().replace(b"FAIRWAY 2", b"FAIRWAY 3", 1))
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(StateUnusable, match="newer Fairway"):
        reopen(tmp_path)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_state_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file where a directory belongs")
    with pytest.raises(StateUnusable, match="cannot be used"):
        reopen(tmp_path)


def test_a_read_only_state_is_refused_with_a_way_out(tmp_path: Path) -> None:
    state = tmp_path / "state"
    write_batches(state, [put("a", "1")])
    user = os.geteuid()
    for directory in (*tmp_path.parents[:2], tmp_path, state, state / "journal"):
        directory.chmod(0o555)
    for file in state.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    try:
        if user == 0:
            os.seteuid(65534)  # root may write everywhere
        with pytest.raises(StateUnusable, match=r"Permission denied.*Make the directory writable"):
            Journal(state).open()
    finally:
        os.seteuid(user)
        for directory in (*tmp_path.parents[:2], tmp_path, state, state / "journal"):
            directory.chmod(0o755)
        for file in state.rglob("*.log"):
            file.chmod(0o644)
    assert rows_of(reopen(state).groups) == {b"a": b"1"}


class FullDisk:
    """Takes so many bytes more, and then no more until told."""

    def __init__(self) -> None:
        self.room: int | None = None

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room is None:
            return os.write(descriptor, data)
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = os.write(descriptor, data[: self.room])
        self.room -= written
        return written


@pytest.mark.parametrize("room", [0, 1, 20])
def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path, room: int) -> None:
    disk = FullDisk()
    journal, _ = open_journal(tmp_path, disk.write)
    journal.append(put("a", "1") + b"\n")
    disk.room = room
    with pytest.raises(OSError, match="No space left"):
        journal.append(put("b", "x" * 100) + b"\n")
    disk.room = None
    journal.append(put("c", "3") + b"\n")
    close(journal)
    opened = reopen(tmp_path)
    assert rows_of(opened.groups) == {b"a": b"1", b"c": b"3"}
    assert opened.damage == []


def test_merging_keeps_everything_and_removes_what_it_replaced(tmp_path: Path) -> None:
    async def work() -> None:
        journal, _ = open_journal(tmp_path)
        for number in range(2500):
            journal.append(put(f"k{number}", str(number)) + b"\n")
        journal.append(b"s\tg\tk7\n")
        merging = journal.compact()
        journal.append(put("k8", "later") + b"\n")
        await merging
        await journal.close()

    asyncio.run(work())
    base, *logs = choose_files(tmp_path / "journal")
    assert base.suffix == ".base"
    assert [log.stem for log in logs] == [f"{int(base.stem) + 1:08d}"]
    opened = reopen(tmp_path)
    expected = {f"k{n}".encode(): str(n).encode() for n in range(2500) if n != 7}
    assert rows_of(opened.groups) == expected | {b"k8": b"later"}
    assert opened.damage == []


def test_merging_leaves_damaged_files_alone(tmp_path: Path) -> None:
    async def work() -> None:
        journal, _ = open_journal(tmp_path)
        journal.append(put("a", "1") + b"\n")
        journal.append(put("b", "2") + b"\n")
        log = last_log(tmp_path)
        log.write_bytes(log.read_bytes().replace(b"\t1\n", b"\t7\n"))
        await journal.compact()
        await journal.close()

    asyncio.run(work())
    opened = reopen(tmp_path)
    assert rows_of(opened.groups) == {b"b": b"2"}
    assert len(opened.damage) == 1


def test_segments_of_many_starts_become_due(tmp_path: Path) -> None:
    async def work() -> None:
        for number in range(40):
            journal, _ = open_journal(tmp_path)
            journal.append(put(f"k{number}", "1") + b"\n")
            if journal.is_due():
                await journal.compact()
            await journal.close()

    asyncio.run(work())
    assert len(choose_files(tmp_path / "journal")) < 40
    assert len(rows_of(reopen(tmp_path).groups)) == 40


def test_a_base_that_was_being_written_is_ignored(tmp_path: Path) -> None:
    write_batches(tmp_path, [put("a", "1")])
    left = tmp_path / "journal" / ".00000009.123"
    left.write_bytes(b"half a base")
    assert rows_of(reopen(tmp_path).groups) == {b"a": b"1"}
    assert not left.exists()
