"""CloudWatch Logs: definitions with the service's other records, events in appended pieces."""

from __future__ import annotations

from typing import Any

from fairway.cloud.control.durable.records import (
    clear,
    decode_many,
    decode_scoped_key,
    encode_name,
    encode_scoped_key,
    put,
)
from fairway.cloud.control.durable.stores import Encode, State
from fairway.cloud.control.journal_format import Groups

STREAMS = b"logs.streams"
EVENTS = b"logs.events"
_STORES = (
    "destinations",
    "resource_policies",
    "log_group_policies",
    "metric_filters",
    "queries",
    "log_records",
    "delivery_sources",
    "delivery_destinations",
    "deliveries",
)


class Stream:
    """What was written of one stream."""

    def __init__(self) -> None:
        self.definition = 0
        self.count = 0
        self.first: object = None
        self.last: object = None

    def follows(self, events: list[Any]) -> bool:
        """Whether what was written is still the beginning of the events."""
        if not self.count:
            return True
        return (
            len(events) >= self.count
            and events[0] is self.first
            and events[self.count - 1] is self.last
        )

    def take(self, events: list[Any]) -> None:
        """These are written now."""
        self.count = len(events)
        self.first, self.last = (events[0], events[-1]) if events else (None, None)


class LogGroups:
    """Follows streams; a stream's new events are one record, its old ones are not rewritten."""

    def __init__(self, logs: Any, encode: Encode, hook: Any) -> None:
        self._logs = logs
        self._encode = encode
        self._hook = hook
        self._streams: dict[tuple[Any, str], Stream] = {}

    def install(self, written: bool = True) -> None:
        """written: what the streams hold now is."""
        for key, group in dict.items(self._logs._log_groups._data):
            for name, record in group["streams"].items():
                self._streams[(key, name)] = Stream()
                if written:
                    self._streams[(key, name)].take(record["events"])

    def read(self) -> State:
        """The service's state without streams."""
        groups = type(self._logs._log_groups)()
        for key, group in list(self._logs._log_groups._data.items()):
            groups._data[key] = {n: v for n, v in group.items() if n != "streams"}
        return {"log_groups": groups, **{n: getattr(self._logs, f"_{n}") for n in _STORES}}

    def collect(self, lines: list[bytes], keys: set[Any] | None = None) -> None:
        """Add records for changed streams and new events. keys: of the groups; None: all."""
        gone = {place for place in self._streams if keys is None or place[0] in keys}
        for key, group in list(dict.items(self._logs._log_groups._data)):
            if keys is not None and key not in keys:
                continue
            for name, record in list(group["streams"].items()):
                gone.discard((key, name))
                stream = self._streams.setdefault((key, name), Stream())
                self._compare(lines, [encode_scoped_key(key).decode(), name], record, stream)
        for key, name in gone:
            del self._streams[(key, name)]
            place = encode_name([encode_scoped_key(key).decode(), name])
            lines += [clear(STREAMS, place), clear(EVENTS, place)]

    def _compare(
        self, lines: list[bytes], place: list[str], record: dict[str, Any], stream: Stream
    ) -> None:
        events = list(record["events"])
        group = encode_name(place)
        if not stream.follows(events):  # some expired, or a late batch was sorted in
            lines.append(clear(EVENTS, group))
            stream.count = 0
        if len(events) > stream.count:
            fresh = events[stream.count :]
            lines.append(put(EVENTS, group, b"%d" % stream.count, self._encode(fresh).encode()))
        stream.take(events)
        text = self._encode({n: v for n, v in record.items() if n != "events"})
        if hash(text) != stream.definition:
            stream.definition = hash(text)
            lines.append(put(STREAMS, group, b"0", text.encode()))

    def fill(self, state: State, groups: Groups) -> None:
        """Put the kept streams into the groups of a state that is about to be restored."""
        found = getattr(state.get("log_groups"), "_data", {})
        for group in dict.values(found):
            group["streams"] = {}
        for (store, place), rows in groups.items():
            if store != STREAMS:
                continue
            key, name = decode_many([place])[0]
            group = found.get(decode_scoped_key(key.encode()))
            if group is None:
                continue
            record = decode_many(rows.values(), self._hook)[0]
            pieces = groups.get((EVENTS, place), {})
            parts = zip(map(int, pieces), decode_many(pieces.values(), self._hook), strict=True)
            record["events"] = [event for _, part in sorted(parts) for event in part]
            group["streams"][name] = record
