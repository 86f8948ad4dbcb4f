"""The journal of one state directory: opened, read, appended to and compacted.

Every file has a number; a base and the segments after it are one state, so a
snapshot can never be paired with the wrong changes. Nothing is removed before
what replaces it is on disk under its own name.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from fairway.cloud.control import journal_format
from fairway.cloud.control.history import ROOM, encode_mark, list_surplus
from fairway.cloud.control.journal_format import (
    FORMAT,
    Content,
    Damage,
    Groups,
    NewerFormat,
    choose_files,
    encode_batch,
    head,
    read_into,
    write_base,
)

SMALLEST = 4_000_000
"""Bytes of segments below which they are not merged: they load in a moment."""

MOST = 32
"""Segments above which they are merged however small: each start begins one."""

Write = Callable[[int, bytes], int]


class StateUnusable(Exception):
    """The state cannot be opened; the text says why and what to do."""


@dataclass
class Opened:
    """What a journal held. damage: sentences for the user."""

    groups: Groups
    damage: list[str] = field(default_factory=list)


class Journal:
    """write: the seam to the disk, as `os.write`. room: bytes kept of what bases replaced."""

    def __init__(self, directory: Path, write: Write = os.write, room: int = ROOM) -> None:
        self._directory = directory / "journal"
        self._state = directory
        self._write = write
        self._room = room
        self._descriptor = -1
        self._number = 0
        self._size = 0
        self._older = 0  # bytes of closed segments that no base holds yet
        self._base = 0
        self._count = 0  # segments that no base holds yet
        self._merging: asyncio.Task[None] | None = None

    # --- opening -----------------------------------------------------------------

    def open(self, clock: Callable[[], float] = time.time) -> Opened:
        """Read everything, and be ready to append. Raises StateUnusable."""
        try:
            self._refuse_newer()
            self._directory.mkdir(parents=True, exist_ok=True)
            ended = self._find_end()
            opened = self._read(clock)
            self._start_segment()
            self._mark_end(ended, clock())
            self._mark_format()
        except OSError as error:
            raise StateUnusable(
                f"The state in {self._state} cannot be used: {error.strerror} ({error.filename}). "
                "Make the directory writable for you and its disk not full; nothing in it was "
                "changed."
            ) from error
        return opened

    def _find_end(self) -> float | None:
        """When the journal was last written, in epoch seconds; None for a new one."""
        files = choose_files(self._directory)
        return files[-1].stat().st_mtime if files else None

    def _mark_end(self, ended: float | None, now: float) -> None:
        """What was written after the last mark, before a kill, was written by then."""
        if ended is not None:
            with contextlib.suppress(OSError):  # moments are worth no failed start
                self.append(encode_mark(min(ended, now)) + b"\n")

    def _refuse_newer(self) -> None:
        try:
            found = int(json.loads((self._state / "format").read_text())["format"])
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError):
            return  # unreadable: the journal's own files say their format too
        if found > FORMAT:
            raise StateUnusable(self._explain_newer(found))

    def _explain_newer(self, found: int) -> str:
        return (
            f"The state in {self._state} was written by a newer Fairway (format {found}; this one "
            f"reads up to {FORMAT}). Nothing in it was changed. Use the newer version, or move "
            "the directory away to start with an empty cloud."
        )

    def _mark_format(self) -> None:
        path = self._state / "format"
        text = json.dumps({"format": FORMAT})
        if not path.exists() or path.read_text() != text:
            temporary = path.with_name(f".format.{os.getpid()}")
            temporary.write_text(text)
            temporary.replace(path)

    def _read(self, clock: Callable[[], float]) -> Opened:
        for left in self._directory.glob(".*"):
            left.unlink(missing_ok=True)  # a base that was being written at a kill
        files = choose_files(self._directory)
        content = Content()
        for path in files:
            is_last = path is files[-1] and path.suffix == ".log"
            try:
                end = read_into(content, path, is_last)
            except NewerFormat as error:
                raise StateUnusable(self._explain_newer(error.args[0])) from None
            if is_last and end < path.stat().st_size:
                os.truncate(path, end)  # half a batch, which nobody was told of
        self._number = max((int(path.stem) for path in files), default=0)
        sentences = self._explain_gaps(files)
        if content.damage:
            sentences += self._set_aside(content, files, clock)
        self._measure(choose_files(self._directory))
        return Opened(content.groups, sentences)

    def _measure(self, files: list[Path]) -> None:
        sizes = {path.suffix: 0 for path in files}
        for path in files:
            if path.exists():
                sizes[path.suffix] += path.stat().st_size
        self._base, self._older = sizes.get(".base", 0), sizes.get(".log", 0)
        self._count = sum(path.suffix == ".log" for path in files)

    def _explain_gaps(self, files: list[Path]) -> list[str]:
        numbers = [int(path.stem) for path in files]
        if files and files[0].suffix == ".log":
            numbers.insert(0, 0)  # without a base the first segment is number 1
        missing = [n for a, b in pairwise(numbers) for n in range(a + 1, b)]
        return [
            f"The journal file {number:08d}.log is missing from {self._directory}: the changes it "
            "held are lost; everything else was restored."
            for number in missing
        ]

    def _set_aside(
        self, content: Content, files: list[Path], clock: Callable[[], float]
    ) -> list[str]:
        """Keep damaged files for whoever wants to look, and go on with what could be read."""
        stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(clock()))
        aside = self._state / "damaged" / stamp
        aside.mkdir(parents=True, exist_ok=True)
        self._number += 1
        write_base(self._directory, self._number, content.lines())
        damaged = {spot.path for spot in content.damage}
        for path in files:
            if path in damaged:
                path.replace(aside / path.name)
            else:
                path.unlink()
        return [_explain_damage(spot, aside) for spot in content.damage]

    # --- appending ---------------------------------------------------------------

    def _start_segment(self) -> None:
        number = self._number + 1
        path = self._directory / f"{number:08d}.log"
        descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            self._write_all(descriptor, head("log", number), 0)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._older += self._size
        self._descriptor, self._number = descriptor, number
        self._count += 1
        self._size = len(head("log", number))

    def append(self, payload: bytes) -> None:
        """Write one batch; when it returns, the batch survives this process.

        Raises OSError, and then the file is as it was before.
        """
        batch = encode_batch(payload)
        self._write_all(self._descriptor, batch, self._size)
        self._size += len(batch)

    def _write_all(self, descriptor: int, data: bytes, start: int) -> None:
        written = 0
        try:
            while written < len(data):
                written += self._write(descriptor, data[written:] if written else data)
        except OSError:
            if written:
                os.ftruncate(descriptor, start)
            raise

    # --- compaction --------------------------------------------------------------

    def is_due(self) -> bool:
        """Whether the segments outweigh the base enough to be merged."""
        heavy = self._older + self._size > max(SMALLEST, self._base)
        return self._merging is None and (heavy or self._count > MOST)

    def compact(self, environment: Mapping[str, str] | None = None) -> asyncio.Task[None]:
        """Merge everything written so far, in a process of its own. The loop only rotates."""
        number = self._number
        self._start_segment()
        self._merging = asyncio.get_running_loop().create_task(self._merge(number, environment))
        return self._merging

    async def _merge(self, number: int, environment: Mapping[str, str] | None) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(Path(journal_format.__file__)),
                str(self._directory),
                str(number),
                stdin=asyncio.subprocess.DEVNULL,
                env=environment,
            )
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                process.kill()
                await process.wait()
                raise
            base = self._directory / f"{number:08d}.base"
            if code == 0 and base.exists():
                self._drop_before(number)
                self._base, self._older, self._count = base.stat().st_size, 0, 1
            else:
                self._older = self._count = 0  # tried again when as much was written once more
        finally:
            self._merging = None

    def _drop_before(self, number: int) -> None:
        """What the base holds is needed for earlier moments only, as far as there is room."""
        for path in list_surplus(self._directory, number, self._room):
            path.unlink(missing_ok=True)

    async def close(self) -> None:
        """Stop appending; a merge under way is dropped, it has changed nothing yet."""
        if self._merging is not None:
            self._merging.cancel()
            await asyncio.gather(self._merging, return_exceptions=True)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _explain_damage(spot: Damage, aside: Path) -> str:
    return (
        f"{spot.length} bytes at offset {spot.offset} of the journal file {spot.path.name} could "
        f"not be read: the changes they held are lost; everything before and after them was "
        f"restored. The file was moved to {aside / spot.path.name}."
    )
