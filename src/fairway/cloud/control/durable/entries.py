"""Services of which only the entries are looked at that somebody had in hand.

What a service keeps is told by its own persistence, which copies everything. While
that runs for the journal, a store shows only entries that may have changed: those
that were read or written by their key; those that an operation under way had in hand
when it began or since, because it goes on changing them; and, of a store that was read
as a whole, those whose content is another than when they were collected. A sweep takes
all stores for read as a whole, so what changed behind everybody's back is found too.
"""

from __future__ import annotations

import copy
import marshal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from fairway.cloud.control.durable.records import encode_scoped_key
from fairway.cloud.control.durable.stores import (
    Encode,
    Scopes,
    State,
    WholeService,
    is_empty,
)
from fairway.cloud.control.durable.touch import NotedStore, Notes, find_request, list_held
from fairway.cloud.control.journal_format import Groups

Outline = Callable[[Any], Any]
"""A record without what is followed elsewhere, or what is costly and never changed in place."""

_COMPARABLE = 2
"""The format of `marshal` whose bytes depend on the content alone, not on who shares it."""


def take_fingerprint(record: Any) -> int | None:
    """A number for a record's content, far cheaper than its text; None where there is none."""
    try:
        return hash(marshal.dumps(record, _COMPARABLE))
    except ValueError:  # not made of plain containers and values
        return None


def leave_out(*names: str) -> Outline:
    """Without these parts of a record."""

    def outline(record: Any) -> Any:
        if not isinstance(record, dict):
            return record
        return {name: value for name, value in record.items() if name not in names}

    return outline


def shorten_archives(record: Any) -> Any:
    """A function's record with numbers for archives, which are replaced and never changed."""
    if not isinstance(record, dict):
        return record
    versions = record.get("versions") or {}
    return _shorten(record) | {
        "versions": {name: _shorten(version) for name, version in versions.items()}
    }


def _shorten(version: dict[str, Any]) -> dict[str, Any]:
    return {  # the hash of bytes is kept with them
        name: hash(value) if isinstance(value, bytes) else value for name, value in version.items()
    }


class EntryStore(NotedStore):
    """A store's inner dictionary that notes which entries were in somebody's hand."""

    __slots__ = ("_entries", "_marks", "_outline")

    def __init__(
        self,
        data: dict[Any, Any],
        notes: Notes,
        service: str,
        entries: Entries,
        outline: Outline | None = None,
    ) -> None:
        super().__init__(data, notes, service)
        self._entries = entries
        self._outline = outline
        self._marks: dict[Any, int | None] = {}
        entries.stores.append(self)

    # --- noting ------------------------------------------------------------------

    def _wrote(self, key: Any) -> None:
        self._entries.note(key)
        self._notes.note_write(self._service)

    def _read(self, key: Any) -> None:
        entries = self._entries
        if entries.collector is None or not entries.is_collecting:
            entries.note(key)
            self._notes.note_read(self._service)

    def _read_all(self) -> None:
        if not self._entries.is_collecting:
            self._entries.note_all(self)
            self._notes.note_read(self._service)

    def _wrote_all(self) -> None:
        self._entries.renote((), {id(self): self})
        self._notes.note_write(self._service)

    # --- what is shown -----------------------------------------------------------

    def _show(self) -> dict[Any, Any]:
        """The entries that are being collected, in their order."""
        shown = self._entries.shown
        pairs = list(dict.items(self))
        return {key: value for key, value in pairs if shown is None or key in shown}

    def list_shown(self) -> list[tuple[Any, Any]]:
        """The pairs that are to be collected."""
        return list(self._show().items() if self._entries.is_collecting else dict.items(self))

    def values(self) -> Any:
        """All values, which may be changed in place."""
        return self._show().values() if self._entries.is_collecting else super().values()

    def items(self) -> Any:
        """All pairs, whose values may be changed in place."""
        return self._show().items() if self._entries.is_collecting else super().items()

    def keys(self) -> Any:
        """All keys."""
        return self._show().keys() if self._entries.is_collecting else super().keys()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._show()) if self._entries.is_collecting else super().__iter__()

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[Any, Any]:
        if self._entries.is_collecting:
            return copy.deepcopy(self._show(), memo)
        return super().__deepcopy__(memo)

    # --- comparing ---------------------------------------------------------------

    def mark(self, keys: Iterable[Any] | None) -> None:
        """Remember what the entries hold, before they are collected. None: all."""
        for key in list(dict.keys(self)) if keys is None else keys:
            if dict.__contains__(self, key):
                self._marks[key] = self._take(dict.get(self, key))
            else:
                self._marks.pop(key, None)

    def find_changed(self) -> set[Any]:
        """The entries that hold something else than when they were marked."""
        found = self._marks.keys() - dict.keys(self)
        for key, record in list(dict.items(self)):
            mark = self._take(record)
            if mark is None or self._marks.get(key) != mark:
                found.add(key)
        return found

    def _take(self, record: Any) -> int | None:
        return take_fingerprint(record if self._outline is None else self._outline(record))


class Entries:
    """Which entries of one service's stores are to be looked at. Noted from any thread."""

    def __init__(self) -> None:
        self.stores: list[EntryStore] = []
        self.shown: set[Any] | None = None
        self._touched: set[Any] = set()
        self._listed: dict[int, EntryStore] = {}
        self.collector: int | None = None
        """The thread that is collecting."""

    @property
    def is_collecting(self) -> bool:
        """Whether this thread is collecting: it sees what it is to collect, and notes nothing."""
        return self.collector == get_ident()

    @property
    def has_touched(self) -> bool:
        """Whether there is something to look at."""
        return bool(
            self._touched or self._listed or any(held.list_keys(self) for held in list_held())
        )

    def note(self, key: Any) -> None:
        """Somebody has the entry of this key in hand, in whichever store."""
        self._touched.add(key)
        request = find_request()
        if request is not None:
            request.in_hand(self).keys.add(key)

    def note_all(self, store: EntryStore) -> None:
        """Somebody has every entry of a store in hand.

        Of a request only when it turns out to be one that changes something: most search,
        and looking at all for them is left to the next sweep.
        """
        request = find_request()
        if request is None or request.is_answered:
            self._listed[id(store)] = store
        if request is not None:
            request.in_hand(self).stores[id(store)] = store

    def renote(self, keys: Iterable[Any], stores: Mapping[int, Any]) -> None:
        """Look at these again."""
        self._touched.update(keys)
        self._listed.update(stores)

    def take(self, thorough: bool) -> set[Any]:
        """The keys to look at now. thorough: compare all stores, whoever touched them."""
        keys: set[Any] = set()
        while self._touched:  # only single operations: threads go on noting
            keys.add(self._touched.pop())
        for held in list_held():
            keys.update(held.list_keys(self))
        stores = {id(store): store for store in self.stores} if thorough else {}
        while self._listed:
            stores.update([self._listed.popitem()])
        try:
            for store in stores.values():
                keys |= store.find_changed()
        except RuntimeError:  # a thread is changing it
            self.renote(keys, stores)
            raise
        return keys

    @contextmanager
    def show(self, keys: set[Any] | None) -> Iterator[None]:
        """Show only these entries to this thread, and note nothing that it does. None: all."""
        self.shown, self.collector = keys, get_ident()
        try:
            yield
        finally:
            self.collector = None


class EntryService(WholeService):
    """A service whose entries are compared with what was written of them, as far as touched."""

    def __init__(
        self,
        service: str,
        read: Callable[[], State | None],
        scopes: Scopes,
        encode: Encode,
        known: Groups,
        entries: Entries,
        written: bool,
    ) -> None:
        """written: what the service holds now is in known; otherwise all of it is collected.

        So it is when nothing is known: what a service makes for itself is kept with the rest.
        """
        super().__init__(service, read, scopes, encode, known)
        self._entries = entries
        self._is_new = not written or not self._written
        self._groups = {group for group, _ in self._written}
        self.looked_at: set[Any] | None = set()
        """The keys of the last collection; None: all."""

    @property
    def has_touched(self) -> bool:
        """Whether there is something to look at."""
        return self._is_new or self._entries.has_touched

    def collect(self, lines: list[bytes], thorough: bool = False) -> None:
        """Add a record for every entry that differs from what was written.

        thorough: look at entries too that nobody is known to have touched.
        """
        self.looked_at = set()  # should it end before anything was taken
        keys = None if self._is_new else self._entries.take(thorough)
        self.looked_at, self._is_new = keys, False
        try:
            for store in self._entries.stores:
                store.mark(keys)  # before reading: what a thread changes meanwhile is found later
            with self._entries.show(keys):
                self._compare_all(lines, keys)
        except RuntimeError:
            self.look_again()
            raise

    def _compare_all(self, lines: list[bytes], keys: set[Any] | None) -> None:
        state = self._read()
        if state is None:
            self.look_again()
            return
        if not self._written and is_empty(state):
            return
        seen = set()
        for group, key, value in self._scopes.flatten(state):
            seen.add((group, key))
            self._groups.add(group)
            self._compare(lines, group, key, value)
        for name in self._list_known(keys) - seen:
            self._forget(lines, name)

    def _list_known(self, keys: set[Any] | None) -> set[tuple[bytes, bytes]]:
        """What was written under these keys, in whichever store."""
        if keys is None:
            return set(self._written)
        names = ((group, encode_scoped_key(key)) for key in keys for group in self._groups)
        return {name for name in names if name in self._written}

    def look_again(self) -> None:
        """What was collected last was not all of it."""
        if self.looked_at is None:
            self._is_new = True
        else:
            self._entries.renote(self.looked_at, {})
