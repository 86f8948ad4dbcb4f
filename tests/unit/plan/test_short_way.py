"""The short way is taken where code alone changes, and what runs is what Lambda says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plan.test_cases import World, read_app

from fairway.bundle.artifact import Artifact
from fairway.cli.render.markdown import write_plan
from fairway.compile import compile_app
from fairway.define import App
from fairway.define.definition import define_text
from fairway.plan import Action, ObservedStack, Plan, plan_changes
from fairway.plan.describe import describe_plan
from fairway.plan.forecast import compare_forecast
from fairway.plan.record import ReleaseRecord, read_last_record, write_record
from fairway.plan.saved import SavedPlanRefused, find_differences, require_same, save_plan
from fairway.plan.short_way import describe_way, take_full_way

FILE = """
app: shop
environments:
  poc: {}
  prod: {approve: true}
components:
  entries: {type: table, partition_key: id}
  api: {type: function, source: src, handler: app.handler, uses: {entries: read}}
  worker: {type: function, source: src, handler: app.handler}
  other: {type: function, source: other, handler: app.handler}
"""
ALIAS = """
resources:
  Published: {Type: AWS::Lambda::Version, Properties: {FunctionName: {Ref: %s}}}
  Live:
    Type: AWS::Lambda::Alias
    Properties:
      FunctionName: {Ref: %s}
      FunctionVersion: {"Fn::GetAtt": [Published, Version]}
      Name: live
"""
APP = "shop-local-app"
Observed = dict[str, ObservedStack]


def make_plan(
    after: str = FILE,
    before: str = FILE,
    change: Callable[[Observed], Observed] = lambda observed: observed,
    code: Mapping[str, str] | None = None,
    app: App | None = None,
) -> Plan:
    """From archives `old` everywhere to those in `code`, `new` where none is named."""
    app = app or read_app(after)
    templates = compile_app(app)
    old = define_text(before, Path("/application"), app.environment).require_app()
    observed = change(World("old").observe(compile_app(old)))
    artifacts = [
        Artifact(s.name, (code or {}).get(s.directory, "new"), Path("a.zip"), 1)
        for s in templates.sources
    ]
    return plan_changes(app, templates, artifacts, observed, find_prefix_list="pl-{}".format)


def edit(**parts: Any) -> Callable[[Observed], Observed]:
    """The app's stack with other parts."""
    return lambda observed: {**observed, APP: replace(observed[APP], **parts)}


def name(plan: Plan) -> list[str]:
    return [change.component for change in plan.short_way]


def test_functions_that_share_a_source_are_given_its_code_and_no_others() -> None:
    plan = make_plan(code={"other": "old"})
    assert name(plan) == ["api", "worker"]
    first = plan.short_way[0]
    assert (first.stack, first.logical_id, first.function) == (APP, "Api", "api-1")
    assert (first.before, first.after) == ("artifacts/old.zip", "artifacts/new.zip")
    assert first.place is not None
    assert not plan.is_empty
    assert {c.logical_id for _, c in plan.changes() if c.action is Action.UPDATE} == {
        "Api",
        "Worker",
    }


@pytest.mark.parametrize(
    ("after", "before"),
    [
        (FILE.replace("handler}", "handler, memory: 512MB}"), FILE),  # a setting too
        (FILE.replace("partition_key: id", "partition_key: id, expire: until"), FILE),  # data too
        (FILE, FILE.replace("  other:", "  gone: {type: table, partition_key: id}\n  other:")),
        (FILE + ALIAS % ("Api", "Api"), FILE + ALIAS % ("Api", "Api")),  # who calls the alias
        (FILE + ALIAS % ("Api", "Api"), FILE),
        (FILE + ALIAS.replace("{Ref: %s}", "shop-api"),) * 2,  # of a function that is not seen
    ],
)
def test_anything_else_goes_through_the_stacks(after: str, before: str) -> None:
    plan = make_plan(after, before)
    assert not plan.is_empty
    assert plan.short_way == ()
    assert describe_way(plan) is None


def test_versions_of_other_functions_do_not_matter() -> None:
    file = FILE + ALIAS % ("Other", "Other")
    assert name(make_plan(file, file, code={"other": "old"})) == ["api", "worker"]


@pytest.mark.parametrize(
    "change",
    [
        edit(status="UPDATE_ROLLBACK_IN_PROGRESS"),
        edit(status="UPDATE_ROLLBACK_FAILED"),
        edit(physical_ids={}),
        lambda observed: {k: v for k, v in observed.items() if k != APP},
        lambda observed: {},
    ],
)
def test_stacks_that_are_not_there_or_not_at_rest(change: Callable[[Observed], Observed]) -> None:
    assert make_plan(change=change).short_way == ()


def test_who_consents_to_plans_gets_those_of_cloudformation() -> None:
    prod, poc = (
        define_text(FILE, Path("/application"), environment).require_app()
        for environment in ("prod", "poc")
    )
    assert make_plan(app=prod).short_way == ()
    assert name(make_plan(app=poc)) == ["api", "worker", "other"]


def test_what_runs_counts_and_not_what_the_stack_was_told() -> None:
    given = edit(codes={"Api": "artifacts/given.zip", "Worker": "artifacts/new.zip"})
    plan = make_plan(change=given, code={"other": "old"})
    (change,) = plan.short_way
    assert (change.component, change.before) == ("api", "artifacts/given.zip")
    # Back to what the stack names is a change too: CloudFormation would not see one.
    back = make_plan(change=given, code={"src": "old", "other": "old"})
    assert name(back) == ["api", "worker"]


def test_a_stack_that_lags_behind_is_no_change_unless_it_is_asked_for() -> None:
    given = edit(codes={"Api": "artifacts/new.zip", "Worker": "artifacts/new.zip"})
    plan = make_plan(change=given, code={"other": "old"})
    assert plan.is_empty
    assert [stack.name for stack in plan.stacks if stack.lags] == [APP]
    full = take_full_way(plan)
    assert not full.is_empty
    assert full.short_way == ()
    assert describe_way(full) == f"also brings {APP} up to the code that api, worker already run"
    one = make_plan(change=edit(codes={"Api": "artifacts/new.zip"}), code={"other": "old"})
    assert describe_way(take_full_way(one)) == (
        f"also brings {APP} up to the code that api already runs"
    )
    newer = make_plan(change=given, code={"src": "newer", "other": "old"})
    assert describe_way(take_full_way(newer)) is None  # what they get is told as a change
    assert take_full_way(make_plan(code={"src": "old", "other": "old"})).is_empty


def test_code_that_others_gave_goes_through_the_stack() -> None:
    plan = make_plan(change=edit(codes={"Api": "sha256:abc"}))
    assert not plan.is_empty
    assert plan.short_way == ()


def test_every_form_of_the_plan_says_which_way_it_takes() -> None:
    plan = make_plan(code={"other": "old"})
    words = describe_way(plan)
    assert words == (
        "code only: api, worker are given their new code directly; the stack follows with the "
        "next full apply (--full: now)"
    )
    assert words in write_plan(plan)
    told = describe_plan(plan)
    assert [c["component"] for c in told["short_way"]] == ["api", "worker"]
    assert told["full"] is False
    assert describe_plan(take_full_way(plan))["full"] is True
    one = describe_way(replace(plan, short_way=plan.short_way[:1]))
    assert one is not None
    assert one.startswith("code only: api is given its new code directly")


def test_a_saved_plan_names_its_way() -> None:
    plan = replace(make_plan(code={"other": "old"}), file_digest="f", account="1")
    saved, full = save_plan(plan), save_plan(take_full_way(plan))
    assert saved.digest != full.digest
    assert (saved.is_full, full.is_full) == (False, True)
    assert list(find_differences(saved, full)) == [
        f"given their code directly: planned {APP}/Api, {APP}/Worker, now no",
        "the full way: planned no, now yes",
    ]
    with pytest.raises(SavedPlanRefused):
        require_same(saved, take_full_way(plan))
    # What runs is part of what was observed.
    given = make_plan(change=edit(codes={"Api": "artifacts/older.zip"}), code={"other": "old"})
    moved = list(find_differences(saved, save_plan(replace(given, file_digest="f", account="1"))))
    assert f"{APP} was changed since: running code" in moved


def test_a_plan_with_nobody_to_ask_knows_what_was_given(tmp_path: Path) -> None:
    stack = replace(
        World("old").observe(compile_app(read_app(FILE)))[APP],
        codes={"Api": "artifacts/new.zip", "Worker": "artifacts/new.zip"},
    )
    write_record(tmp_path, ReleaseRecord(2, "shop", "local", "eu-west-1", "now", {APP: stack}))
    last = read_last_record(tmp_path)
    assert last is not None
    plan = make_plan(change=lambda known: {**known, **last.stacks}, code={"other": "old"})
    assert plan.is_empty


def test_cloudformations_forecast_is_not_contradicted_by_code_it_does_not_know() -> None:
    given = edit(codes={"Api": "artifacts/new.zip", "Worker": "artifacts/given.zip"})
    plan = make_plan(change=given, code={"src": "old", "other": "old"})
    stack = next(stack for stack in plan.stacks if stack.name == APP)
    assert [c.logical_id for c in stack.changes if c.action is Action.UPDATE] == ["Api", "Worker"]
    assert list(compare_forecast(stack, {})) == []
    removed = {"Api": {"Action": "Remove"}}
    assert list(compare_forecast(stack, removed)) == [
        "Api: the plan says update, CloudFormation delete or keep"
    ]
