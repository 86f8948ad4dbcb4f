"""Records of streams, parts of uploads and deliveries that are made at once."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fairway.cloud.control.durable.lists import (
    CHANGES,
    RecordLists,
    fill_streams,
    follow_data,
    read_lists,
    read_streams,
)
from fairway.cloud.control.durable.records import encode_scoped_key, make_encoder
from fairway.cloud.control.durable.touch import Notes
from fairway.cloud.control.durable.uploads import PARTS, Uploads, restore_uploads
from fairway.cloud.control.inline_delivery import InlineThreads
from fairway.cloud.control.journal_format import Content

encode = make_encoder(None)
KEY = ("0" * 12, "eu-west-1", "name")


class Store:
    """As ministack's: an inner dictionary with scoped keys."""

    def __init__(self) -> None:
        self._data: dict[Any, Any] = {}


def write(source: Any, content: Content) -> list[bytes]:
    lines: list[bytes] = []
    source.collect(lines)
    if lines:
        content.apply(b"\n".join(lines) + b"\n")
    return lines


def make_lists(tables: dict[bytes, list[dict[str, Any]]]) -> RecordLists:
    return RecordLists(CHANGES, lambda: iter(list(tables.items())), lambda r: r["n"], encode)


def kept(content: Content) -> dict[bytes, list[str]]:
    found = read_lists(CHANGES, content.groups, None)
    return {name: [record["n"] for record in records] for name, records in found}


def record(number: int) -> dict[str, Any]:
    return {"n": f"{number:04d}"}


def test_only_the_ends_of_a_list_are_written() -> None:
    tables = {b"t": [record(1), record(2)]}
    lists, content = make_lists(tables), Content()
    assert lists.has_pending
    assert len(write(lists, content)) == 2
    assert not lists.has_pending
    tables[b"t"] = [*tables[b"t"][1:], record(3)]  # one expired, and the list is another object
    assert lists.has_pending
    assert len(write(lists, content)) == 2
    assert kept(content) == {b"t": ["0002", "0003"]}
    assert write(lists, content) == []


def test_a_list_that_was_dropped_or_made_anew_leaves_nothing_behind() -> None:
    tables = {b"t": [record(1)], b"gone": [record(2)]}
    lists, content = make_lists(tables), Content()
    write(lists, content)
    del tables[b"gone"]
    tables[b"t"] = [record(5)]
    assert lists.has_pending
    write(lists, content)
    assert kept(content) == {b"t": ["0005"]}


def test_what_was_restored_is_not_written_again() -> None:
    tables = {b"t": [record(1)]}
    lists = make_lists(tables)
    lists.know()
    assert not lists.has_pending
    tables[b"t"].append(record(2))
    assert len(write(lists, Content())) == 1


def test_data_streams_come_back_with_their_records() -> None:
    streams = Store()
    row = {"SequenceNumber": "0001", "Data": "eA=="}
    streams._data[KEY] = {"StreamName": "name", "shards": {"s": {"records": [row], "hash": 1}}}
    empty = {name: Store() for name in ("_shard_iterators", "_consumers", "_resource_policies")}
    kinesis = SimpleNamespace(_streams=streams, **empty)
    content = Content()
    write(follow_data(kinesis, encode), content)
    state = read_streams(kinesis)
    assert "records" not in state["streams"]._data[KEY]["shards"]["s"]
    fill_streams(state, content.groups, None)
    assert state["streams"]._data[KEY]["shards"]["s"] == {"records": [row], "hash": 1}


def make_upload() -> dict[str, Any]:
    return {"bucket": "b", "key": "k", "parts": {}}


def part(body: bytes) -> dict[str, Any]:
    return {"body": body, "etag": f'"{body.hex()}"', "size": len(body)}


def restore(directory: Path, content: Content) -> dict[Any, Any]:
    s3 = SimpleNamespace(_multipart_uploads=Store())
    restore_uploads(s3, directory, content.groups, None)
    return s3._multipart_uploads._data


def test_parts_are_files_until_their_upload_is_over(tmp_path: Path) -> None:
    s3, content = SimpleNamespace(_multipart_uploads=Store()), Content()
    uploads = Uploads(s3, tmp_path, encode, print)
    uploads.install(Notes())
    store = s3._multipart_uploads
    store._data[KEY] = make_upload()
    write(uploads, content)
    store._data[KEY]["parts"][1] = part(b"old")
    write(uploads, content)
    store._data[KEY]["parts"][1] = part(b"new")
    store._data[KEY]["parts"][2] = part(b"end")
    assert uploads.has_pending
    assert len(write(uploads, content)) == 2
    again = restore(tmp_path, content)
    assert again == {KEY: store._data[KEY]}
    del store._data[KEY]
    write(uploads, content)
    assert restore(tmp_path / "elsewhere", content) == {}
    write(uploads, content)  # the files go when the record that forgets them is written
    assert list(tmp_path.iterdir()) == []
    assert not uploads.has_pending


def test_a_lost_part_is_missing_and_a_lost_upload_leaves_no_files(tmp_path: Path) -> None:
    s3, content = SimpleNamespace(_multipart_uploads=Store()), Content()
    uploads = Uploads(s3, tmp_path, encode, print)
    uploads.install(Notes())
    s3._multipart_uploads._data[KEY] = {**make_upload(), "parts": {1: part(b"a"), 2: part(b"b")}}
    write(uploads, content)
    (tmp_path / "name" / f"1.{b'a'.hex()}").unlink()
    (tmp_path / "stranger").mkdir()
    assert list(restore(tmp_path, content)[KEY]["parts"]) == [2]
    assert [each.name for each in tmp_path.iterdir()] == ["name"]


def test_a_part_that_cannot_be_stored_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    s3, content = SimpleNamespace(_multipart_uploads=Store()), Content()
    uploads = Uploads(s3, blocked, encode, said.append)
    uploads.install(Notes())
    s3._multipart_uploads._data[KEY] = {**make_upload(), "parts": {1: part(b"a")}}
    write(uploads, content)
    assert len(said) == 1
    assert (PARTS, encode_scoped_key(KEY)) not in content.groups


def test_chosen_threads_run_at_once_and_others_are_threads() -> None:
    def deliver() -> None: ...

    ran: list[str] = []
    threads = InlineThreads(threading, lambda _, args: args[:1] == (deliver,))

    def note(*args: Any, **kwargs: Any) -> None:
        ran.append(f"{threading.current_thread() is threading.main_thread()} {len(args)} {kwargs}")

    threads.Thread(target=note, args=(deliver, 1), kwargs={"x": 2}, daemon=True).start()
    assert ran == ["True 2 {'x': 2}"]
    other = threads.Thread(target=note, args=(1,), daemon=True)
    other.start()
    other.join(10)
    assert ran[1:] == ["False 1 {}"]
    assert threads.Lock is threading.Lock
