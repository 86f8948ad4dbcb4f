"""What the journal can say about earlier moments: marks of time, and files kept for them.

A batch says nothing of when it was written, so that writing one costs no more. Ten
times a second a mark follows what was written since the last; a moment is known to a
tenth of a second. Files that a newer base replaces stay while there is room.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fairway.cloud.control.journal_format import list_files

ROOM = 64_000_000
"""Bytes of files that are kept for earlier moments alone."""

Milliseconds = int
Rows = dict[bytes, bytes]

_MARK = b"clock\t0\tat\t"
_MARKED = re.compile(rb"^clock\t0\tat\t(\d+)$", re.MULTILINE)


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
                self._append([_MARK + b"%d" % int(self._clock() * 1000)])
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
        perhaps left out.
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
            _apply(rows, [found for found in record.finditer(base.read_bytes()) if not found[1]])
        logs = list_files(self._directory, "log")
        pending: list[re.Match[bytes]] = []
        for number in sorted(number for number in logs if number > start):
            for found in record.finditer(logs[number].read_bytes()):
                if not found[1]:
                    pending.append(found)
                elif int(found[1]) > at:
                    return rows
                else:
                    _apply(rows, pending)
                    pending = []
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
    """The first mark of a file; that of a base is its moment."""
    found = _MARKED.search(path.read_bytes())
    return int(found[1]) if found else None


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
