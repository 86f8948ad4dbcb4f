"""Going back without a number: to the good release before what runs, half of one included."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from tests.unit.apply.fakes import BEGAN, make_store
from tests.unit.apply.test_journal import make_release
from tests.unit.plan.test_cases import World, read_app

from fairway.apply.journal import Journal
from fairway.apply.release import Kind, Outcome, Release, record_stack, write_release
from fairway.aws import Aws
from fairway.bundle.artifact import artifact_key
from fairway.compile import compile_app
from fairway.errors import FairwayError
from fairway.events import Event, Notice
from fairway.operate.history import History, may_go_back
from fairway.operate.rollback import GoingBack, _tell_changed_data
from fairway.plan import ObservedStack, Plan

FILE = """
app: shop
components:
  api: {type: function, source: src, handler: app.handler, memory: 128MB}
"""
APP = "shop-local-app"
# Each release has other code, and so has each application that is half of one.
CODES = {1: "one", 2: "two"}


class Past:
    """Two good releases, of which the second runs, until something else is begun."""

    def __init__(self) -> None:
        self.store, self.s3 = make_store()
        self.app = read_app(FILE)
        self.templates = compile_app(self.app)
        self.observed: dict[str, ObservedStack] = World("two").observe(self.templates)
        for template in self.templates.stacks:
            self.s3.objects[f"templates/{template.digest}.json"] = template.to_json().encode()
        for number, code in CODES.items():
            self.s3.objects[artifact_key(code)] = b"zip"
            write_release(self.store, self.draft(number, code, "succeeded"))

    def draft(self, number: int, code: str, outcome: Outcome) -> Release:
        return replace(
            make_release(number, outcome=outcome, app="shop", environment="local"),
            stacks={stack.name: record_stack(stack) for stack in self.templates.stacks},
            artifacts={source.name: code for source in self.templates.sources},
        )

    def choose(self, number: int | None = None) -> int:
        aws = cast("Aws", None)  # only asked for prefix lists, which nothing here has
        going = GoingBack(self.store, self.app, aws, self.observed, with_data=False)
        return going.choose(number)[0].number

    def plan(self) -> Plan:
        aws = cast("Aws", None)
        return GoingBack(self.store, self.app, aws, self.observed, with_data=False).choose(None)[1]


def test_it_goes_to_the_one_before_what_runs() -> None:
    past = Past()
    assert past.choose() == 1
    assert past.choose(2) == 2


@pytest.mark.parametrize("how", ["failed", "interrupted", "killed", "removed"])
def test_what_was_left_half_done_goes_back_to_the_newest_good_one(how: str) -> None:
    past = Past()
    third = past.draft(3, "three", "running")
    if how == "killed":
        Journal(past.store, third, lambda: BEGAN).open()
    elif how == "removed":
        write_release(past.store, replace(third, outcome="succeeded", kind="destroy"))
    else:
        write_release(past.store, replace(third, outcome=cast("Outcome", how)))
    # It came to nothing, so the second one still runs.
    assert past.choose() == 1
    # One function was given its code directly.
    if how == "removed":
        del past.observed[APP]
    else:
        key = artifact_key("three")
        past.observed[APP] = replace(past.observed[APP], codes={"Api": key})
    assert past.choose() == 2


@pytest.mark.parametrize(
    ("kind", "said"),
    [("destroy", "not deployed in local: release 3 removed it. All"), ("apply", "local. All")],
)
def test_what_was_removed_is_told_to_be_made_anew(kind: str, said: str) -> None:
    past = Past()
    third = replace(past.draft(3, "three", "succeeded"), kind=cast("Kind", kind))
    write_release(past.store, third)
    going = GoingBack(past.store, past.app, cast("Aws", None), {}, with_data=False)
    release, _ = going.choose(2)
    assert f"{said} of release 2 is made anew" in (going.explain_missing(release) or "")


def test_the_only_good_one_is_gone_back_to_from_half_of_another() -> None:
    past = Past()
    del past.s3.objects["releases/shop/local/000001.json"]
    with pytest.raises(FairwayError, match="no earlier good release"):
        past.choose()
    write_release(past.store, past.draft(3, "three", "interrupted"))
    with pytest.raises(FairwayError, match="no earlier good release"):
        past.choose()
    past.observed[APP] = replace(past.observed[APP], codes={"Api": artifact_key("three")})
    assert past.choose() == 2


@pytest.mark.parametrize("is_half", [False, True])
def test_a_history_suggests_only_what_finds_its_release(is_half: bool) -> None:
    past = Past()
    del past.s3.objects["releases/shop/local/000001.json"]
    third = past.draft(3, "three", "failed")
    write_release(past.store, third)
    if is_half:
        past.observed[APP] = replace(past.observed[APP], codes={"Api": artifact_key("three")})
    history = History((third, past.draft(2, "two", "succeeded")), 2, None)
    assert may_go_back(history, past.plan) is is_half


@pytest.mark.parametrize("change", ["none", "the same again", "no archive"])
def test_a_history_suggests_only_what_changes_something(change: str) -> None:
    past = Past()
    releases = [past.draft(number, code, "succeeded") for number, code in CODES.items()]
    if change == "the same again":
        releases += [
            replace(past.draft(3, "two", "succeeded"), kind="destroy"),
            past.draft(4, "two", "succeeded"),
        ]
        for release in releases[2:]:
            write_release(past.store, release)
    if change == "no archive":
        del past.s3.objects[artifact_key("one")]
    history = History(tuple(releases[::-1]), releases[-1].number, None)
    assert may_go_back(history, past.plan) is (change == "none")


DATA = """
app: shop
components: {{entries: {{type: table, partition_key: id}}{more}}}
"""


class Notices:
    """What a rollback says."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __call__(self, event: Event) -> None:
        assert isinstance(event, Notice)
        self.told.append(event.text)


def test_data_that_stays_is_told_only_where_it_is_there() -> None:
    earlier, later = (compile_app(read_app(DATA.format(more=more))) for more in (
        "", ", rows: {type: table, partition_key: id}"))  # fmt: skip
    first, second = (
        replace(
            make_release(number, app="shop", environment="local"),
            stacks={stack.name: record_stack(stack) for stack in templates.stacks},
        )
        for number, templates in ((1, earlier), (2, later))
    )
    there, gone = Notices(), Notices()
    _tell_changed_data(first, second, {"shop-local-data"}, there)
    _tell_changed_data(first, second, {"fairway-artifacts"}, gone)
    assert len(there.told) == 1
    assert there.told[0].startswith("shop-local-data stays as it is now")
    assert gone.told == []


def test_data_that_is_not_there_is_told_to_be_made_anew_beside_the_rest() -> None:
    past = Past()
    templates = compile_app(read_app(DATA.format(more="")))
    release = replace(
        past.draft(1, "one", "succeeded"),
        stacks={stack.name: record_stack(stack) for stack in templates.stacks},
    )
    going = GoingBack(past.store, past.app, cast("Aws", None), past.observed, with_data=False)
    past.observed.pop("shop-local-data", None)
    assert APP in past.observed
    assert "made anew as it was, with no data in it" in (going.explain_missing(release) or "")
    whole = World("one").observe(templates)
    going = GoingBack(past.store, past.app, cast("Aws", None), whole, with_data=False)
    assert going.explain_missing(release) is None


def test_one_that_is_not_good_is_refused() -> None:
    past = Past()
    write_release(past.store, past.draft(3, "three", "interrupted"))
    with pytest.raises(FairwayError, match="cannot be gone back to: interrupted"):
        past.choose(3)
    with pytest.raises(FairwayError, match="has no release 4"):
        past.choose(4)
