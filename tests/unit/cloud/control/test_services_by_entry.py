"""The emulator's services, collected by entry: the same records as when all is copied."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fairway.cloud.control.durable.blobs import CodeBlobs
from fairway.cloud.control.durable.entries import (
    Entries,
    EntryStore,
    shorten_archives,
    take_fingerprint,
)
from fairway.cloud.control.durable.logs import LogGroups
from fairway.cloud.control.durable.records import make_encoder
from fairway.cloud.control.durable.services import ENTRIES, Services
from fairway.cloud.control.durable.stores import WholeService
from fairway.cloud.control.durable.touch import Notes
from fairway.cloud.control.journal_format import Content

Record = dict[str, Any]


class Regional:
    """As ministack's: an inner dictionary with scoped keys."""

    def __init__(self) -> None:
        self._data: Any = {}


A, B = (("1", "r", name) for name in "ab")


def apply(content: Content, lines: list[bytes]) -> None:
    """What a journal would hold."""
    if lines:
        content.apply(b"\n".join(lines) + b"\n")
    lines.clear()


@pytest.fixture
def module(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """A service's module; what following it puts in is taken out again."""
    names = importlib.import_module("ministack.app")._state_map
    found = importlib.import_module(f"ministack.services.{names[request.param]}")
    before = dict(vars(found))
    contents = {name: store._data for name, store in list_stores(found).items()}
    yield found
    vars(found).update(before)
    for name, data in contents.items():
        vars(found)[name]._data = data


def list_stores(module: ModuleType) -> dict[str, Any]:
    responses = importlib.import_module("ministack.core.responses")
    kinds = (responses.AccountRegionScopedDict, responses.AccountScopedDict)
    return {
        name: store
        for name, store in vars(module).items()
        if isinstance(store, kinds) and name != "_stream_records"  # lists, followed by themselves
    }


def make_record(name: str) -> Record:
    """Something that every service takes for a record of its own."""
    apart: Record = {part: {} for part in ("items", "objects", "parts", "streams", "versions")}
    return {"TableArn": f"arn:{name}", "name": name, "deep": {"list": [{"n": 1}]}, **apart}


@pytest.mark.parametrize(
    ("service", "module"), [(s, s) for s in sorted(ENTRIES)], indirect=["module"]
)
def test_collected_by_entry_is_what_collected_whole_would_be(
    service: str, module: ModuleType
) -> None:
    stores = list_stores(module)
    assert ENTRIES[service].keys() <= stores.keys()
    for store in stores.values():
        store._data = {}
        for name in "abc":
            store[name] = make_record(name)
    services = Services(lambda: {service: module}, lambda: 1, lambda lines: None, lambda text: None)
    services.follow(service, restored=False)
    content, lines = Content(), list[bytes]()

    def check() -> None:
        apply(content, lines)
        whole = services._whole[service]
        read = WholeService(service, whole._read, services._scopes, services._encode, {})
        expected, fresh = Content(), list[bytes]()
        read.collect(fresh)
        apply(expected, fresh)
        own = {
            place: rows
            for place, rows in content.groups.items()
            if place[0] == service.encode() and rows
        }
        wanted = {place: rows for place, rows in expected.groups.items() if rows}
        for place in own.keys() | wanted.keys():
            assert own.get(place) == wanted.get(place), place

    services.collect(lines)
    assert len(lines) >= 3
    check()
    kept = [store for store in stores.values() if isinstance(store._data, EntryStore)]
    assert kept
    for store in kept:  # by key, in depth
        store["a"]["deep"]["list"][0]["n"] = 2
        store["d"] = make_record("d")
        del store["b"]
    services.collect(lines)
    assert lines
    check()
    held = [store["c"] for store in kept]
    services.collect(lines)
    check()
    for record in held:  # behind everybody's back
        record["deep"]["list"].append(3)
    services.sweep(lines, service)
    assert lines
    check()
    for store in kept:  # found by going through all
        next(r for r in store.values() if r["name"] == "d")["deep"] = "changed"
    services.notes.note_write(service)
    services.collect(lines)
    assert lines
    check()


# --- what is followed beside the entries ---------------------------------------


def test_a_fingerprint_tells_contents_apart_and_nothing_else() -> None:
    text = "shared" * 3
    shared = {"a": [text, text], "n": 1, "none": None, "bytes": b"x"}
    apart = copy.deepcopy(shared)
    apart["a"] = ["sharedsharedshared", "".join(["shared"] * 3)]
    assert take_fingerprint(shared) == take_fingerprint(apart)
    for other in ({"n": 1.0}, {"n": True}, {"n": 2}, {"a": [text]}, {"bytes": b"y"}):
        assert take_fingerprint({**shared, **other}) != take_fingerprint(shared)
    assert take_fingerprint({"live": object()}) is None


def test_an_archive_counts_by_its_content() -> None:
    def make(code: bytes, published: bytes) -> Any:
        record = {
            "config": {"Timeout": 3},
            "code_zip": code,
            "versions": {"1": {"code_zip": published, "config": {}}},
        }
        return take_fingerprint(shorten_archives(record))

    assert make(b"one" * 9, b"two") == make(bytes(bytearray(b"one") * 9), b"two")
    assert len({make(b"one", b"two"), make(b"1", b"two"), make(b"one", b"2")}) == 3


def test_only_streams_of_groups_in_hand_are_looked_at() -> None:
    logs = SimpleNamespace(_log_groups=Regional())
    groups = logs._log_groups._data
    for key in (A, B):
        groups[key] = {"streams": {"s": {"events": []}}}
    followed, lines = LogGroups(logs, make_encoder(None), None), list[bytes]()
    followed.collect(lines)
    lines.clear()
    for key in (A, B):
        groups[key]["streams"]["s"]["events"].append({"t": 1})
    followed.collect(lines, {A})
    assert len(lines) == 1
    lines.clear()
    del groups[A]["streams"]["s"], groups[B]["streams"]["s"]
    followed.collect(lines, {A})
    assert len(lines) == 2  # the stream and its events
    followed.collect(lines)
    assert len(lines) == 4


class FakeLambda:
    """The emulator's way with archives: what its copy of the state names, it keeps."""

    def __init__(self) -> None:
        self._functions = Regional()
        self.files: set[str] = set()
        self.written = 0

    def _write_code_blob(self, code: bytes) -> str:
        self.written += 1
        self.files.add(code.decode())
        return code.decode()

    def _prune_orphan_code_blobs(self, referenced: set[str]) -> None:
        self.files &= referenced

    def get_state(self) -> Record:
        names = {
            self._write_code_blob(version["code_zip"])
            for record in self._functions._data.values()
            for version in (record, *record["versions"].values())
        }
        self._prune_orphan_code_blobs(names)
        return {}


def test_archives_of_functions_that_are_not_collected_stay_and_are_written_once() -> None:
    lambda_svc, entries = FakeLambda(), Entries()
    blobs = CodeBlobs(lambda_svc)
    blobs.install()
    functions = {
        key: {"code_zip": key[-1].encode() * 2, "versions": {"1": {"code_zip": key[-1].encode()}}}
        for key in (A, B)
    }
    lambda_svc._functions._data = EntryStore(functions, Notes(), "lambda", entries)
    with entries.show(None):
        lambda_svc.get_state()
    assert (lambda_svc.files, lambda_svc.written) == ({"a", "aa", "b", "bb"}, 4)
    functions_now = lambda_svc._functions._data
    functions_now[A]["code_zip"] = b"new"
    with entries.show({A}):
        lambda_svc.get_state()
    assert lambda_svc.written == 5
    assert lambda_svc.files == {"a", "aa", "b", "bb", "new"}  # kept until the end, lest a kill
    blobs.remove_unused()
    assert lambda_svc.files == {"a", "b", "bb", "new"}
    assert lambda_svc.written == 5
