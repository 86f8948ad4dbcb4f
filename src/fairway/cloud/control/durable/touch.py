"""Who touched which store: the cheap half of knowing what to write.

A write through a store is noted as *wrote*; a read as *read*, because the
emulator changes records in place after reading them. What one request read is
also kept apart for that request, so that its answer can wait for exactly that.
Notes may come from any thread: only single operations on sets are used.
"""

from __future__ import annotations

import copy
from contextvars import ContextVar
from typing import Any

_request: ContextVar[set[str] | None] = ContextVar("_request", default=None)


def begin_request() -> set[str]:
    """Start to note apart what this request, and what it starts, touches."""
    touched: set[str] = set()
    _request.set(touched)
    return touched


class Notes:
    """Services that may have something new. written: certainly; read: perhaps."""

    def __init__(self) -> None:
        self.written: set[str] = set()
        self.read: set[str] = set()

    def note_write(self, service: str) -> None:
        """A store of the service was written."""
        self.written.add(service)
        touched = _request.get()
        if touched is not None:  # also of a service whose records otherwise wait for a sweep
            touched.add(service)

    def note_read(self, service: str) -> None:
        """A store of the service was read, and a record of it perhaps changed."""
        self.read.add(service)
        touched = _request.get()
        if touched is not None:
            touched.add(service)


class NotedStore(dict[Any, Any]):
    """A store's inner dictionary that notes its service."""

    __slots__ = ("_notes", "_service")

    def __init__(self, data: dict[Any, Any], notes: Notes, service: str) -> None:
        super().__init__(data)
        self._notes = notes
        self._service = service

    def _wrote(self, key: Any) -> None:
        self._notes.note_write(self._service)

    def _read(self, key: Any) -> None:
        self._notes.note_read(self._service)

    def _read_all(self) -> None:
        self._notes.note_read(self._service)

    def _wrote_all(self) -> None:
        self._notes.note_write(self._service)

    def __getitem__(self, key: Any) -> Any:
        self._read(key)
        return dict.__getitem__(self, key)

    def get(self, key: Any, default: Any = None) -> Any:
        """The value, which may be changed in place."""
        self._read(key)
        return dict.get(self, key, default)

    def values(self) -> Any:
        """All values, which may be changed in place."""
        self._read_all()
        return dict.values(self)

    def items(self) -> Any:
        """All pairs, whose values may be changed in place."""
        self._read_all()
        return dict.items(self)

    def __setitem__(self, key: Any, value: Any) -> None:
        dict.__setitem__(self, key, value)
        self._wrote(key)

    def __delitem__(self, key: Any) -> None:
        dict.__delitem__(self, key)
        self._wrote(key)

    def pop(self, key: Any, *default: Any) -> Any:
        """Remove and return."""
        found = dict.pop(self, key, *default)
        self._wrote(key)
        return found

    def popitem(self) -> Any:
        """Remove and return any."""
        key, value = dict.popitem(self)
        self._wrote(key)
        return key, value

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """The value, stored when there is none."""
        found = dict.setdefault(self, key, default)
        self._wrote(key)
        return found

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Store many."""
        dict.update(self, *args, **kwargs)
        self._wrote_all()

    def clear(self) -> None:
        """Remove all."""
        dict.clear(self)
        self._wrote_all()

    def copy(self) -> dict[Any, Any]:
        """A plain dictionary."""
        return dict(dict.items(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        return copy.deepcopy(dict(dict.items(self)), memo)

    def __reduce__(self) -> Any:
        return dict, (dict(dict.items(self)),)


class KeyedStore(NotedStore):
    """A noted store that remembers which keys were touched."""

    __slots__ = ("touched",)

    def __init__(self, data: dict[Any, Any], notes: Notes, service: str) -> None:
        super().__init__(data, notes, service)
        self.touched: set[Any] = set()

    def _wrote(self, key: Any) -> None:
        self.touched.add(key)

    def _read(self, key: Any) -> None:
        self.touched.add(key)

    def _wrote_all(self) -> None:
        self.touched.update(list(dict.keys(self)))

    def clear(self) -> None:
        """Remove all."""
        keys = list(dict.keys(self))
        dict.clear(self)
        self.touched.update(keys)
