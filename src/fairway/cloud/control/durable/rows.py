"""Records of our own beside the emulator's: noted at once, written with the next batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fairway.cloud.control.durable.records import decode_many, encode_name, put, remove
from fairway.cloud.control.journal_format import Groups

_GROUP = b"0"
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Rows:
    """A table by text keys. Noted from any thread: only single operations on it are used.

    store: its name in the journal. describe: a value as plain JSON, asked when it
    is written, so that a value that changed twice until then is one record.
    """

    def __init__(self, store: bytes, describe: Callable[[Any], Any] = lambda value: value) -> None:
        self._store = store
        self._describe = describe
        self._rows: dict[str, Any] = {}
        self._changed: set[str] = set()
        self._written: set[str] = set()

    def restore(self, groups: Groups) -> dict[str, Any]:
        """What was kept, as plain JSON by key; it is forgotten there and known to be written."""
        rows = groups.pop((self._store, _GROUP), {})
        found = dict(zip(decode_many(rows), decode_many(rows.values()), strict=True))
        self._written |= found.keys()
        self._rows |= found
        return found

    def get(self, key: str) -> Any:
        """The value, or None."""
        return self._rows.get(key)

    def set(self, key: str, value: Any) -> None:
        """The key has this value, or its value has changed in place."""
        self._rows[key] = value
        self._changed.add(key)

    def remove(self, key: str) -> None:
        """The key is gone."""
        if self._rows.pop(key, None) is not None:
            self._changed.add(key)

    def list_keys(self) -> list[str]:
        """All keys."""
        return list(self._rows)

    @property
    def has_pending(self) -> bool:
        """Whether `collect` has something to write."""
        return bool(self._changed)

    def collect(self, lines: list[bytes]) -> None:
        """Add a record for everything that changed."""
        while self._changed:
            key = self._changed.pop()
            value = self._rows.get(key)
            name = encode_name(key)
            if value is not None:
                self._written.add(key)
                lines.append(
                    put(self._store, _GROUP, name, _encode(self._describe(value)).encode())
                )
            elif key in self._written:  # what began and ended between two batches left nothing
                self._written.discard(key)
                lines.append(remove(self._store, _GROUP, name))
