"""What was measured, kept over restarts: a record of the journal for each minute or hour."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from fairway.cloud.control.durable.records import decode_many, encode_name, put, remove
from fairway.cloud.control.journal_format import Groups
from fairway.cloud.control.metrics.measure import read_measure
from fairway.cloud.control.metrics.store import Metric, MetricStore, Series

STORE = b"cloudwatch.measured"
"""Its name in the journal. A group is a metric with its unit, a key an hour or a minute."""

SHARE = 50
"""Records written at once: a few milliseconds, when all have many values."""

_encode = json.JSONEncoder(separators=(",", ":")).encode


class MetricKeeper:
    """Writes a store's changes and brings them back. append: writes records, or raises OSError.

    Records are written by themselves, so that no request waits for them.
    """

    def __init__(self, store: MetricStore, append: Callable[[list[bytes]], None]) -> None:
        self._store = store
        self._append = append
        self._kept: list[tuple[bytes, Mapping[bytes, bytes]]] = []

    def restore(self, groups: Groups) -> None:
        """Take what the journal holds out of it; `load` makes it readable."""
        mine = [name for name in groups if name[0] == STORE]
        found = [(group, groups.pop((STORE, group))) for _, group in mine]
        self._kept = [(group, rows) for group, rows in found if rows]

    def load(self) -> Iterator[None]:
        """Make metrics readable, with a pause after each; nothing else may be added before."""
        while self._kept:
            group, rows = self._kept.pop()
            namespace, name, dimensions, unit = json.loads(group)
            metric = Metric(namespace, name, tuple((n, v) for n, v in dimensions))
            series = Series(unit)
            for key, row in zip(rows, decode_many(rows.values()), strict=True):
                points = series.minutes if key[:1] == b"m" else series.hours
                points[int(key[1:])] = read_measure(row)
            series.newest = max(series.minutes, default=0)
            self._store.adopt(metric, series)
            yield

    def write(self) -> Iterator[None]:
        """Write what changed, with a pause after each share of it. Raises OSError."""
        pending = list(self._store.take_changes())
        try:
            while pending:
                self._append([self._describe(*point) for point in pending[:SHARE]])
                del pending[:SHARE]
                yield
        finally:  # what could not be written, or was not waited for, is still to be written
            self._store.note_changes(pending)

    def _describe(self, metric: Metric, unit: str, kind: str, start: int) -> bytes:
        group = encode_name([metric.namespace, metric.name, metric.dimensions, unit])
        key = f"{kind}{start}".encode()
        series = self._store.find(metric)
        points = (series.minutes if kind == "m" else series.hours) if series else {}
        measure = points.get(start)
        if measure is None:
            return remove(STORE, group, key)
        return put(STORE, group, key, _encode(measure.describe()).encode())
