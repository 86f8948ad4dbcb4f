"""Function archives, unpacked once per digest and never outside their folder."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

UNZIPPED_LIMIT = 262_144_000
"""Bytes of an unzipped package; Lambda developer guide, "Lambda quotas"."""

ENTRY_LIMIT = 100_000


class UnsafeArchive(ValueError):
    """The archive is damaged, too large, or reaches outside its folder."""


def unpack_archive(archive: bytes, store: Path) -> Path:
    """Unpack a zip into `store/<sha256>` and return that folder; known digests are reused.

    Symbolic links, absolute paths and `..` are refused, as is more than
    Lambda's limit of unzipped bytes, whatever sizes the archive claims.
    """
    folder = store / hashlib.sha256(archive).hexdigest()
    if folder.is_dir():
        return folder
    temporary = store / f".{folder.name}.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as source:
            _extract(source, temporary)
        temporary.rename(folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise UnsafeArchive(f"The function's archive cannot be read: {error}") from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _extract(source: zipfile.ZipFile, folder: Path) -> None:
    entries = source.infolist()
    if len(entries) > ENTRY_LIMIT:
        raise UnsafeArchive(f"The function's archive has more than {ENTRY_LIMIT} entries")
    left = UNZIPPED_LIMIT
    for entry in entries:
        target = folder / _safe_name(entry)
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        left -= _copy(source, entry, target, left)


def _safe_name(entry: zipfile.ZipInfo) -> PurePosixPath:
    name = PurePosixPath(entry.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or "\0" in entry.filename:
        raise UnsafeArchive(f"The function's archive reaches outside its folder: {entry.filename}")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise UnsafeArchive(f"The function's archive holds a symbolic link: {entry.filename}")
    return name


def _copy(source: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, limit: int) -> int:
    written = 0
    with source.open(entry) as reader, target.open("wb") as writer:
        while chunk := reader.read(1 << 16):
            written += len(chunk)
            if written > limit:
                raise UnsafeArchive(f"Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes")
            writer.write(chunk)
    mode = (entry.external_attr >> 16) & 0o777
    target.chmod((mode or 0o644) | stat.S_IRUSR)
    return written


def sweep_archives(store: Path, keep: set[Path]) -> None:
    """Remove unpacked code that no function refers to any more."""
    if not store.is_dir():
        return
    for folder in store.iterdir():
        if folder not in keep:
            shutil.rmtree(folder, ignore_errors=True)
