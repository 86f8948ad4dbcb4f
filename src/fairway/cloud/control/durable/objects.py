"""S3: bodies are files of their own; storing one is made whole or nothing.

The emulator renames an object's body into place and then the file with its
metadata. A kill between the two would leave one object's body under another's
metadata, so the second file's content is written to the journal first. At the
next start it is written again when the body turns out to be the new one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairway.cloud.control.durable.records import encode_name, put, remove
from fairway.cloud.control.journal_format import Groups

INTENTS = b"s3.intents"
_GROUP = b"0"
_SIDECAR = ".meta.json"
_COMPLAINTS = ("Failed to persist", "Failed to delete")

Append = Callable[[list[bytes]], None]


def finish_intents(groups: Groups) -> list[bytes]:
    """Complete what a kill interrupted; the records that forget it. Call before S3 is imported."""
    done = []
    for key, value in groups.pop((INTENTS, _GROUP), {}).items():
        path = Path(json.loads(key))
        intent = json.loads(value)
        for half in (path, Path(f"{path}{_SIDECAR}")):
            Path(f"{half}.tmp").unlink(missing_ok=True)
        if path.exists() and zlib.crc32(path.read_bytes()) == intent["crc"]:
            temporary = Path(f"{path}{_SIDECAR}.tmp")
            temporary.write_text(intent["sidecar"])
            temporary.replace(f"{path}{_SIDECAR}")
        done.append(remove(INTENTS, _GROUP, key))
    return done


class Objects:
    """append: writes records at once; may raise OSError. failed: told what could not be stored."""

    def __init__(self, s3: Any, append: Append, failed: Callable[[str], None]) -> None:
        self._s3 = s3
        self._append = append
        self._failed = failed
        self._done: list[bytes] = []

    def install(self) -> None:
        """Store objects our way, and hear of every failure that ministack only logs."""
        self._s3._persist_object = self._persist
        self._s3.logger = _Listener(self._s3.logger, self._failed)

    def collect(self, lines: list[bytes]) -> None:
        """Forget the intents that were carried out."""
        done, self._done = self._done, []
        lines += done

    @property
    def has_pending(self) -> bool:
        """Whether `collect` has something to write."""
        return bool(self._done)

    def _persist(self, bucket: str, key: str, record: Any) -> None:
        try:
            self._store(bucket, key, record)
        except OSError as error:
            self._s3.logger.warning("Failed to persist S3 object %s/%s: %s", bucket, key, error)

    def _store(self, bucket: str, key: str, record: dict[str, Any]) -> None:
        s3 = self._s3
        path = s3._object_disk_path(bucket, key)
        if path is None:
            return
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        body = record.get("body")
        sidecar = json.dumps(
            {
                **s3._object_meta_from_record(record),
                **s3._key_history_meta(bucket, key),
                "key": key,
            }
        )
        if body is None:  # only the metadata changed
            s3._atomic_write(path + _SIDECAR, sidecar, text=True)
        else:
            name = encode_name(path)
            intent = {"crc": zlib.crc32(body), "sidecar": sidecar}
            self._append([put(INTENTS, _GROUP, name, json.dumps(intent).encode())])
            s3._atomic_write(path, body)
            s3._atomic_write(path + _SIDECAR, sidecar, text=True)
            self._done.append(remove(INTENTS, _GROUP, name))
            record["body"] = None  # it is read from the file
        root = str(Path(s3.DATA_DIR) / s3.get_account_id() / bucket)
        s3._remove_key_files(s3._other_key_disk_path(root, key, path))


class _Listener:
    """A logger that also tells of objects that could not be stored."""

    def __init__(self, logger: Any, failed: Callable[[str], None]) -> None:
        self._logger = logger
        self._failed = failed

    def warning(self, text: str, *values: Any) -> None:
        self._logger.warning(text, *values)
        if text.startswith(_COMPLAINTS):
            self._failed(text % values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger, name)
