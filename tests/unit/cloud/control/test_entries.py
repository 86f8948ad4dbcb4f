"""Only entries that somebody had in hand are looked at, and nothing that changed is missed."""

from __future__ import annotations

import asyncio
import contextvars
import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fairway.cloud.control.durable.entries import (
    Entries,
    EntryService,
    EntryStore,
)
from fairway.cloud.control.durable.records import make_encoder
from fairway.cloud.control.durable.stores import Scopes
from fairway.cloud.control.durable.touch import (
    Notes,
    Touched,
    begin_request,
    hold_touched,
    peek,
)
from fairway.cloud.control.journal import Journal
from fairway.cloud.control.journal_format import Content
from fairway.cloud.control.requests import Change
from fairway.cloud.control.state import StateKeeper

Record = dict[str, Any]


class Regional:
    """As ministack's: an inner dictionary with scoped keys."""

    def __init__(self) -> None:
        self._data: Any = {}


class Global(Regional):
    """The other kind."""


SCOPES = Scopes(Regional, Global)
A, B, C = (("1", "r", name) for name in "abc")


def apply(content: Content, lines: list[bytes]) -> int:
    """What a journal would hold; the number of records written."""
    count = len(lines)
    if lines:
        content.apply(b"\n".join(lines) + b"\n")
    lines.clear()
    return count


class Deployment:
    """A service of two stores with an entry a name, followed, and what a journal holds of it."""

    def __init__(self, *names: Any) -> None:
        self.notes, self.content = Notes(), Content()
        self.entries = Entries()
        self.functions, self.tags = Regional(), Regional()
        self.plain = 0
        for store in (self.functions, self.tags):
            data = {name: {"deep": [{"of": name[-1]}]} for name in names}
            store._data = EntryStore(data, self.notes, "lambda", self.entries)
        self.read_of: list[Any] = []
        self.service = EntryService(
            "lambda", self._read, SCOPES, make_encoder(None), {}, self.entries, False
        )
        self.collect()

    def _read(self) -> Record:
        # As the emulator's modules: one store by a copy, another by going through it.
        tags = Regional()
        for key, record in list(self.tags._data.items()):
            tags._data[key] = copy.deepcopy(record)
        functions = Regional()
        functions._data = copy.deepcopy(self.functions._data)
        self.read_of = list(functions._data)
        return {"functions": functions, "tags": tags, "port": self.plain}

    def collect(self, thorough: bool = False) -> int:
        lines: list[bytes] = []
        self.service.collect(lines, thorough)
        return apply(self.content, lines)

    def kept(self, name: str = "functions") -> Record:
        state = SCOPES.rebuild("lambda", self.content.groups, lambda document: document)
        found: Record = {key[-1]: record for key, record in state[name]._data.items()}
        return found


def test_what_nobody_touched_is_not_even_copied() -> None:
    deployment = Deployment(A, B, C)
    deployment.functions._data[B]["deep"][0]["of"] = "changed in depth"
    assert deployment.collect() == 1
    assert deployment.read_of == [B]
    assert deployment.kept()["b"] == {"deep": [{"of": "changed in depth"}]}
    assert deployment.kept()["a"] == {"deep": [{"of": "a"}]}
    assert deployment.collect() == 0
    assert deployment.read_of == []


def test_an_entry_that_is_gone_is_removed_where_it_was_and_nowhere_else() -> None:
    deployment = Deployment(A, B)
    deployment.functions._data.pop(A)
    assert deployment.collect() == 1
    assert (set(deployment.kept()), set(deployment.kept("tags"))) == ({"b"}, {"a", "b"})
    del deployment.functions._data[B]
    deployment.tags._data[B] = {"made": "again"}
    assert deployment.collect() == 2
    assert deployment.kept("tags")["b"] == {"made": "again"}


def test_plain_values_are_always_compared() -> None:
    deployment = Deployment(A)
    deployment.plain = 7
    assert deployment.collect() == 1


@pytest.mark.parametrize(
    "read",
    [
        lambda data: data.values(),
        lambda data: [record for _, record in data.items()],
        lambda data: list(data.copy().values()),
        lambda data: list(dict(data).values()),
        lambda data: list({**data}.values()),
        lambda data: [data[key] for key in data],
        lambda data: [data.get(key) for key in data.keys()],  # noqa: SIM118
        lambda data: [data.setdefault(key, {}) for key in list(data)],
    ],
)
def test_a_change_in_depth_is_found_however_the_record_was_reached(
    read: Callable[[Any], Any],
) -> None:
    deployment = Deployment(A, B)
    next(r for r in read(deployment.functions._data) if r["deep"][0]["of"] == "b")["deep"].append(1)
    assert deployment.collect() == 1
    assert deployment.kept()["b"] == {"deep": [{"of": "b"}, 1]}


def test_entries_stored_by_any_operation_are_found() -> None:
    deployment = Deployment(A)
    deployment.functions._data.update({B: {"by": "update"}})
    deployment.tags._data |= {C: {"by": "operator"}}
    assert deployment.collect() == 2
    deployment.functions._data.clear()
    assert deployment.collect() == 2
    assert b"functions:r" not in {
        place[1] for place, rows in deployment.content.groups.items() if rows
    }


def test_a_record_that_somebody_kept_is_found_by_the_next_sweep() -> None:
    deployment = Deployment(A, B)
    held = deployment.functions._data[A]
    deployment.collect()
    held["deep"][0]["later"] = True
    assert deployment.collect() == 0
    assert deployment.collect(thorough=True) == 1
    assert deployment.kept()["a"] == {"deep": [{"of": "a", "later": True}]}


def test_what_changed_while_it_was_being_written_is_found_by_the_next_sweep() -> None:
    deployment = Deployment(A)
    held = deployment.functions._data[A]
    read = deployment._read

    def read_and_change() -> Record:
        state = read()
        held["deep"][0]["of"] = "changed after the copy"  # as a thread would
        return state

    service = EntryService(
        "lambda", read_and_change, SCOPES, make_encoder(None), {}, deployment.entries, False
    )
    lines: list[bytes] = []
    service.collect(lines)
    apply(deployment.content, lines)
    deployment.service = service
    deployment.collect(thorough=True)
    assert deployment.kept()["a"] == {"deep": [{"of": "changed after the copy"}]}


def test_what_an_operation_has_in_hand_is_looked_at_until_it_has_ended() -> None:
    deployment = Deployment(A, B)

    def operate() -> Iterator[None]:
        held = deployment.functions._data[A]
        listed = next(iter(deployment.tags._data.values()))
        with hold_touched():
            yield
            held["deep"][0]["step"] = 1
            yield
            held["deep"][0]["step"] = 2
            listed["deep"][0]["step"] = 3
        yield

    def begin() -> Iterator[None]:
        begin_request()
        return operate()

    apart = contextvars.copy_context()
    operation = apart.run(begin)
    apart.run(next, operation)
    deployment.collect()
    apart.run(next, operation)
    assert deployment.collect() == 1
    assert deployment.kept()["a"]["deep"] == [{"of": "a", "step": 1}]
    apart.run(next, operation)
    assert deployment.collect() == 2
    assert deployment.kept()["a"]["deep"] == [{"of": "a", "step": 2}]
    assert deployment.kept("tags")["a"]["deep"] == [{"of": "a", "step": 3}]
    assert deployment.collect() == 0


@pytest.mark.parametrize(("changed", "written"), [(False, 0), (True, 2)])
def test_a_search_costs_nothing_unless_the_request_may_have_changed_something(
    changed: bool, written: int
) -> None:
    deployment = Deployment(A, B)

    def search() -> Touched:
        touched = begin_request()
        for record in deployment.functions._data.values():
            record["deep"].append("seen")
        return touched

    touched = contextvars.copy_context().run(search)
    assert touched == {"lambda"}
    assert deployment.collect() == 0
    touched.answer(changed)
    assert deployment.collect() == written
    assert deployment.collect(thorough=True) == 2 - written


@pytest.mark.parametrize(("change", "written"), [(Change.NONE, 0), (Change.CONTROL, 2)])
def test_the_answer_leaves_when_the_request_has_been_saved(
    tmp_path: Path, change: Change, written: int
) -> None:
    deployment = Deployment(A, B)

    async def work() -> None:
        keeper = StateKeeper(Journal(tmp_path), lambda text: None)
        keeper.open()
        services: Any = SimpleNamespace(
            has_news=False,
            list_due=lambda everything: [],
            collect=lambda lines, touched: deployment.service.collect(lines),
        )
        keeper.attach(services)
        touched = begin_request()
        for record in deployment.functions._data.values():
            record["deep"].append("changed")
        assert await keeper.save(change, touched) is None
        assert touched.is_answered
        await keeper.close()

    contextvars.copy_context().run(asyncio.run, work())
    kept = Journal(tmp_path).open().groups.get((b"lambda", b'"functions:r"'), {})
    assert len(kept) == written


def test_what_a_request_changes_after_a_collection_is_there_when_it_is_answered() -> None:
    deployment = Deployment(A, B)

    def work() -> Touched:
        touched = begin_request()
        held = deployment.functions._data[A]
        deployment.collect()  # in the background, while the request waits for something
        held["deep"].append("late")
        return touched

    contextvars.copy_context().run(work).answer(changed=True)
    assert deployment.collect() == 1


def test_what_is_begun_by_a_request_and_outlives_it_is_looked_at_without_it() -> None:
    deployment = Deployment(A, B)

    def work() -> None:
        begin_request().answer(changed=False)
        next(iter(deployment.functions._data.values()))["deep"].append("later")

    contextvars.copy_context().run(work)
    assert deployment.collect() == 1


def test_two_operations_at_once_are_told_apart() -> None:
    deployment = Deployment(A, B)
    held: dict[str, Record] = {}

    def begin(key: Any) -> Any:
        begin_request()
        operation = hold_touched()
        operation.__enter__()
        held[key[-1]] = deployment.functions._data[key]
        return operation

    first = contextvars.copy_context().run(begin, A)
    second = contextvars.copy_context().run(begin, B)  # which has touched the same services
    second.__exit__(None, None, None)
    deployment.collect()
    held["a"]["deep"].append("still under way")
    assert deployment.collect() == 1
    first.__exit__(None, None, None)
    deployment.collect()
    assert not deployment.entries.has_touched


def test_who_only_peeks_leaves_no_trace() -> None:
    deployment = Deployment(A, B)
    assert len(peek(deployment.functions._data)) == 2
    assert not deployment.entries.has_touched
    assert peek({"plain": 1}) == {"plain": 1}


def test_a_collection_that_was_disturbed_is_made_up_for() -> None:
    deployment = Deployment(A, B)
    read, disturbed = deployment._read, [True]

    def read_disturbed() -> Record:
        if disturbed:
            disturbed.clear()
            raise RuntimeError("dictionary changed size during iteration")
        return read()

    service = EntryService(
        "lambda", read_disturbed, SCOPES, make_encoder(None), {}, deployment.entries, False
    )
    with pytest.raises(RuntimeError):
        service.collect([])
    lines: list[bytes] = []
    service.collect(lines)
    assert apply(Content(), lines) == 5
    deployment.functions._data[A]["deep"].append("x")
    disturbed.append(True)
    with pytest.raises(RuntimeError):
        service.collect(lines)
    assert lines == []
    service.collect(lines)
    assert len(lines) == 1


def test_what_was_restored_is_written_again_where_it_changed_only() -> None:
    before = Deployment(A, B, C)
    after = Deployment(A, B, C)
    after.functions._data[B]["deep"].append("migrated")
    after.service = EntryService(
        "lambda",
        after._read,
        SCOPES,
        make_encoder(None),
        before.content.groups,
        after.entries,
        written=True,
    )
    assert after.collect(thorough=True) == 1
    assert after.kept()["b"] == {"deep": [{"of": "b"}, "migrated"]}


def test_what_a_service_made_for_itself_is_written_with_what_is_made_first() -> None:
    deployment = Deployment(A, B)
    deployment.content = Content()
    deployment.service = EntryService(
        "lambda",
        deployment._read,
        SCOPES,
        make_encoder(None),
        deployment.content.groups,
        deployment.entries,
        written=True,
    )
    deployment.functions._data[C] = {"in": "the network that was there"}
    assert deployment.collect() == 6
    assert set(deployment.kept()) == {"a", "b", "c"}


def test_a_service_that_cannot_say_is_asked_again() -> None:
    deployment = Deployment(A)
    answers = [None, None, deployment._read]
    deployment.service = EntryService(
        "lambda",
        lambda: (answer := answers.pop(0)) and answer(),
        SCOPES,
        make_encoder(None),
        deployment.content.groups,
        deployment.entries,
        written=True,
    )
    deployment.functions._data[A]["deep"].append(1)
    assert [deployment.collect() for _ in range(3)] == [0, 0, 1]


def test_a_record_without_a_fingerprint_is_always_looked_at() -> None:
    deployment = Deployment(A)
    held = deployment.functions._data[B] = defaultdict(list, {"n": [1]})
    assert deployment.collect() == 1
    held["n"].append(2)
    assert deployment.collect(thorough=True) == 1
    assert deployment.kept()["b"] == {"n": [1, 2]}
