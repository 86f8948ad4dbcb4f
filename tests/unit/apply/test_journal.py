"""Releases never change; journals of the killed become releases; who lost the lock stops."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.apply.fakes import BEGAN, make_store

from fairway.apply.journal import Journal, end_killed, list_journals, read_journal
from fairway.apply.release import Release, StackRecord, parse_release, read_release, write_release
from fairway.apply.store import Store
from fairway.errors import DeploymentFailed


def make_release(number: int, **more: object) -> Release:
    stacks = {"shop-prod-app": StackRecord("d1", "app", {"P": {"from": "artifact-bucket"}})}
    release = Release(
        number, "shop", "prod", BEGAN.isoformat(), 0.0, "ann", "r1", "running", stacks, {"src": "a"}
    )
    return replace(release, **more)  # type: ignore[arg-type]


def open_journal(store: Store, number: int) -> Journal:
    journal = Journal(store, make_release(number), lambda: BEGAN)
    journal.open()
    return journal


def test_a_release_is_written_once() -> None:
    store, _ = make_store()
    first = make_release(1, outcome="succeeded")
    assert write_release(store, first)
    assert write_release(store, first), "the same again, after a lost answer"
    assert not write_release(store, replace(first, actor="bob"))
    assert read_release(store, "shop", "prod", 1) == first


def test_keys_of_a_later_version_are_passed_over() -> None:
    text = b"""{"number": 1, "app": "a", "environment": "e", "started": "s", "seconds": 1,
      "actor": "x", "revision": null, "outcome": "succeeded", "artifacts": {}, "unheard": 1,
      "stacks": {"s": {"digest": "d", "layer": "app", "unheard": 2}}}"""
    assert parse_release(text).stacks["s"].digest == "d"


def test_steps_are_written_before_and_after() -> None:
    store, _ = make_store()
    journal = open_journal(store, 1)
    with journal.step("stack a"):
        found = read_journal(store, "shop", "prod", 1)
        assert found
        assert [(s.name, s.ended) for s in found[1]] == [("stack a", "")]
    with pytest.raises(ValueError, match="bad"), journal.step("stack b"):
        raise ValueError("bad")
    found = read_journal(store, "shop", "prod", 1)
    assert found
    assert [(s.name, bool(s.ended), s.failed) for s in found[1]] == [
        ("stack a", True, False),
        ("stack b", True, True),
    ]


def test_a_killed_apply_becomes_a_release_that_tells_where() -> None:
    store, _ = make_store()
    journal = open_journal(store, 1)
    with journal.step("upload src"):
        pass
    step = journal.step("stack a")
    step.__enter__()
    assert list_journals(store, "shop", "prod") == ([], [1])
    release, steps = end_killed(store, "shop", "prod", 1)
    assert (release.outcome, release.cause) == ("interrupted", "killed during stack a")
    assert [s.name for s in steps] == ["upload src", "stack a"]
    assert list_journals(store, "shop", "prod") == ([1], [])
    assert read_release(store, "shop", "prod", 1) == release
    # It was not dead after all: its next step stops it.
    with pytest.raises(DeploymentFailed, match="somebody broke the lock"):
        step.__exit__(None, None, None)


def test_the_end_of_one_that_lost_its_lock_changes_nothing() -> None:
    store, _ = make_store()
    journal = open_journal(store, 1)
    ended, _ = end_killed(store, "shop", "prod", 1)
    with pytest.raises(DeploymentFailed, match="stops here"):
        journal.end(make_release(1, outcome="succeeded"))
    assert read_release(store, "shop", "prod", 1) == ended


def test_a_number_is_taken_by_one_only() -> None:
    store, _ = make_store()
    open_journal(store, 1)
    other = Journal(store, make_release(1, actor="bob"), lambda: BEGAN)
    with pytest.raises(DeploymentFailed):
        other.open()
