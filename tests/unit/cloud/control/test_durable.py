"""From the emulator's stores to records and back; when they are written."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import json
import os
import zlib
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fairway.cloud.control.durable.logs import LogGroups
from fairway.cloud.control.durable.objects import INTENTS, finish_intents
from fairway.cloud.control.durable.queues import Queues
from fairway.cloud.control.durable.records import (
    decode_scoped_key,
    encode_name,
    encode_scoped_key,
    make_encoder,
)
from fairway.cloud.control.durable.stores import KeyedService, Scopes, WholeService, is_empty
from fairway.cloud.control.durable.tables import Tables
from fairway.cloud.control.durable.touch import NotedStore, Notes, begin_request
from fairway.cloud.control.journal import Journal
from fairway.cloud.control.journal_format import Content
from fairway.cloud.control.requests import Change
from fairway.cloud.control.state import StateKeeper


class Regional:
    """As ministack's: an inner dictionary with scoped keys."""

    def __init__(self) -> None:
        self._data: dict[Any, Any] = {}


class Global(Regional):
    """The other kind."""


SCOPES = Scopes(Regional, Global)
encode = make_encoder(None)


def plain(document: dict[str, Any]) -> dict[str, Any]:
    return document


def carry(content: Content, lines: list[bytes]) -> None:
    if lines:
        content.apply(b"\n".join(lines) + b"\n")


def test_keys_of_any_shape_come_back() -> None:
    for own in ("plain", "tab\tand\nline", ("bucket", "key", None), 7, "r'quoted'"):
        key = ("0" * 12, "eu-west-1", own)
        encoded = encode_scoped_key(key)
        assert b"\t" not in encoded
        assert b"\n" not in encoded
        assert decode_scoped_key(encoded) == key


def test_emptiness() -> None:
    assert is_empty({"a": [], "b": {}, "n": 0, "none": None})
    assert not is_empty({"a": {"b": ["x"]}})
    assert not is_empty({"a": "text"})


def test_a_whole_service_writes_differences_only() -> None:
    store, content = Regional(), Content()
    service = WholeService("iam", lambda: {"roles": store, "n": 3}, SCOPES, encode, {})
    lines: list[bytes] = []
    store._data[("1", "r", "a")] = {"x": 1}
    store._data[("1", "r", "b")] = {"x": 2}
    service.collect(lines)
    carry(content, lines)
    lines.clear()
    service.collect(lines)
    assert lines == []
    store._data[("1", "r", "a")]["x"] = 5
    del store._data[("1", "r", "b")]
    service.collect(lines)
    assert len(lines) == 2
    carry(content, lines)
    state = SCOPES.rebuild("iam", content.groups, plain)
    assert state["roles"]._data == {("1", "r", "a"): {"x": 5}}
    assert isinstance(state["roles"], Regional)
    assert state["n"] == 3


def test_a_restored_whole_service_knows_what_to_remove() -> None:
    store, content = Regional(), Content()
    store._data[("1", "r", "a")] = 1
    lines: list[bytes] = []
    WholeService("iam", lambda: {"roles": store}, SCOPES, encode, {}).collect(lines)
    carry(content, lines)
    store._data.clear()
    lines = []
    WholeService("iam", lambda: {"roles": store}, SCOPES, encode, content.groups).collect(lines)
    carry(content, lines)
    assert SCOPES.rebuild("iam", content.groups, plain)["roles"]._data == {}


def test_what_cannot_be_encoded_does_not_stop_the_rest() -> None:
    store, lines = Regional(), []
    store._data = {("1", "r", "live"): object(), ("1", "r", "good"): 1}
    WholeService("x", lambda: {"s": store}, SCOPES, encode, {}).collect(lines)
    assert len(lines) == 1


def test_a_keyed_service_looks_at_touched_keys_only() -> None:
    store, notes, content = Regional(), Notes(), Content()
    store._data = {("1", "r", f"k{n}"): {"v": n} for n in range(5)}
    service = KeyedService("ssm", {"parameters": store}, SCOPES, encode, notes)
    lines: list[bytes] = []
    service.collect(lines)
    assert lines == []
    store._data.get(("1", "r", "k1"))["v"] = "changed in place"
    store._data[("1", "r", "new")] = {"v": "n"}
    store._data.pop(("1", "r", "k2"))
    assert service.has_touched
    service.collect(lines)
    assert len(lines) == 3
    carry(content, lines)
    found = SCOPES.rebuild("ssm", content.groups, plain)["parameters"]._data
    assert found == {
        ("1", "r", "k1"): {"v": "changed in place"},
        ("1", "r", "new"): {"v": "n"},
    }
    store._data.get(("1", "r", "k1"))
    lines = []
    service.collect(lines)
    assert lines == []


def test_reads_are_noted_for_the_request_that_made_them() -> None:
    notes = Notes()
    store = NotedStore({"a": 1}, notes, "iam")

    def read() -> set[str]:
        touched = begin_request()
        assert store["a"] == 1
        return touched

    touched = contextvars.copy_context().run(read)
    assert (touched, notes.read, notes.written) == ({"iam"}, {"iam"}, set())
    store["b"] = 2
    assert notes.written == {"iam"}
    assert store == {"a": 1, "b": 2}


class FakeDynamo:
    """The parts of the emulator's DynamoDB that change items."""

    def __init__(self) -> None:
        self._tables = Regional()
        for name in (
            "tags",
            "ttl_settings",
            "pitr_settings",
            "kinesis_destinations",
            "contributor_insights",
            "backups",
            "resource_policies",
            "exports",
            "imports",
        ):
            setattr(self, f"_{name}", Regional())

    def create(self, name: str) -> dict[str, Any]:
        table = {"TableArn": f"arn:{name}", "items": defaultdict(dict), "ItemCount": 0}
        self._tables._data[("1", "r", name)] = table
        return table

    def _set_item(self, table: Any, partition: str, sort: str, item: Any) -> Any:
        old = table["items"].get(partition, {}).get(sort)
        table["items"][partition][sort] = item
        return old

    def _remove_item(self, table: Any, partition: str, sort: str) -> Any:
        return table["items"].get(partition, {}).pop(sort, None)

    def _items_replaced(self, table: Any) -> None:
        table["ItemCount"] = -1


def collect_tables(tables: Tables, content: Content) -> None:
    lines: list[bytes] = []
    WholeService("dynamodb", tables.read, SCOPES, encode, content.groups).collect(lines)
    tables.collect_tables(lines)
    tables.collect(lines)
    carry(content, lines)


def restore(content: Content) -> dict[str, Any]:
    state = SCOPES.rebuild("dynamodb", content.groups, plain)
    Tables(FakeDynamo(), encode, plain).fill(state, content.groups)
    return {key[-1]: table for key, table in state["tables"]._data.items()}


def test_items_are_followed_one_by_one() -> None:
    dynamo, content = FakeDynamo(), Content()
    tables = Tables(dynamo, encode, plain)
    tables.install()
    table = dynamo.create("t")
    collect_tables(tables, content)
    dynamo._set_item(table, "a", "1", {"v": {"S": "x"}})
    dynamo._set_item(table, "a", "1", {"v": {"S": "y"}})
    dynamo._set_item(table, "a", "2", {"v": {"S": "z"}})
    dynamo._remove_item(table, "a", "2")
    dynamo._remove_item(table, "a", "never")
    lines: list[bytes] = []
    tables.collect(lines)
    assert len(lines) == 2
    carry(content, lines)
    kept = restore(content)["t"]
    assert kept["items"] == {"a": {"1": {"v": {"S": "y"}}}}
    assert kept["ItemCount"] == 1


def test_items_do_not_outlive_their_table() -> None:
    dynamo, content = FakeDynamo(), Content()
    tables = Tables(dynamo, encode, plain)
    tables.install()
    old = dynamo.create("t")
    dynamo._set_item(old, "a", "1", {"v": {"S": "old"}})
    collect_tables(tables, content)
    new = dynamo.create("t")  # deleted and made again between two writes
    dynamo._set_item(old, "late", "1", {"v": {"S": "old"}})
    dynamo._set_item(new, "b", "1", {"v": {"S": "new"}})
    collect_tables(tables, content)
    assert restore(content)["t"]["items"] == {"b": {"1": {"v": {"S": "new"}}}}
    dynamo._tables._data.clear()
    collect_tables(tables, content)
    assert restore(content) == {}
    assert all(not rows for rows in content.groups.values())


def test_replaced_items_are_written_again() -> None:
    dynamo, content = FakeDynamo(), Content()
    tables = Tables(dynamo, encode, plain)
    tables.install()
    table = dynamo.create("t")
    dynamo._set_item(table, "a", "1", {"v": {"S": "gone"}})
    collect_tables(tables, content)
    table["items"] = defaultdict(dict, {"b": {"1": {"v": {"S": "kept"}}}})
    dynamo._items_replaced(table)
    lines: list[bytes] = []
    tables.collect(lines)
    carry(content, lines)
    assert restore(content)["t"]["items"] == {"b": {"1": {"v": {"S": "kept"}}}}


def make_message(number: str) -> dict[str, Any]:
    return {
        "id": number,
        "body": f"body {number}",
        "receipt_handle": None,
        "visible_at": 0.0,
        "receive_count": 0,
    }


def test_messages_survive_receive_and_not_delete() -> None:
    sqs, content = SimpleNamespace(_queues=Regional()), Content()
    queues = Queues(sqs, encode, plain)
    queues.install(Notes())
    queue = {"is_fifo": True, "messages": [], "dedup_cache": {}, "attributes": {}, "fifo_seq": 0}
    key = ("1", "r", "http://localhost/q")
    sqs._queues._data[key] = queue

    def write() -> int:
        lines: list[bytes] = []
        sqs._queues._data.get(key)
        queues.collect(lines)
        carry(content, lines)
        return len(lines)

    queue["messages"] += [make_message("1"), make_message("2"), make_message("3")]
    queue["dedup_cache"] = {"d1": {"expire": 1}}
    write()
    assert write() == 0
    queue["messages"][0]["receipt_handle"] = "h"
    queue["messages"][0]["receive_count"] = 1
    assert write() == 1
    queue["messages"] = queue["messages"][:1] + queue["messages"][2:]
    queue["attributes"]["DelaySeconds"] = "5"
    queue["dedup_cache"] = {"d2": {"expire": 2}}
    assert write() == 4
    kept = Queues(sqs, encode, plain).read_back(content.groups)
    assert kept == {key: queue}
    sqs._queues._data.pop(key)
    write()
    assert Queues(sqs, encode, plain).read_back(content.groups) == {}
    assert all(not rows for rows in content.groups.values())


def test_log_events_are_appended_and_come_back_in_order() -> None:
    stores = {f"_{n}": Regional() for n in ("destinations", "resource_policies")}
    logs, content = SimpleNamespace(_log_groups=Regional(), **stores), Content()
    key = ("1", "r", "/g")
    stream: dict[str, Any] = {"events": [], "creationTime": 1}
    logs._log_groups._data[key] = {"arn": "a", "streams": {"s": stream}}
    groups = LogGroups(logs, encode, plain)

    def write() -> list[bytes]:
        lines: list[bytes] = []
        groups.collect(lines)
        carry(content, lines)
        return lines

    def kept() -> list[int]:
        found = Regional()
        found._data[key] = {"arn": "a"}
        LogGroups(logs, encode, plain).fill({"log_groups": found}, content.groups)
        return [e["t"] for e in found._data[key]["streams"]["s"]["events"]]

    stream["events"] += [{"t": 1}, {"t": 3}]
    write()
    stream["events"] += [{"t": n} for n in range(4, 15)]
    assert sum(b"logs.events" in line for line in write()) == 1
    assert kept() == [1, 3, *range(4, 15)]
    stream["events"] = sorted([*stream["events"], {"t": 2}], key=lambda e: e["t"])
    write()
    assert kept() == [1, 2, 3, *range(4, 15)]
    del stream["events"][:2]
    write()
    assert kept() == [3, *range(4, 15)]
    assert write() == []


def test_an_object_is_finished_when_its_body_is_the_new_one(tmp_path: Path) -> None:
    outcomes = {}
    for name, body in (("new", b"new body"), ("old", b"old body")):
        path = tmp_path / name
        path.write_bytes(body)
        Path(f"{path}.meta.json").write_text("old sidecar")
        Path(f"{path}.tmp").write_bytes(b"half")
        intent = {"crc": zlib.crc32(b"new body"), "sidecar": "new sidecar"}
        rows = {encode_name(str(path)): json.dumps(intent).encode()}
        done = finish_intents({(INTENTS, b"0"): rows})
        assert len(done) == 1
        outcomes[name] = Path(f"{path}.meta.json").read_text()
        assert not Path(f"{path}.tmp").exists()
    assert outcomes == {"new": "new sidecar", "old": "old sidecar"}


class OneChange:
    """Services that always have one record to write."""

    has_news = False

    def __init__(self) -> None:
        self.count = 0
        self.busy = 0

    def collect(self, lines: list[bytes], touched: Any) -> None:
        if self.busy:
            self.busy -= 1
            raise RuntimeError("dictionary changed size during iteration")
        self.count += 1
        lines.append(f"s\tg\tk{self.count}\t1".encode())

    def list_due(self, everything: bool = False) -> list[str]:
        return []


def test_what_could_not_be_written_is_written_as_soon_as_it_can(tmp_path: Path) -> None:
    full = False

    def write(descriptor: int, data: bytes) -> int:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(descriptor, data)

    said: list[str] = []

    async def work() -> None:
        nonlocal full
        keeper = StateKeeper(Journal(tmp_path, write), said.append)
        keeper.open()
        services: Any = OneChange()
        keeper.attach(services)
        assert await keeper.save(Change.NONE, set()) is None
        assert services.count == 0
        assert await keeper.save(Change.DATA, set()) is None
        full = True
        assert await keeper.save(Change.DATA, set()) == "No space left on device"
        assert await keeper.save(Change.CONTROL, set()) == "No space left on device"
        full = False
        services.busy = 2
        assert await keeper.save(Change.DATA, set()) is None
        assert await keeper.close()

    asyncio.run(work())
    assert len(said) == 2
    journal = Journal(tmp_path)
    rows = journal.open().groups[(b"s", b"g")]
    asyncio.run(journal.close())
    assert set(rows) == {b"k1", b"k2", b"k3", b"k4", b"k5"}


def test_a_failure_that_the_emulator_only_logged_reaches_the_client(tmp_path: Path) -> None:
    async def work() -> None:
        keeper = StateKeeper(Journal(tmp_path), lambda text: None)
        keeper.open()
        services: Any = OneChange()
        keeper.attach(services)
        keeper.note_failure("Failed to persist S3 object b/k: No space left on device")
        assert "No space" in str(await keeper.save(Change.DATA, set()))
        assert await keeper.save(Change.DATA, set()) is None
        await keeper.close()

    asyncio.run(work())


def test_queues_made_before_they_were_followed_are_written() -> None:
    sqs, content = SimpleNamespace(_queues=Regional()), Content()
    queue = {"is_fifo": False, "messages": [make_message("1")], "dedup_cache": {}}
    key = ("1", "r", "http://localhost/q")
    sqs._queues._data[key] = queue
    queues = Queues(sqs, encode, plain)
    queues.install(Notes(), written=False)
    lines: list[bytes] = []
    queues.collect(lines)
    carry(content, lines)
    assert Queues(sqs, encode, plain).read_back(content.groups) == {key: queue}
