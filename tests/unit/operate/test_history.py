"""What a history tells of releases that nobody ended, and whether there is a way back."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from tests.unit.apply.fakes import FakeAccount, FakeS3

from fairway.apply import Release
from fairway.apply.journal import journal_key
from fairway.apply.lock import HeldLock, Holder, Lock, find_holder
from fairway.apply.release import dump_release, release_key
from fairway.aws import Aws
from fairway.define import App
from fairway.errors import FairwayError
from fairway.operate.history import History, find_killed, may_go_back, read_history
from fairway.plan import Plan

ME = find_holder("me")
DEAD = replace(ME, process="0")
GOOD = Release(1, "shop", "prod", "2026-11-21T10:00:00+00:00", 2.0, "me", None, "succeeded", {}, {})


def make_lock(holder: Holder) -> HeldLock:
    return HeldLock(Lock("1f3a9c02", "shop", "prod", "apply", GOOD.started, holder), "")


def make(*outcomes: str, lock: Holder | None = None, more: int = 0) -> History:
    """A history of these outcomes, the oldest first; `gone` is a removal that succeeded."""
    releases = [
        replace(
            GOOD,
            number=number,
            outcome=cast("Any", "succeeded" if outcome == "gone" else outcome),
            kind="destroy" if outcome == "gone" else "apply",
        )
        for number, outcome in enumerate(outcomes, 1)
    ]
    return History(tuple(releases[::-1]), None, make_lock(lock) if lock else None, more)


@pytest.mark.parametrize(
    ("lock", "killed"), [(None, {2, 3}), (DEAD, {2, 3}), (ME, {2})], ids=["none", "dead", "alive"]
)
def test_one_that_nobody_is_at_was_killed(lock: Holder | None, killed: set[int]) -> None:
    assert find_killed(make("succeeded", "running", "running", lock=lock)) == killed


def test_one_that_ended_was_not_killed() -> None:
    assert find_killed(make("succeeded", "failed", "interrupted")) == set()


class Rollback:
    """The plan of a rollback, which finds its release or not; counts how often it is asked for."""

    def __init__(self, error: Exception | None = None, *, is_empty: bool = False) -> None:
        self.error = error
        self.is_empty = is_empty
        self.asked = 0

    def plan(self) -> Plan:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return cast("Plan", self)


NO_EARLIER = FairwayError("shop has no earlier good release in prod")
NOT_ALLOWED = ClientError({"Error": {"Code": "AccessDenied"}}, "GetTemplate")


@pytest.mark.parametrize(
    "outcomes", [("succeeded",), ("interrupted",), ("failed", "succeeded"), ()]
)
def test_a_way_back_needs_a_good_one_before(outcomes: tuple[str, ...]) -> None:
    rollback = Rollback()
    assert not may_go_back(make(*outcomes), rollback.plan)
    assert rollback.asked == 0


@pytest.mark.parametrize("error", [None, NO_EARLIER, NOT_ALLOWED])
@pytest.mark.parametrize(
    "history",
    [
        make("succeeded", "failed"),
        make("succeeded", "running", lock=DEAD),
        make("succeeded", "gone"),
        make("succeeded", "failed", "succeeded"),
        make("succeeded", "gone", "succeeded"),
        make("succeeded", more=1),
        make("failed", more=1),
    ],
    ids=["failed", "killed", "removed", "good", "again", "more", "none yet"],
)
def test_where_releases_do_not_tell_the_plan_does(
    history: History, error: Exception | None
) -> None:
    assert may_go_back(history, Rollback(error).plan) is (error is None)
    assert not may_go_back(history, Rollback(error, is_empty=True).plan)


def test_there_is_no_way_back_while_somebody_applies() -> None:
    assert not may_go_back(make("succeeded", "succeeded", "running", lock=ME), Rollback().plan)


def test_an_apply_that_began_while_it_was_read_was_not_killed() -> None:
    fake = FakeAccount()
    lock = make_lock(ME).lock
    began = replace(GOOD, number=2, outcome="running")
    fake.s3.objects[release_key("shop", "prod", 1)] = dump_release(GOOD)

    class Late(FakeS3):
        """The lock is there from the second look on; the journal, from the first."""

        def get_object(self, Key: str, **given: Any) -> dict[str, Any]:
            if Key == lock.key and Key not in self.objects:
                self.objects[Key] = json.dumps(asdict(lock)).encode()
                return super().get_object("nothing")
            return super().get_object(Key, **given)

    late = Late(dict(fake.s3.objects))
    late.objects[journal_key("shop", "prod", 2)] = json.dumps(
        {"release": json.loads(dump_release(began)), "steps": []}
    ).encode()
    fake.s3 = late
    app = cast("App", began_app())
    history = read_history(app, cast("Aws", fake), 20)
    assert [r.outcome for r in history.releases] == ["running", "succeeded"]
    assert find_killed(history) == set()


def began_app() -> Any:
    class Named:
        name, environment = "shop", "prod"

    return Named()
