"""SQS: queues, their messages one by one, and what FIFO queues remember to drop duplicates."""

from __future__ import annotations

import json
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
from fairway.cloud.control.durable.touch import KeyedStore, Notes
from fairway.cloud.control.journal_format import Groups

STORE = b"sqs.queues"
MESSAGES = b"sqs.messages"
SEEN = b"sqs.seen"
_QUEUES = b'"queues"'
_APART = ("messages", "dedup_cache")

Queue = dict[str, Any]


class Shadow:
    """What was written of one queue."""

    def __init__(self, queue: Queue, written: bool) -> None:
        messages = queue["messages"] if written else []
        self.queue = queue
        self.definition = 0
        self.messages = {m["id"]: _stamp(m) for m in messages}
        self.seen = set(queue["dedup_cache"]) if written else set()


def _stamp(message: dict[str, Any]) -> tuple[Any, ...]:
    return message["receipt_handle"], message["visible_at"], message["receive_count"]


class Queues:
    """Compares touched queues with what was written of them.

    The emulator walks a queue's messages on every receive and delete itself, so
    a walk of ours costs the same order of time.
    """

    def __init__(self, sqs: Any, encode: Encode, hook: Any) -> None:
        self._sqs = sqs
        self._encode = encode
        self._hook = hook
        self._shadows: dict[Any, Shadow] = {}
        self._store: KeyedStore | None = None

    def install(self, notes: Notes, written: bool = True) -> None:
        """Follow the store of queues. written: what it holds now is."""
        data = self._sqs._queues._data
        self._shadows = {key: Shadow(queue, written) for key, queue in data.items()}
        self._store = KeyedStore(data, notes, "sqs")
        if not written:
            self._store.touched.update(data)
        self._sqs._queues._data = self._store

    @property
    def has_touched(self) -> bool:
        """Whether `collect` has something to look at."""
        return self._store is not None and bool(self._store.touched)

    def collect(self, lines: list[bytes]) -> None:
        """Add records for what changed in touched queues."""
        store = self._store
        if store is None:
            return
        while store.touched:
            key = store.touched.pop()
            queue = dict.get(store, key)
            shadow = self._shadows.get(key)
            if shadow is not None and shadow.queue is not queue:
                self._forget(lines, key)
                shadow = None
            if queue is not None:
                if shadow is None:
                    shadow = self._shadows[key] = Shadow(queue, False)
                try:
                    self._compare(lines, encode_scoped_key(key), queue, shadow)
                except RuntimeError:  # a thread is changing it
                    store.touched.add(key)
                    raise

    def _forget(self, lines: list[bytes], key: Any) -> None:
        del self._shadows[key]
        name = encode_scoped_key(key)
        lines += [remove(STORE, _QUEUES, name), clear(MESSAGES, name), clear(SEEN, name)]

    def _compare(self, lines: list[bytes], name: bytes, queue: Queue, shadow: Shadow) -> None:
        text = self._encode({n: v for n, v in queue.items() if n not in _APART})
        if hash(text) != shadow.definition:
            shadow.definition = hash(text)
            lines.append(put(STORE, _QUEUES, name, text.encode()))
        self._compare_messages(lines, name, queue["messages"], shadow.messages)
        if queue["is_fifo"]:
            self._compare_seen(lines, name, dict(queue["dedup_cache"]), shadow)

    def _compare_messages(
        self,
        lines: list[bytes],
        name: bytes,
        messages: list[dict[str, Any]],
        written: dict[str, tuple[Any, ...]],
    ) -> None:
        count = 0
        for message in messages:
            count += 1
            stamp = (message["receipt_handle"], message["visible_at"], message["receive_count"])
            number = message["id"]
            if written.get(number) != stamp:
                written[number] = stamp
                lines.append(
                    put(MESSAGES, name, encode_name(number), self._encode(message).encode())
                )
        if len(written) != count:
            for number in written.keys() - {m["id"] for m in messages}:
                del written[number]
                lines.append(remove(MESSAGES, name, encode_name(number)))

    def _compare_seen(
        self, lines: list[bytes], name: bytes, seen: dict[str, Any], shadow: Shadow
    ) -> None:
        for number in seen.keys() - shadow.seen:
            lines.append(put(SEEN, name, encode_name(number), self._encode(seen[number]).encode()))
        for number in shadow.seen - seen.keys():
            lines.append(remove(SEEN, name, encode_name(number)))
        shadow.seen = set(seen)

    def read_back(self, groups: Groups) -> dict[tuple[Any, ...], Queue]:
        """The queues that were written, by their scoped key."""
        found: dict[tuple[Any, ...], Queue] = {}
        for name, text in groups.get((STORE, _QUEUES), {}).items():
            queue: Queue = json.loads(text, object_hook=self._hook)
            kept = groups.get((MESSAGES, name), {})
            seen = groups.get((SEEN, name), {})
            queue["messages"] = decode_many(kept.values(), self._hook)
            queue["dedup_cache"] = dict(
                zip(decode_many(seen), decode_many(seen.values(), self._hook), strict=True)
            )
            found[decode_scoped_key(name)] = queue
        return found

    def rebuild(self, groups: Groups) -> State:
        """The state to restore the service from."""
        queues = type(self._sqs._queues)()
        queues._data.update(self.read_back(groups))
        return {"queues": queues} if queues._data else {}
