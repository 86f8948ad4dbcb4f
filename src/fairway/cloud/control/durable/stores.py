"""Services kept as records of their stores: whole small ones, and keyed large ones."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fairway.cloud.control.durable.records import (
    decode_many,
    decode_scoped_key,
    encode_name,
    encode_scoped_key,
    put,
    remove,
)
from fairway.cloud.control.durable.touch import KeyedStore, NotedStore, Notes
from fairway.cloud.control.journal_format import Groups

_log = logging.getLogger(__name__)

State = dict[str, Any]
Encode = Callable[[Any], str]

_PLAIN_KEY = b"null"


def is_empty(state: object) -> bool:
    """Whether a state holds nothing: stores without entries, empty containers, plain defaults."""
    if hasattr(state, "_data"):
        return not state._data
    if isinstance(state, Mapping):
        return all(is_empty(value) for value in state.values())
    if isinstance(state, (list, tuple, set, frozenset)):
        return not state
    return not isinstance(state, (str, bytes)) or not state


class Scopes:
    """ministack's two scoped dictionaries, by the letter they have in a group's name."""

    def __init__(self, regional: Any, global_: Any) -> None:
        self._types = {"r": regional, "a": global_}

    def letter_of(self, store: object) -> str | None:
        """r, a, or None for a plain value."""
        for letter, kind in self._types.items():
            if isinstance(store, kind):
                return letter
        return None

    def make(self, letter: str, data: dict[Any, Any]) -> Any:
        """A scoped dictionary with this content."""
        made = self._types[letter]()
        made._data.update(data)
        return made

    def flatten(self, state: State) -> Iterator[tuple[bytes, bytes, Any]]:
        """Every record of a state: group, key, value."""
        for name, store in state.items():
            letter = self.letter_of(store)
            if letter is None:
                yield encode_name(f"{name}:v"), _PLAIN_KEY, store
                continue
            group = encode_name(f"{name}:{letter}")
            data = store._data
            pairs = data.list_shown() if isinstance(data, NotedStore) else list(data.items())
            for key, value in pairs:
                yield group, encode_scoped_key(key), value

    def rebuild(self, service: str, groups: Groups, hook: Any) -> State:
        """The state that `flatten` took apart."""
        state: State = {}
        for (store, group), rows in groups.items():
            if store != service.encode():
                continue
            name, _, letter = decode_many([group])[0].rpartition(":")
            values = decode_many(rows.values(), hook)
            if letter == "v":
                state[name] = values[0]
            else:
                keys = [decode_scoped_key(key) for key in rows]
                state[name] = self.make(letter, dict(zip(keys, values, strict=True)))
        return state


class WholeService:
    """A service whose records are all compared with what was written of them last.

    read: a copy of its state, as its own persistence makes it; None when it cannot say.
    """

    def __init__(
        self,
        service: str,
        read: Callable[[], State | None],
        scopes: Scopes,
        encode: Encode,
        known: Groups,
    ) -> None:
        self._store = service.encode()
        self._read = read
        self._scopes = scopes
        self._encode = encode
        self._written: dict[tuple[bytes, bytes], int] = {
            (group, key): hash(value.decode())
            for (store, group), rows in known.items()
            if store == self._store
            for key, value in rows.items()
        }

    def collect(self, lines: list[bytes]) -> None:
        """Add a record for everything that differs from what was written."""
        state = self._read()
        if state is None or (not self._written and is_empty(state)):
            return
        gone = set(self._written)
        for group, key, value in self._scopes.flatten(state):
            gone.discard((group, key))
            self._compare(lines, group, key, value)
        for name in gone:
            self._forget(lines, name)

    def _compare(self, lines: list[bytes], group: bytes, key: bytes, value: object) -> None:
        try:
            text = self._encode(value)
        except TypeError as error:  # a live object: ministack cannot keep it either
            _log.warning("%s %s cannot be kept: %s", self._store, group, error)
            return
        mark = hash(text)
        if self._written.get((group, key)) != mark:
            lines.append(put(self._store, group, key, text.encode()))
            self._written[(group, key)] = mark

    def _forget(self, lines: list[bytes], name: tuple[bytes, bytes]) -> None:
        lines.append(remove(self._store, *name))
        del self._written[name]


class KeyedService:
    """A service that may hold very many records: only touched ones are looked at."""

    def __init__(
        self, service: str, stores: Mapping[str, Any], scopes: Scopes, encode: Encode, notes: Notes
    ) -> None:
        self._store = service.encode()
        self._encode = encode
        self._stores: list[tuple[bytes, KeyedStore, dict[Any, int]]] = []
        for name, store in stores.items():
            noted = KeyedStore(store._data, notes, service)
            store._data = noted
            group = encode_name(f"{name}:{scopes.letter_of(store)}")
            self._stores.append((group, noted, dict.fromkeys(noted, 0)))

    def collect(self, lines: list[bytes], everything: bool = False) -> None:
        """Add a record for every touched key whose value is new."""
        for group, store, written in self._stores:
            if everything:
                store.touched.update(list(dict.keys(store)), list(written))
            while store.touched:
                key = store.touched.pop()
                try:
                    self._collect_key(lines, group, store, written, key)
                except RuntimeError:  # a thread is changing it
                    store.touched.add(key)
                    raise

    def _collect_key(
        self,
        lines: list[bytes],
        group: bytes,
        store: KeyedStore,
        written: dict[Any, int],
        key: Any,
    ) -> None:
        value = dict.get(store, key)
        if value is None:
            if written.pop(key, None) is not None:
                lines.append(remove(self._store, group, encode_scoped_key(key)))
            return
        text = self._encode(value)
        mark = hash(text)
        if written.get(key) != mark:
            written[key] = mark
            lines.append(put(self._store, group, encode_scoped_key(key), text.encode()))

    @property
    def has_touched(self) -> bool:
        """Whether `collect` has something to look at."""
        return any(store.touched for _, store, _ in self._stores)
