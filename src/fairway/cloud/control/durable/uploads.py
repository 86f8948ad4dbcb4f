"""S3's multipart uploads: each part is a file of its own until its upload is over."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairway.cloud.control.durable.records import (
    clear,
    decode_many,
    decode_scoped_key,
    encode_scoped_key,
    put,
    remove,
)
from fairway.cloud.control.durable.stores import Encode
from fairway.cloud.control.durable.touch import KeyedStore, Notes
from fairway.cloud.control.journal_format import Groups

UPLOADS = b"s3.uploads"
PARTS = b"s3.parts"
_GROUP = b"0"

Upload = dict[str, Any]


class Shadow:
    """What was written of one upload: its definition, and which part is which."""

    def __init__(self) -> None:
        self.definition = 0
        self.parts: dict[int, Any] = {}


class Uploads:
    """Follows the uploads under way. Implements `services.Source`.

    A part's body is written to a file before the record that names it, and the
    files of an upload are removed after the record that forgets it. directory:
    theirs. failed: told what could not be stored.
    """

    def __init__(
        self, s3: Any, directory: Path, encode: Encode, failed: Callable[[str], None]
    ) -> None:
        self._s3 = s3
        self._directory = directory
        self._encode = encode
        self._failed = failed
        self._shadows: dict[Any, Shadow] = {}
        self._over: list[Path] = []
        self._store: KeyedStore | None = None

    def install(self, notes: Notes, written: bool = True) -> None:
        """Follow the store. written: what it holds now is, as `restore_uploads` has read it."""
        data = self._s3._multipart_uploads._data
        self._store = KeyedStore(data, notes, "s3")
        for key, upload in data.items() if written else ():
            shadow = self._shadows[key] = Shadow()
            shadow.parts = dict(upload["parts"])
        if not written:
            self._store.touched.update(data)
        self._s3._multipart_uploads._data = self._store

    @property
    def has_pending(self) -> bool:
        """Whether `collect` has something to look at."""
        return bool(self._over) or (self._store is not None and bool(self._store.touched))

    def collect(self, lines: list[bytes]) -> None:
        """Add records for what changed in touched uploads."""
        while self._over:  # forgotten by an earlier batch
            shutil.rmtree(self._over.pop(), ignore_errors=True)
        while self._store is not None and self._store.touched:
            key = self._store.touched.pop()
            upload = dict.get(self._store, key)
            try:
                if upload is None:
                    self._forget(lines, key)
                else:
                    self._compare(lines, key, upload)
            except OSError as error:
                self._failed(f"a part of an upload: {error.strerror or error}")

    def _forget(self, lines: list[bytes], key: Any) -> None:
        if self._shadows.pop(key, None) is not None:
            name = encode_scoped_key(key)
            lines += [remove(UPLOADS, _GROUP, name), clear(PARTS, name)]
            self._over.append(_folder(self._directory, key))

    def _compare(self, lines: list[bytes], key: Any, upload: Upload) -> None:
        shadow = self._shadows.setdefault(key, Shadow())
        name = encode_scoped_key(key)
        text = self._encode({n: v for n, v in upload.items() if n != "parts"})
        if hash(text) != shadow.definition:
            shadow.definition = hash(text)
            lines.append(put(UPLOADS, _GROUP, name, text.encode()))
        for number, part in list(upload["parts"].items()):
            if shadow.parts.get(number) is not part:
                file = _write_part(_folder(self._directory, key), number, part)
                row = {n: v for n, v in part.items() if n != "body"} | {"file": file}
                lines.append(put(PARTS, name, b"%d" % number, self._encode(row).encode()))
                shadow.parts[number] = part


def _folder(directory: Path, key: Any) -> Path:
    return directory / str(key[-1])


def _write_part(folder: Path, number: int, part: dict[str, Any]) -> str:
    """Store the body beside an earlier one of the same number, which its record still names."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{number}.{str(part['etag']).strip(chr(34))}"
    temporary = folder / f"{name}.tmp"
    temporary.write_bytes(part["body"])
    temporary.replace(folder / name)
    return name


def restore_uploads(s3: Any, directory: Path, groups: Groups, hook: Any) -> None:
    """Give S3 its uploads back, and remove the files of those that are over."""
    known = set()
    for name, text in groups.get((UPLOADS, _GROUP), {}).items():
        key = decode_scoped_key(name)
        folder = _folder(directory, key)
        known.add(folder.name)
        upload: Upload = json.loads(text, object_hook=hook)
        upload["parts"] = {}
        rows = groups.get((PARTS, name), {})
        for number, row in zip(rows, decode_many(rows.values(), hook), strict=True):
            file = folder / row.pop("file")
            if file.exists():  # else a part that is asked for is refused as missing
                upload["parts"][int(number)] = {**row, "body": file.read_bytes()}
        s3._multipart_uploads._data[key] = upload
    for left in directory.glob("*") if directory.exists() else ():
        if left.name not in known:
            shutil.rmtree(left, ignore_errors=True)
