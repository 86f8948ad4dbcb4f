"""Records of streams: lists that grow at one end and expire at the other, a record at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from fairway.cloud.control.durable.records import (
    clear,
    decode_many,
    decode_scoped_key,
    encode_name,
    encode_scoped_key,
    put,
    remove,
)
from fairway.cloud.control.durable.stores import Encode, State
from fairway.cloud.control.journal_format import Groups

CHANGES = b"dynamodb.changes"
DATA = b"kinesis.data"

Records = list[dict[str, Any]]
Lists = Callable[[], Iterator[tuple[bytes, Records]]]
"""Every list by its name in the journal."""


class RecordLists:
    """Compares both ends of each list with what was written of it. Implements `services.Source`.

    order: a record's sequence number, which grows along a list and is never used again.
    """

    def __init__(
        self, store: bytes, lists: Lists, order: Callable[[dict[str, Any]], str], encode: Encode
    ) -> None:
        self._store = store
        self._lists = lists
        self._order = order
        self._encode = encode
        self._written: dict[bytes, deque[str]] = {}

    def know(self) -> None:
        """What the lists hold now is in the journal."""
        for name, records in self._lists():
            self._written[name] = deque(map(self._order, records))

    @property
    def has_pending(self) -> bool:
        """Whether a list has another end than was written, or is gone."""
        found = 0
        for name, records in self._lists():
            found += 1
            written = self._written.get(name)
            if written is None or (records and (not written or self._last(records) != written[-1])):
                return True
        return found != len(self._written)

    def _last(self, records: Records) -> str:
        return self._order(records[-1])

    def collect(self, lines: list[bytes]) -> None:
        """Add a record for everything that was appended or has expired."""
        gone = set(self._written)
        for name, records in self._lists():
            gone.discard(name)
            self._compare(lines, name, records, self._written.setdefault(name, deque()))
        for name in gone:
            del self._written[name]
            lines.append(clear(self._store, name))

    def _compare(
        self, lines: list[bytes], name: bytes, records: Records, written: deque[str]
    ) -> None:
        first = self._order(records[0]) if records else None
        while written and (first is None or written[0] < first):
            lines.append(remove(self._store, name, encode_name(written.popleft())))
        fresh = []
        for place in range(len(records) - 1, -1, -1):
            if written and self._order(records[place]) <= written[-1]:
                break
            fresh.append(records[place])
        for record in reversed(fresh):
            order = self._order(record)
            written.append(order)
            text = self._encode(record).encode()
            lines.append(put(self._store, name, encode_name(order), text))


def read_lists(store: bytes, groups: Groups, hook: Any) -> Iterator[tuple[bytes, Records]]:
    """The lists that were written, by name; each in its order."""
    for (owner, name), rows in groups.items():
        if owner == store:
            pairs = zip(decode_many(rows), decode_many(rows.values(), hook), strict=True)
            yield name, [record for _, record in sorted(pairs, key=lambda pair: pair[0])]


# --- streams of tables -----------------------------------------------------------


def follow_changes(dynamodb: Any, encode: Encode) -> RecordLists:
    """What changed in tables that have a stream."""

    def lists() -> Iterator[tuple[bytes, Records]]:
        for key, records in list(dict.items(dynamodb._stream_records._data)):
            yield encode_scoped_key(key), records

    return RecordLists(
        CHANGES, lists, lambda record: str(record["dynamodb"]["SequenceNumber"]), encode
    )


def restore_changes(dynamodb: Any, groups: Groups, hook: Any) -> None:
    """Give tables' streams back what they held."""
    for name, records in read_lists(CHANGES, groups, hook):
        dynamodb._stream_records._data[decode_scoped_key(name)] = records


# --- Kinesis data streams ----------------------------------------------------------


def _name_shard(key: tuple[Any, ...], shard: str) -> bytes:
    return encode_name([encode_scoped_key(key).decode(), shard])


def follow_data(kinesis: Any, encode: Encode) -> RecordLists:
    """What was put into data streams."""

    def lists() -> Iterator[tuple[bytes, Records]]:
        for key, stream in list(dict.items(kinesis._streams._data)):
            for shard, content in list(stream["shards"].items()):
                yield _name_shard(key, shard), content["records"]

    return RecordLists(DATA, lists, lambda record: str(record["SequenceNumber"]), encode)


def read_streams(kinesis: Any) -> State:
    """The service's state without records."""
    streams = type(kinesis._streams)()
    for key, stream in list(dict.items(kinesis._streams._data)):
        shards = {
            name: {k: v for k, v in shard.items() if k != "records"}
            for name, shard in list(stream["shards"].items())
        }
        streams._data[key] = {**stream, "shards": shards}
    stores = ("shard_iterators", "consumers", "resource_policies")
    return {"streams": streams, **{name: getattr(kinesis, f"_{name}") for name in stores}}


def fill_streams(state: State, groups: Groups, hook: Any) -> None:
    """Put the kept records into the shards of a state that is about to be restored."""
    kept = dict(read_lists(DATA, groups, hook))
    for key, stream in dict.items(getattr(state.get("streams"), "_data", {})):
        for name, shard in stream["shards"].items():
            # A state of an earlier version has its records inside.
            shard["records"] = kept.get(_name_shard(key, name), shard.get("records") or [])
