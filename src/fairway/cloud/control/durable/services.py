"""Every service of the emulator, followed: what is new as records, and records as state."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from fairway.cloud.control.durable import lists, logs, queues, tables, uploads
from fairway.cloud.control.durable.entries import (
    Entries,
    EntryService,
    EntryStore,
    Outline,
    leave_out,
    shorten_archives,
)
from fairway.cloud.control.durable.logs import LogGroups
from fairway.cloud.control.durable.objects import Objects
from fairway.cloud.control.durable.queues import Queues
from fairway.cloud.control.durable.records import make_encoder
from fairway.cloud.control.durable.stores import KeyedService, Scopes, State, WholeService
from fairway.cloud.control.durable.tables import Tables
from fairway.cloud.control.durable.touch import NotedStore, Notes
from fairway.cloud.control.journal_format import Groups

_log = logging.getLogger(__name__)

_KEYED = {
    "ssm": ("parameters", "parameter_history", "tags", "commands", "service_settings"),
    "secretsmanager": ("secrets", "resource_policies"),
}
_UNKEPT = {
    "s3": ("object_retention", "object_legal_hold", "completed_multipart_uploads"),
    "dynamodb": ("txn_idempotency",),
}
"""Stores that are not part of their service's own persistence."""

ENTRIES: Mapping[str, Mapping[str, Outline]] = {
    "apigateway": {},
    "cloudformation": {},
    "cloudwatch_logs": {"_log_groups": leave_out("streams")},
    "dynamodb": {"_tables": leave_out(*tables.DERIVED)},
    "ec2": {},
    "iam": {},
    "kms": {},
    "lambda": {"_functions": shorten_archives},
    "sns": {},
}
"""Services whose own persistence keeps each entry of a store under the entry's key, so that
it can be shown a part (a test tries each); their stores whose records have an outline.

Not those where two records share a part (a listener and its default rule, an object and its
version): a change through one must find the other too."""

_DEFERRED = frozenset({"cloudtrail", "cloudwatch", "firehose", "kinesis"})
"""Services that hold measurements: written by sweeps."""

_OWNERS = {
    tables.STORE: "dynamodb",
    queues.STORE: "sqs",
    queues.MESSAGES: "sqs",
    queues.SEEN: "sqs",
    logs.STREAMS: "cloudwatch_logs",
    logs.EVENTS: "cloudwatch_logs",
    lists.CHANGES: "dynamodb",
    lists.DATA: "kinesis",
    uploads.UPLOADS: "s3",
    uploads.PARTS: "s3",
    b"s3.locks": "s3",
    b"dynamodb.locks": "dynamodb",
}
_ROWS = _OWNERS.keys()

_SHARE = 50.0
"""A sweep of one service may take one part in so many of the loop's time."""

Collected = list[bytes]


class Source(Protocol):
    """Something that notes what changes one by one, and writes it with the next batch."""

    @property
    def has_pending(self) -> bool:
        """Whether `collect` has something to write."""

    def collect(self, lines: Collected) -> None:
        """Add a record for everything that changed. RuntimeError: a thread is changing it."""


def _parts_of(s3: Any) -> Path:
    return Path(s3.DATA_DIR).parent / "uploads"


class Services:
    """Installed once the emulator's modules are imported; `follow` again when more are.

    modules: state key to module. count: how many were imported for requests so far, cheaply.
    append: writes records at once (for S3).
    """

    def __init__(
        self,
        modules: Callable[[], dict[str, Any]],
        count: Callable[[], int],
        append: Callable[[Collected], None],
        failed: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from ministack.core import persistence, responses

        self.notes = Notes()
        self._modules = modules
        self._count = count
        self._counted = 0
        self._append = append
        self._failed = failed
        self._clock = clock
        self._encode = make_encoder(persistence._json_default)
        self._hook = persistence._json_object_hook
        self._scoped = (responses.AccountRegionScopedDict, responses.AccountScopedDict)
        self._scopes = Scopes(*self._scoped)
        self._known: Groups = {}
        self.snapshots: Mapping[str, State] = {}
        """States that services begin with, not in the journal yet."""
        self._whole: dict[str, WholeService] = {}
        self._keyed: dict[str, KeyedService] = {}
        self._entries = {service: Entries() for service in ENTRIES}
        self._followed: set[str] = set()
        self._next: dict[str, float] = {}
        self._tables: Tables | None = None
        self._queues: Queues | None = None
        self._logs: LogGroups | None = None
        self._objects: Objects | None = None
        self._sources: list[Source] = []

    def include(self, source: Source) -> None:
        """Write what this source notes too."""
        self._sources.append(source)

    # --- restoring ---------------------------------------------------------------

    def know(self, groups: Groups, snapshots: Mapping[str, State]) -> None:
        """These records are what the journal holds. snapshots: states to begin with instead."""
        self._known, self.snapshots = groups, snapshots

    def forget_rows(self) -> None:
        """Everything but the engine is restored: what the journal held need not stay in memory."""
        for store, group in list(self._known):
            if store in _ROWS:
                del self._known[(store, group)]

    def stored(self) -> set[str]:
        """Services that have records."""
        found = {_OWNERS.get(store, store.decode()) for store, _ in self._known}
        return found | self.snapshots.keys()

    def rebuild(self, service: str, module: Any) -> State:
        """A service's state as its own restoring function takes it; empty without records."""
        if service in self.snapshots:
            return self.snapshots[service]
        state = self._scopes.rebuild(service, self._known, self._hook)
        if service == "dynamodb":
            Tables(module, self._encode, self._hook).fill(state, self._known)
            lists.restore_changes(module, self._known, self._hook)
        elif service == "kinesis":
            lists.fill_streams(state, self._known, self._hook)
        elif service == "cloudwatch_logs":
            LogGroups(module, self._encode, self._hook).fill(state, self._known)
        elif service == "sqs":
            state |= Queues(module, self._encode, self._hook).rebuild(self._known)
        elif service == "s3":
            uploads.restore_uploads(module, _parts_of(module), self._known, self._hook)
        if service in _UNKEPT:
            unkept = self._scopes.rebuild(f"{service}.locks", self._known, self._hook)
            for name, store in unkept.items():
                getattr(module, f"_{name}")._data.update(store._data)
        return state

    # --- following ---------------------------------------------------------------

    def list_unfollowed(self) -> list[str]:
        """Services that are imported and not followed yet."""
        return [s for s in self._modules() if s not in self._followed]

    def follow(self, service: str, restored: bool = True) -> None:
        """Follow a service from now on. restored: what it holds is in the journal."""
        module = self._modules()[service]
        written = restored and service not in self.snapshots
        self._followed.add(service)
        if not written:
            self.notes.note_write(service)
        if service == "sqs":
            self._queues = Queues(module, self._encode, self._hook)
            self._queues.install(self.notes, written)
            self.watch(service, module)
            return
        if service in _KEYED:
            self._keyed[service] = self._key(service, module, _KEYED[service])
            return
        read: Callable[[], State | None] = module.get_state
        if service == "dynamodb":
            self._tables = Tables(module, self._encode, self._hook)
            self._tables.install(written)
            read = self._tables.read
            self._include(lists.follow_changes(module, self._encode), written)
        elif service == "kinesis":
            read = partial(lists.read_streams, module)
            self._include(lists.follow_data(module, self._encode), written)
        elif service == "cloudwatch_logs":
            self._logs = LogGroups(module, self._encode, self._hook)
            self._logs.install(written)
            read = self._logs.read
        elif service == "s3":
            self._objects = Objects(module, self._append, self._failed)
            self._objects.install()
            parts = uploads.Uploads(module, _parts_of(module), self._encode, self._failed)
            parts.install(self.notes, written)
            self.include(parts)
        if service in _UNKEPT:
            name = f"{service}.locks"
            self._keyed[name] = self._key(name, module, _UNKEPT[service])
        known = {} if service in self.snapshots else self._known
        self._whole[service] = (
            EntryService(
                service, read, self._scopes, self._encode, known, self._entries[service], written
            )
            if service in ENTRIES
            else WholeService(service, read, self._scopes, self._encode, known)
        )
        self.watch(service, module)

    def _include(self, source: lists.RecordLists, written: bool) -> None:
        if written:
            source.know()
        self.include(source)

    def _key(self, service: str, module: Any, names: Iterable[str]) -> KeyedService:
        stores = {name: getattr(module, f"_{name}") for name in names}
        return KeyedService(service, stores, self._scopes, self._encode, self.notes)

    def watch(self, service: str, module: Any) -> None:
        """Note what happens to the module's stores. On any thread, while none is in the module."""
        package = [module]
        if hasattr(module, "__path__"):
            prefix = f"{module.__name__}."
            package += [m for n, m in list(sys.modules.items()) if n.startswith(prefix) and m]
        for part in package:
            for name, store in list(vars(part).items()):
                if isinstance(store, self._scoped) and not isinstance(store._data, NotedStore):
                    store._data = self._wrap(service, name, store._data)

    def _wrap(self, service: str, name: str, data: dict[Any, Any]) -> NotedStore:
        if service not in ENTRIES:
            return NotedStore(data, self.notes, service)
        outline = ENTRIES[service].get(name)
        return EntryStore(data, self.notes, service, self._entries[service], outline)

    # --- collecting --------------------------------------------------------------

    @property
    def has_news(self) -> bool:
        """Whether something was certainly written since the last collection."""
        return bool(
            self._count() != self._counted
            or self.notes.written - _DEFERRED
            or (self._tables and self._tables.has_pending)
            or (self._queues and self._queues.has_touched)
            or (self._objects and self._objects.has_pending)
            or any(keyed.has_touched for keyed in self._keyed.values())
            or any(source.has_pending for source in self._sources)
        )

    def follow_new(self) -> None:
        """Follow services that were imported for a request: it may have changed them already."""
        self._counted = self._count()
        for service in self.list_unfollowed():
            self.follow(service, restored=False)

    def collect(self, lines: Collected, touched: Iterable[str] = ()) -> None:
        """Add records for everything written, and for services a request touched.

        All of it in one call without a pause, so that one batch of the journal
        is one moment. Raises RuntimeError when a thread changed a service
        meanwhile: call again.
        """
        if self._count() != self._counted:
            self.follow_new()
        due = {s for s in list(self.notes.written) if s not in _DEFERRED} | set(touched)
        for service in due & self._whole.keys():
            self._collect_whole(lines, service)
        for service in due & self._keyed.keys():
            self._keyed[service].collect(lines, everything=True)
        self.notes.written -= due - self._whole.keys()
        self._collect_rows(lines)

    def _collect_rows(self, lines: Collected) -> None:
        if self._tables is not None:
            self._tables.collect(lines)
        if self._queues is not None:
            self._queues.collect(lines)
        if self._objects is not None:
            self._objects.collect(lines)
        for keyed in self._keyed.values():
            keyed.collect(lines)
        for source in self._sources:
            source.collect(lines)

    def _collect_whole(self, lines: Collected, service: str, thorough: bool = False) -> None:
        whole = self._whole[service]
        by_entry = whole if isinstance(whole, EntryService) else None
        if by_entry and not (thorough or service in self.notes.written or by_entry.has_touched):
            return
        self.notes.written.discard(service)
        if thorough or by_entry is None:
            self.notes.read.discard(service)
        try:
            if by_entry is None:
                whole.collect(lines)
            else:
                by_entry.collect(lines, thorough)
            if service == "dynamodb" and self._tables is not None:
                self._tables.collect_tables(lines)
            if service == "cloudwatch_logs" and self._logs is not None:
                self._logs.collect(lines, by_entry.looked_at if by_entry and not thorough else None)
        except RuntimeError:
            self.notes.written.add(service)
            if thorough:
                self.notes.read.add(service)
            if by_entry:
                by_entry.look_again()
            raise

    def list_due(self, everything: bool = False) -> list[str]:
        """Services that a sweep has to look at. everything: whatever it costs."""
        if self._count() != self._counted:
            self.follow_new()
        names = (self.notes.read | self.notes.written) & self._whole.keys()
        now = self._clock()
        return sorted(n for n in names if everything or self._next.get(n, 0.0) <= now)

    def sweep(self, lines: Collected, service: str, thorough: bool = True) -> None:
        """Look at one service, and not again before its share of time allows.

        thorough: at entries too that nobody is known to have touched.
        """
        began = self._clock()
        self._collect_whole(lines, service, thorough)
        ended = self._clock()
        if thorough:
            self._next[service] = ended + (ended - began) * _SHARE
