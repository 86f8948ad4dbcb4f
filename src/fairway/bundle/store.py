"""Where finished archives, installed packages and file records are kept between runs.

Layout below the cache directory, all of it disposable:

    lock        held by the one process that is bundling
    archives/   <digest>.zip
    layers/     <key>.data and <key>.json: installed packages as ready zip members
    sources/    <id>.json: what a source's files were when they were last read
    tmp/        unfinished work; emptied by the next run

Nothing appears under its own name before it is complete.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fairway.errors import BundleFailed
from fairway.events import Notice, Report
from fairway.state import make_state_directory


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a kind of file may take before the longest unused are dropped. size: bytes."""

    count: int
    size: int


ARCHIVES = Limits(count=200, size=4 << 30)
LAYERS = Limits(count=40, size=4 << 30)
SOURCES = Limits(count=1000, size=256 << 20)


@dataclass(frozen=True, slots=True)
class Store:
    """The cache directory, while it is held."""

    root: Path

    def archive(self, digest: str) -> Path:
        """Where the archive of this digest is or will be."""
        return self.root / "archives" / f"{digest}.zip"

    def layer(self, key: str) -> Path:
        """Where a layer's list of members is or will be; its bytes are beside it in .data."""
        return self.root / "layers" / f"{key}.json"

    def record(self, identity: str) -> Path:
        """Where the record of a source's files is or will be."""
        return self.root / "sources" / f"{identity}.json"

    def write(self, path: Path, fill: Callable[[BinaryIO], object]) -> None:
        """Write a file that appears complete or not at all."""
        unfinished = self.root / "tmp" / path.name  # nobody else writes it: the store is held
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb", buffering=1 << 20) as out:
                fill(out)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """Give a new directory that is removed afterwards."""
        import shutil
        import tempfile

        path = Path(tempfile.mkdtemp(dir=self.root / "tmp"))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def hold_store(cache: Path, report: Report) -> Iterator[Store]:
    """Hold the cache directory for this thread alone, waiting for another holder to finish.

    Raises BundleFailed when the directory cannot be written.
    """
    store = Store(cache)
    try:
        for name in ("archives", "layers", "sources", "tmp"):
            make_state_directory(cache / name)
        lock = (cache / "lock").open("ab")
    except OSError as error:
        raise explain_write_error(cache, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(Notice(f"waiting for another fairway that is bundling into {cache}"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        _empty_directory(cache / "tmp")
        yield store


def prune_store(store: Store, kept: Collection[Path], archives: Limits = ARCHIVES) -> None:
    """Drop what was not used for longest beyond the limits, and never what is in `kept`."""
    drop_oldest(store.root / "archives", archives, kept)
    drop_oldest(store.root / "layers", LAYERS, kept)
    drop_oldest(store.root / "sources", SOURCES, kept)


def drop_oldest(directory: Path, limits: Limits, kept: Collection[Path]) -> None:
    """Remove files, longest unused first, until `directory` is within its limits."""
    found = [(entry.stat(), Path(entry.path)) for entry in os.scandir(directory)]
    found.sort(key=lambda pair: pair[0].st_mtime_ns)
    count, size = len(found), sum(stat.st_size for stat, _ in found)
    for stat, path in found:
        if count <= limits.count and size <= limits.size:
            return
        if path not in kept:
            path.unlink(missing_ok=True)
            count, size = count - 1, size - stat.st_size


def mark_used(*paths: Path) -> None:
    """Note that files were used now, so that they are dropped last."""
    for path in paths:
        os.utime(path)


def explain_write_error(path: Path, error: OSError) -> BundleFailed:
    """Say which file of the cache could not be written and why."""
    reason = (error.strerror or str(error)).lower()
    return BundleFailed(
        f"{error.filename or path} cannot be written: {reason}",
        hint="make room or give write permission; the directory may be removed at any time",
    )


def _empty_directory(directory: Path) -> None:
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            import shutil

            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink(missing_ok=True)
