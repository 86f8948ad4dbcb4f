"""What a source's files were when they were last read, so that they need not be read again.

A file is taken as unchanged when its size, times and mode are. A file that was
changed about when the record was written is read again all the same: a second
change within one tick of the file system's clock would leave no trace.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairway.bundle.archive import Member, measure_member, read_chunks
from fairway.bundle.artifact import Source
from fairway.bundle.scan import Entry
from fairway.bundle.store import Store

RECORD_FORMAT = 1
COARSEST_CLOCK_NS = 2_000_000_000  # FAT keeps times to two seconds; everything else is finer

Stats = tuple[int, int, int, bool]


@dataclass(frozen=True, slots=True)
class Record:
    """The last run of one source. files: name -> (stats, member); written_ns: when, 0 if not yet.

    Times are the file system's, of the record's own file: no clock is asked.
    """

    layer_key: str | None
    digest: str
    size: int
    files: Mapping[str, tuple[Stats, Member]]
    written_ns: int = 0

    def find_member(self, entry: Entry) -> Member | None:
        """Return what is known of a file, if it is surely still so."""
        known = self.files.get(entry.name)
        if known is None or known[0] != list_stats(entry):
            return None
        newest = max(entry.mtime_ns, entry.ctime_ns)
        return known[1] if newest < self.written_ns - COARSEST_CLOCK_NS else None

    def is_current(self, entries: Sequence[Entry], layer_key: str | None) -> bool:
        """Whether nothing that goes into the archive has changed since."""
        return (
            self.layer_key == layer_key
            and len(self.files) == len(entries)
            and all(self.find_member(entry) is not None for entry in entries)
        )


def identify_source(source: Source) -> str:
    """Name a directory and platform (sha256, hex): what makes one archive."""
    platform = source.platform
    identity = [
        str(source.path.resolve()),
        platform.language,
        platform.version,
        platform.architecture,
    ]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def read_members(entries: Sequence[Entry], before: Record | None) -> tuple[Member, ...]:
    """Compute the checksums of files, reading only those that may have changed."""
    return tuple(
        (before.find_member(entry) if before else None)
        or measure_member(entry.name, entry.executable, read_chunks(entry.path))
        for entry in entries
    )


def list_stats(entry: Entry) -> Stats:
    """List what must be equal for a file to be taken as unchanged."""
    return entry.size, entry.mtime_ns, entry.ctime_ns, entry.executable


def read_record(path: Path) -> Record | None:
    """Read a record; None when there is none, or one that cannot be used."""
    try:
        written_ns = path.stat().st_mtime_ns
        said = json.loads(path.read_bytes())
        if said["format"] != RECORD_FORMAT:
            return None
        files = {
            name: ((size, mtime, ctime, mode), Member(name, mode, size, crc, sha256))
            for name, size, mtime, ctime, mode, crc, sha256 in said["files"]
        }
        return Record(said["layer"], said["digest"], said["size"], files, written_ns)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write_record(store: Store, path: Path, record: Record) -> None:
    """Keep a record for the next run."""
    said = {
        "format": RECORD_FORMAT,
        "layer": record.layer_key,
        "digest": record.digest,
        "size": record.size,
        "files": [
            [name, *stats, member.crc, member.sha256]
            for name, (stats, member) in record.files.items()
        ],
    }
    text = json.dumps(said).encode()
    store.write(path, lambda out: out.write(text))
