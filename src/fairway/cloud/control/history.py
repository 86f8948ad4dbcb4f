"""What the journal can say about earlier moments: marks of time, and files kept for them.

A batch says nothing of when it was written, so that writing one costs no more. Ten
times a second a mark follows what was written since the last; a moment is known to a
tenth of a second. Files that a newer base replaces stay while there is room.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from fairway.cloud.control.journal_format import (
    BATCH,
    Content,
    NewerFormat,
    list_files,
    read_into,
)

ROOM = 64_000_000
"""Bytes of files that are kept for earlier moments alone."""

Milliseconds = int
Rows = dict[bytes, bytes]

_MARK = b"clock\t0\tat\t"
_MARKED = re.compile(rb"^clock\t0\tat\t(\d+)$", re.MULTILINE)


class Unreadable(Exception):
    """A file that a moment needs is damaged. args[0]: its name."""


def encode_mark(at: float) -> bytes:
    """The record that marks a moment, in seconds."""
    return _MARK + b"%d" % int(at * 1000)


class Clock:
    """Writes the marks. append: writes records to the journal, or raises OSError."""

    def __init__(
        self, append: Callable[[list[bytes]], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._append = append
        self._clock = clock

    def tick(self, changed: bool) -> None:
        """What was written since the last call was written before now."""
        if changed:
            try:
                self._append([encode_mark(self._clock())])
            except OSError:
                return  # the next mark stands for this one too


class History:
    """The moments that the files of a journal can tell of."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find_earliest(self) -> Milliseconds | None:
        """The first moment that can be told; None before there is any."""
        return next((at for _, at in self._list_starts()), None)

    def read_group(self, name: tuple[bytes, bytes], at: Milliseconds) -> Rows | None:
        """What a group of records held at a moment; None where that cannot be told.

        name: store and group. What was written in the tenth of a second before is
        perhaps left out. Raises Unreadable where a start would find damage.
        """
        starts = [start for start, begin in self._list_starts() if begin <= at]
        return self._replay(starts[-1], b"\t".join(name), at) if starts else None

    def _replay(self, start: int, prefix: bytes, at: Milliseconds) -> Rows:
        # One pattern over whole files takes half the time of a look at each batch.
        record = re.compile(
            rb"^(?:clock\t0\tat\t(\d+)|%s(?:\t([^\t\n]*)(?:\t([^\n]*))?)?)$" % re.escape(prefix),
            re.MULTILINE,
        )
        rows: Rows = {}
        base = list_files(self._directory, "base").get(start)
        if base is not None:
            data, is_whole = _read_sound(base, is_last=False)
            _apply(rows, [found for found in record.finditer(data) if not found[1]])
            if not is_whole:
                raise Unreadable(base.name)
        logs = list_files(self._directory, "log")
        pending: list[re.Match[bytes]] = []
        for number in sorted(number for number in logs if number > start):
            data, is_whole = _read_sound(logs[number], is_last=number == max(logs))
            for found in record.finditer(data):
                if not found[1]:
                    pending.append(found)
                elif int(found[1]) > at:
                    return rows
                else:
                    _apply(rows, pending)
                    pending = []
            if not is_whole:
                raise Unreadable(logs[number].name)
        return rows

    def _list_starts(self) -> Iterator[tuple[int, Milliseconds]]:
        """Numbers from which every change until now is there, with the moment of each."""
        logs = list_files(self._directory, "log")
        lowest = max(logs, default=0)
        while lowest - 1 in logs:
            lowest -= 1
        bases = list_files(self._directory, "base")
        first = {0: None} if lowest == 1 else {}
        for number, base in {**first, **dict(sorted(bases.items()))}.items():
            # A base of a Fairway that wrote no marks is told from the first mark after it.
            later = [base, *(logs[n] for n in sorted(logs) if n > number)]
            begins = (_find_mark(path) for path in later if path)
            begin = next((at for at in begins if at is not None), None)
            if number >= lowest - 1 and begin is not None:
                yield number, begin


def _find_mark(path: Path) -> Milliseconds | None:
    """The first sound mark of a file; that of a base is its moment."""
    data = path.read_bytes()
    sound = (found for found in _MARKED.finditer(data) if _is_sound(data, found.start()))
    return next((int(found[1]) for found in sound), None)


def _is_sound(data: bytes, place: int) -> bool:
    """Whether the batch around a place is as it was written."""
    batch = BATCH.match(data, data.rfind(b"\nJ ", 0, place) + 1)
    if batch is None:
        return False
    payload = data[batch.end() : batch.end() + int(batch[2])]
    return zlib.crc32(payload) == int(batch[1], 16)


class _Sound(Content):
    """The batches of a file before the first damage."""

    def __init__(self) -> None:
        super().__init__()
        self.payloads: list[bytes] = []

    def apply(self, payload: bytes) -> None:
        if not self.damage:
            self.payloads.append(payload)


def _read_sound(path: Path, is_last: bool) -> tuple[bytes, bool]:
    """A file's records as far as they are sound, and whether that is all of it."""
    content = _Sound()
    try:
        read_into(content, path, is_last)
    except NewerFormat:  # no start would have come this far
        return b"", False
    return b"".join(content.payloads), not content.damage


def _apply(rows: Rows, records: list[re.Match[bytes]]) -> None:
    """Carry out records of one group, as the journal's format says."""
    for found in records:
        key, value = found[2], found[3]
        if value is not None:
            rows[key] = value
        elif key is not None:
            rows.pop(key, None)
        else:
            rows.clear()


def list_surplus(directory: Path, number: int, room: int = ROOM) -> list[Path]:
    """The files before base `number` that need not be kept: all but the newest that have room.

    A base is kept with the segments after it, or neither of them.
    """
    bases = {n: p for n, p in list_files(directory, "base").items() if n < number}
    logs = {n: p for n, p in list_files(directory, "log").items() if n <= number}
    surplus: list[Path] = []
    for start in sorted({0, *bases}, reverse=True):
        later = min((n for n in (*bases, number) if n > start), default=number)
        files = [path for n, path in logs.items() if start < n <= later]
        files += [bases[start]] if start in bases else []
        room -= sum(path.stat().st_size for path in files)
        if room < 0:
            surplus += files
    return surplus
