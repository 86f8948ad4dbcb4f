"""The files of a source, as they are on disk, without reading them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fairway.bundle.artifact import Platform
from fairway.bundle.ignore import IGNORE_FILE, Ignore, read_ignore
from fairway.errors import BundleFailed


@dataclass(frozen=True, slots=True)
class Entry:
    """One file to archive. name: relative to the source, ``/`` between parts. Times in ns."""

    name: str
    path: str
    size: int
    mtime_ns: int
    ctime_ns: int
    executable: bool


def scan_source(path: Path, platform: Platform, skip: Path) -> tuple[Entry, ...]:
    """List the files of the source at `path`, sorted by name; `skip` is never entered.

    Links are followed when they stay inside the source. Raises BundleFailed for
    a source that is missing, empty or holds what cannot be archived.
    """
    if not path.exists():
        raise BundleFailed(
            f"the source directory {path} does not exist",
            hint="create it, or correct `source` in fairway.yml",
        )
    if not path.is_dir():
        raise BundleFailed(
            f"the source {path} is not a directory",
            hint="name the directory that holds the code, not a file",
        )
    real = os.path.realpath(path)
    scan = _Scan(real, read_ignore(path, platform), os.path.realpath(skip))
    entries = sorted(scan.walk(str(path), real, "", (real,)), key=lambda entry: entry.name)
    if not entries:
        raise BundleFailed(
            f"the source directory {path} has no files to archive",
            hint=f"put the code there; {IGNORE_FILE} and the built-in list leave files out",
        )
    return tuple(entries)


@dataclass(frozen=True, slots=True)
class _Scan:
    root: str
    ignore: Ignore
    skip: str

    def walk(
        self, directory: str, real: str, prefix: str, above: tuple[str, ...]
    ) -> Iterator[Entry]:
        """Yield files below `directory`; `real` is its path without links, `above` its parents'."""
        try:
            children = list(os.scandir(directory))
        except OSError as error:
            raise explain_read_error(directory, error) from error
        for child in children:
            name = prefix + child.name
            child_real = os.path.join(real, child.name)  # noqa: PTH118 - strings: the hot loop
            is_link = child.is_symlink()
            is_directory = child.is_dir()
            if child_real == self.skip or self.ignore.covers(name, directory=is_directory):
                continue
            _check_name(name, child.path)
            if is_link:
                child_real = self._follow_link(child.path, above)
            if is_directory:
                yield from self.walk(child.path, child_real, name + "/", (*above, child_real))
            else:
                yield _read_stat(child, name)

    def _follow_link(self, path: str, above: tuple[str, ...]) -> str:
        target = os.path.realpath(path)
        if target != self.root and not target.startswith(self.root + os.sep):
            raise BundleFailed(
                f"the link {path} leads outside its source, to {target}",
                hint=f"copy what it names into the source, or list the link in {IGNORE_FILE}",
            )
        if not os.path.lexists(target):
            raise BundleFailed(
                f"the link {path} leads to {target}, which does not exist",
                hint=f"mend or remove it, or list it in {IGNORE_FILE}",
            )
        if target in above:
            raise BundleFailed(
                f"the link {path} leads back to {target}, a directory it is in",
                hint=f"remove it, or list it in {IGNORE_FILE}",
            )
        return target


def _read_stat(child: os.DirEntry[str], name: str) -> Entry:
    try:
        found = child.stat()
    except OSError as error:
        raise explain_read_error(child.path, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise BundleFailed(
            f"{child.path} is neither a file nor a directory",
            hint=f"remove it, or list it in {IGNORE_FILE}",
        )
    executable = bool(found.st_mode & stat.S_IXUSR)
    return Entry(name, child.path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, executable)


def _check_name(name: str, path: str) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BundleFailed(
            f"the file name {path!r} is not UTF-8", hint="rename the file"
        ) from error


def explain_read_error(path: str, error: OSError) -> BundleFailed:
    """Say which file could not be read, why, and what to do."""
    reason = (error.strerror or str(error)).lower()
    hint = f"make it readable (chmod u+r), or list it in {IGNORE_FILE}"
    if isinstance(error, FileNotFoundError):
        hint = "it vanished while the source was read: run again"
    return BundleFailed(f"{path} cannot be read: {reason}", hint=hint)
