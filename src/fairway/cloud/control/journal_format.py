"""The journal's file format, and the merge that makes a base of many segments.

A file is a head line and batches. A batch is what one request changed: a line
`J <crc32> <bytes>` and then its payload, one line for each record, fields
parted by tabs (JSON escapes tabs and newlines, so neither occurs in a field):

    store  group  key  value      the key has this value
    store  group  key             the key is gone
    store  group                  the whole group is gone

A *segment* `N.log` is appended to; a *base* `N.base` holds the outcome of every
segment up to N. Merging never parses a value. This file imports nothing but the
standard library's lightest parts: it is also run as a program of its own, so
that merging costs the cloud neither time nor memory.
"""

from __future__ import annotations

import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

FORMAT = 2
"""Version of the state directory. 1 was one JSON file for each service."""

_HEAD = re.compile(rb"^FAIRWAY (\d+) (log|base) (\d+)\n")
BATCH = re.compile(rb"J ([0-9a-f]{8}) (\d+)\n")
_ROWS = 1000
"""Records in one batch of a base: what a damaged spot can cost at most."""

Groups = dict[tuple[bytes, bytes], dict[bytes, bytes]]
"""(store, group) to key to value; all as the bytes in the file."""


class NewerFormat(Exception):
    """A file was written by a newer version. args[0]: its format."""


@dataclass
class Damage:
    """One spot that could not be read. offset and length in bytes."""

    path: Path
    offset: int
    length: int


@dataclass
class Content:
    """What files say together."""

    groups: Groups = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)

    def apply(self, payload: bytes) -> None:
        """Carry out one batch."""
        for line in payload.splitlines():
            parts = line.split(b"\t")
            name = (parts[0], parts[1])
            if len(parts) == 4:
                group = self.groups.get(name)
                if group is None:
                    group = self.groups[name] = {}
                group[parts[2]] = parts[3]
            elif len(parts) == 3:
                group = self.groups.get(name)
                if group is not None:
                    group.pop(parts[2], None)
            else:
                self.groups.pop(name, None)

    def lines(self) -> Iterator[bytes]:
        """Every record that is left."""
        for (store, group), rows in self.groups.items():
            for key, value in rows.items():
                yield b"\t".join((store, group, key, value))


def head(kind: str, number: int) -> bytes:
    """A file's first line."""
    return b"FAIRWAY %d %s %d\n" % (FORMAT, kind.encode(), number)


def encode_batch(payload: bytes) -> bytes:
    """Frame a payload: lines, each ended by a newline."""
    return b"J %08x %d\n" % (zlib.crc32(payload), len(payload)) + payload


def read_into(content: Content, path: Path, is_last: bool) -> int:
    """Apply a file's batches; returns the offset after the last one that is whole.

    is_last: the end may be half written, which is what a kill leaves; it was
    never acknowledged and is not damage. Raises NewerFormat, OSError.
    """
    data = path.read_bytes()
    found = _HEAD.match(data)
    if found is None:
        if data and not (is_last and b"\n" not in data):
            content.damage.append(Damage(path, 0, len(data)))
        return 0
    if int(found.group(1)) > FORMAT:
        raise NewerFormat(int(found.group(1)))
    position = found.end()
    while position < len(data):
        batch = BATCH.match(data, position)
        if batch is not None:
            start, length = batch.end(), int(batch.group(2))
            payload = data[start : start + length]
            if len(payload) == length and zlib.crc32(payload) == int(batch.group(1), 16):
                content.apply(payload)
                position = start + length
                continue
        following = data.find(b"\nJ ", position)
        if following < 0 and is_last:
            break
        end = len(data) if following < 0 else following + 1
        content.damage.append(Damage(path, position, end - position))
        position = end
    return position


def list_files(directory: Path, suffix: str) -> dict[int, Path]:
    """The files of one kind, by number."""
    return {
        int(path.stem): path
        for path in sorted(directory.glob(f"*.{suffix}"))
        if path.stem.isdigit()
    }


def choose_files(directory: Path) -> list[Path]:
    """The files that make up the state: the newest base and the segments after it."""
    bases, logs = list_files(directory, "base"), list_files(directory, "log")
    newest = max(bases, default=0)
    chosen = [bases[newest]] if bases else []
    return chosen + [logs[number] for number in sorted(logs) if number > newest]


def write_base(directory: Path, number: int, lines: Iterable[bytes]) -> None:
    """Write a base at once: whole and under its name, or not at all."""
    target = directory / f"{number:08d}.base"
    temporary = directory / f".{number:08d}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(head("base", number))
            pending: list[bytes] = []
            for line in lines:
                pending.append(line)
                if len(pending) == _ROWS:
                    file.write(encode_batch(b"\n".join(pending) + b"\n"))
                    pending = []
            if pending:
                file.write(encode_batch(b"\n".join(pending) + b"\n"))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def merge(directory: Path, number: int) -> bool:
    """Make base `number` of what is there up to it; False when something is damaged."""
    content = Content()
    for path in choose_files(directory):
        if int(path.stem) <= number:
            read_into(content, path, is_last=False)
    if content.damage:
        return False
    write_base(directory, number, content.lines())
    return True


def main(arguments: list[str]) -> int:
    """`journal_format.py DIRECTORY NUMBER`: merge, giving way to everybody else."""
    os.nice(10)
    return 0 if merge(Path(arguments[0]), int(arguments[1])) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
