"""Who touched which store: the cheap half of knowing what to write.

A write through a store is noted as *wrote*; a read as *read*, because the
emulator changes records in place after reading them. What one request read is
also kept apart for that request, so that its answer can wait for exactly that.
Notes may come from any thread: only single operations on sets are used.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol


class Follower(Protocol):
    """Follows the entries of one service's stores: `entries.Entries`."""

    def renote(self, keys: Iterable[Any], stores: Mapping[int, Any]) -> None:
        """Look at these entries, and at these stores as a whole, once more."""


@dataclass(frozen=True, slots=True)
class InHand:
    """What was read or written of one service: entries by key, and whole stores by identity."""

    keys: set[Any] = field(default_factory=set)
    stores: dict[int, Any] = field(default_factory=dict)


class Touched(set[str]):
    """The services that a request touched, and what it has in hand of them."""

    def __init__(self) -> None:
        super().__init__()
        self._in_hand: dict[Follower, InHand] = {}
        self.is_answered = False
        """Whether what it goes on to do is done without anybody's waiting for an answer."""

    def in_hand(self, follower: Follower) -> InHand:
        """Of one service; may be added to."""
        found = self._in_hand.get(follower)
        return self._in_hand.setdefault(follower, InHand()) if found is None else found

    def list_keys(self, follower: Follower) -> list[Any]:
        """The keys of entries of one service."""
        found = self._in_hand.get(follower)
        return [] if found is None else list(found.keys)

    def answer(self, changed: bool) -> None:
        """The answer is about to leave. changed: the request may have changed something."""
        if changed:
            self.release()
        self.is_answered = True

    def release(self) -> None:
        """All of it may have changed by now: it is looked at with the next collection."""
        for follower, held in list(self._in_hand.items()):
            follower.renote(list(held.keys), dict(held.stores))


_request: ContextVar[Touched | None] = ContextVar("_request", default=None)
_held: dict[object, Touched] = {}


def begin_request() -> Touched:
    """Start to note apart what this request, and what it starts, touches."""
    touched = Touched()
    _request.set(touched)
    return touched


def find_request() -> Touched | None:
    """What the request has touched so far to which the caller belongs; None outside of any."""
    return _request.get()


@contextmanager
def hold_touched() -> Iterator[None]:
    """Until the end, whatever this request has in hand may change behind the stores' back.

    For an operation that goes on after its request was answered: it changes records
    that it read before, so they are looked at whenever their service is.
    """
    touched = find_request()
    if touched is None:
        touched = begin_request()
    touched.is_answered = True
    operation = object()
    _held[operation] = touched
    try:
        yield
    finally:
        del _held[operation]
        touched.release()


def list_held() -> list[Touched]:
    """Of operations under way."""
    return list(_held.values())


def peek(store: Mapping[Any, Any]) -> dict[Any, Any]:
    """A store's content for one who changes nothing of it: nobody has to look after him."""
    return dict(dict.items(store)) if isinstance(store, dict) else dict(store)


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
        """A plain dictionary, whose values may be changed in place."""
        self._read_all()
        return dict(dict.items(self))

    def __iter__(self) -> Iterator[Any]:
        # As inherited; but with one of its own, dict() and ** ask for each value here too.
        return dict.__iter__(self)

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def list_shown(self) -> list[tuple[Any, Any]]:
        """The pairs that are to be collected."""
        return list(dict.items(self))

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
