"""Code that alone changes goes to its functions directly; the stack is not touched, and follows."""

from __future__ import annotations

import io
import json
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.lifecycle.applications import Application, ask, wait_until
from tests.lifecycle.killed_applies import KilledApplies, expect_order

from fairway.apply import Consent, Provenance
from fairway.apply.release import read_release
from fairway.apply.store import find_store
from fairway.cli.target import choose_here
from fairway.errors import DeploymentFailed
from fairway.operate.promote import define_target, find_release, plan_promotion
from fairway.route import apply_plan, find_app, load_app, plan_app

pytestmark = pytest.mark.slow

DEFINITION = """app: swift
region: eu-west-1
encryption: aws-key
environments:
  poc: {}
  prod: {}
components:
  api: {type: function, source: src, handler: app.handler, memory: 128MB}
  worker: {type: function, source: src, handler: app.handler, memory: 128MB}
  other: {type: function, source: other, handler: app.handler, memory: 128MB}
  web: {type: http-api, routes: {GET /api: api, GET /worker: worker, GET /other: other}}
"""
SOURCE = """PAGE = "one"
def handler(event, context):
    return {"statusCode": 200, "body": PAGE}
"""
ALIAS = """
resources:
  Published: {Type: AWS::Lambda::Version, Properties: {FunctionName: {Ref: Worker}}}
  Live:
    Type: AWS::Lambda::Alias
    Properties:
      FunctionName: {Ref: Worker}
      FunctionVersion: {"Fn::GetAtt": [Published, Version]}
      Name: live
"""
# Refused only when the functions have their new code.
REFUSED = """
resources:
  Extra:
    Type: AWS::S3::BucketPolicy
    DependsOn: [Api, Worker]
    Properties:
      Bucket: this-bucket-is-not-there
      PolicyDocument: {Version: "2012-10-17", Statement: []}
"""
STACK = "swift-local-app"
Write = Callable[..., Application]


def make(write_app: Write) -> Application:
    app = write_app(DEFINITION, SOURCE)
    (app.directory / "other").mkdir()
    (app.directory / "other" / "app.py").write_text(SOURCE)
    app.apply()
    return app


@pytest.fixture(scope="module")
def app(write_app: Write) -> Application:
    return make(write_app)


def read_pages(app: Application) -> list[str]:
    return [ask("GET", f"{app.url()}/{name}").text for name in ("api", "worker", "other")]


def set_page(app: Application, page: str) -> None:
    (app.directory / "src" / "app.py").write_text(SOURCE.replace("one", page))


def describe(app: Application) -> tuple[Any, int]:
    """When the stack was changed last, and how many events it has."""
    client = app.aws().cloudformation
    (stack,) = client.describe_stacks(StackName=STACK)["Stacks"]
    pages = client.get_paginator("describe_stack_events").paginate(StackName=STACK)
    events = sum(len(page["StackEvents"]) for page in pages)
    return stack.get("LastUpdatedTime"), events


def tell_keys(app: Application) -> set[str]:
    """The archives that the stack names."""
    (stack,) = app.aws().cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    keys = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]}
    return {value for key, value in keys.items() if key.startswith("Code")}


def has_note(app: Application) -> bool:
    store = find_store(app.aws())
    assert store
    return store.has("code/swift/local.json")


def list_releases(app: Application) -> list[dict[str, Any]]:
    return list(app.fairway("history", "--json").expect().json()["releases"])


def test_no_stack_is_touched_and_a_release_is_left(app: Application) -> None:
    before, keys = describe(app), tell_keys(app)
    set_page(app, "two")
    planned = app.fairway("plan", "--json").expect().json()
    assert [c["component"] for c in planned["short_way"]] == ["api", "worker"]
    done = app.apply()
    assert "code only: api, worker are given their new code directly" in done.out
    assert "code of api (" in done.err
    assert "stack swift" not in done.err
    assert read_pages(app) == ["two", "two", "one"]
    assert describe(app) == before
    assert tell_keys(app) == keys

    last, first = list_releases(app)
    assert (last["number"], last["outcome"], last["kind"]) == (2, "succeeded", "apply")
    assert last["artifacts"] != first["artifacts"]
    assert last["stacks"][STACK]["outputs"] == first["stacks"][STACK]["outputs"]
    run = last["stacks"][STACK]["parameters"]
    assert {f"artifacts/{digest}.zip" for digest in last["artifacts"].values()} <= {*run.values()}
    steps = app.fairway("history", "2", "--json").expect().json()["steps"]
    assert {"code of api", "code of worker"} <= {s["name"] for s in steps if s["ended"]}

    # What runs is known, also with nobody to ask: nothing is left to do, and nothing has drifted.
    assert plan_app(load_app(app.directory), choose_here).is_empty
    assert "nothing to change" in app.apply().out
    planned = app.fairway("plan", "--drift", "--json").expect().json()
    assert (planned["empty"], planned["drift"]) == (True, [])
    assert len(list_releases(app)) == 2


def test_it_outlives_the_local_cloud(app: Application) -> None:
    pages = read_pages(app)
    app.fairway("down").expect()
    assert "nothing to change" in app.fairway("plan").expect().out
    app.fairway("up", "--detach").expect()
    assert read_pages(app) == pages
    assert "nothing to change" in app.apply().out


def test_a_rollback_takes_it_too_and_the_stack_is_right_again(app: Application) -> None:
    before = describe(app)
    assert has_note(app)
    app.fairway("rollback", "1", "--yes").expect()
    assert read_pages(app) == ["one", "one", "one"]
    assert describe(app) == before
    assert not has_note(app)
    set_page(app, "one")
    assert "nothing to change" in app.apply().out
    app.fairway("rollback", "2", "--yes").expect()
    assert read_pages(app) == ["two", "two", "one"]
    set_page(app, "two")
    assert "nothing to change" in app.apply().out


def test_the_full_way_brings_the_stack_along(app: Application) -> None:
    before, keys = describe(app), tell_keys(app)
    shown = app.fairway("apply", "--yes", "--full").expect()
    assert f"also brings {STACK} up to the code that api, worker already run" in shown.out
    assert f"stack {STACK}" in shown.err
    assert describe(app) != before
    assert tell_keys(app) != keys
    assert read_pages(app) == ["two", "two", "one"]
    assert not has_note(app)
    assert "nothing to change" in app.fairway("apply", "--yes", "--full").expect().out
    set_page(app, "three")
    shown = app.fairway("apply", "--yes", "--full").expect()
    assert "code only" not in shown.out
    assert read_pages(app) == ["three", "three", "one"]
    assert not has_note(app)


def test_a_change_of_more_brings_it_along_too(app: Application) -> None:
    set_page(app, "four")
    app.apply()
    assert has_note(app)
    app.replace("other, handler: app.handler, memory: 128MB", "other, handler: app.handler")
    shown = app.apply()
    assert f"also brings {STACK} up to the code that api, worker already run" in shown.out
    assert read_pages(app) == ["four", "four", "one"]
    assert not has_note(app)


def test_code_that_the_stack_believes_to_be_there_is_given_all_the_same(app: Application) -> None:
    """CloudFormation sees no change in a parameter that names what runs no more."""
    set_page(app, "five")
    app.apply()
    set_page(app, "four")
    app.replace("other, handler: app.handler", "other, handler: app.handler, memory: 128MB")
    app.apply()
    assert read_pages(app) == ["four", "four", "one"]
    assert not has_note(app)
    assert "nothing to change" in app.apply().out


def test_a_failed_update_afterwards_leaves_the_newest_code(app: Application) -> None:
    set_page(app, "six")
    app.apply()
    app.add(REFUSED)
    set_page(app, "seven")
    failed = app.fairway("apply", "--yes").expect(1)
    assert "bucket does not exist" in failed.err
    assert "given the code of before again: api, worker" in failed.err
    assert read_pages(app) == ["six", "six", "one"]
    last = list_releases(app)[0]
    assert last["outcome"] == "failed"
    steps = app.fairway("history", str(last["number"]), "--json").expect().json()["steps"]
    again = [s for s in steps if s["name"].startswith("code of") and s["name"].endswith("again")]
    assert len(again) == 2
    assert all(step["ended"] and not step["failed"] for step in again)

    app.replace(REFUSED, "")
    set_page(app, "six")
    assert "nothing to change" in app.apply().out


def test_a_kill_while_cloudformation_goes_back(app: Application, tmp_path: Path) -> None:
    set_page(app, "eight")
    app.apply()
    app.add(REFUSED)
    set_page(app, "nine")
    before = describe(app)[0]
    with KilledApplies(tmp_path / "errors") as applies:
        for step in range(1, 40):
            assert applies.run(app, step) == -signal.SIGKILL, applies.errors
            if describe(app)[0] != before:  # the change set was executed
                break
    wait_until(lambda: not tell_status(app).endswith("_IN_PROGRESS"), "the stack moves for ever")
    assert tell_status(app) == "UPDATE_ROLLBACK_COMPLETE"
    assert not {"eight", "nine"} & set(read_pages(app))  # but what the stack was told last

    # The next apply sees what runs; it fails in its turn, and gives what was meant to run.
    shown = app.fairway("plan").expect().err
    assert f"Api of {STACK} runs other code than it was given last" in shown
    failed = app.fairway("apply", "--yes").expect(1)
    assert "given the code of before again: api, worker" in failed.err
    assert read_pages(app) == ["eight", "eight", "one"]
    app.replace(REFUSED, "")
    app.apply()
    assert read_pages(app) == ["nine", "nine", "one"]


def tell_status(app: Application) -> str:
    return str(app.status()["stacks"][STACK])


def test_one_that_others_changed_takes_the_rest_back(app: Application) -> None:
    set_page(app, "ten")
    aws = app.aws()
    plan = plan_app(load_app(app.directory), choose_here, aws)
    assert [change.component for change in plan.short_way] == ["api", "worker"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", SOURCE.replace("one", "by hand"))
    name = plan.short_way[1].function
    aws.lambda_.update_function_code(FunctionName=name, ZipFile=archive.getvalue())
    with pytest.raises(DeploymentFailed, match=r"worker .* was changed by somebody else"):
        apply_plan(plan, aws)
    assert read_pages(app) == ["nine", "by hand", "one"]
    # The next plan knows, and puts it right.
    app.apply()
    assert read_pages(app) == ["ten", "ten", "one"]


def test_a_stack_that_moved_meanwhile_is_refused(app: Application) -> None:
    set_page(app, "given")
    assert "code only" in app.apply().out
    set_page(app, "never")
    plan = plan_app(load_app(app.directory), choose_here, app.aws())
    assert plan.short_way
    set_page(app, "given")
    app.fairway("apply", "--yes", "--full").expect()  # the same code, and the stack follows
    with pytest.raises(DeploymentFailed, match="was changed by somebody else after the plan"):
        apply_plan(plan, app.aws())
    assert read_pages(app) == ["given", "given", "one"]


def test_a_saved_plan_keeps_its_way(app: Application) -> None:
    set_page(app, "eleven")
    file = app.directory / "plan.json"
    app.fairway("plan", "--save", str(file)).expect()
    refused = app.fairway("apply", str(file), "--yes", "--full").expect(1)
    assert "the plan was not saved with --full" in refused.err
    before = describe(app)
    assert "code only" in app.fairway("apply", str(file), "--yes").expect().out
    assert describe(app) == before
    assert read_pages(app) == ["eleven", "eleven", "one"]

    set_page(app, "twelve")
    app.fairway("plan", "--full", "--save", str(file)).expect()
    assert json.loads(file.read_text())["plan"]["full"] is True
    assert "code only" not in app.fairway("apply", str(file), "--yes").expect().out
    assert describe(app) != before
    assert read_pages(app) == ["twelve", "twelve", "one"]


def test_a_function_with_an_alias_takes_the_full_way(app: Application) -> None:
    app.add(ALIAS)
    app.apply()
    before = describe(app)
    set_page(app, "thirteen")
    assert "code only" not in app.apply().out
    assert describe(app) != before
    (app.directory / "other" / "app.py").write_text(SOURCE.replace("one", "else"))
    before = describe(app)
    assert "code only: other is given its new code directly" in app.apply().out
    assert describe(app) == before
    assert read_pages(app) == ["thirteen", "thirteen", "else"]
    app.replace(ALIAS, "")
    app.apply()


def test_promotion_takes_what_runs(app: Application, tmp_path: Path) -> None:
    aws = app.aws()
    for page in ("poc one", "poc two"):
        set_page(app, page)
        plan = plan_app(load_app(app.directory, "poc"), choose_here, aws)
        made = apply_plan(plan, aws, provenance=tell_provenance(app))
    assert [change.component for change in plan.short_way] == ["api", "worker"]
    for _ in range(2):
        release, definition = find_release(find_app(app.directory, "poc"), aws, None)
        assert release.number == made.number
        prod = define_target(
            find_app(app.directory, "poc"), definition, find_app(app.directory, "prod")
        )
        plan, provenance = plan_promotion(
            prod, release, aws, aws, tmp_path, tell_provenance(app), definition
        )
        promoted = apply_plan(plan, aws, provenance=provenance, consent=Consent())
        assert promoted.artifacts == made.artifacts
        set_page(app, "poc three")
        plan = plan_app(load_app(app.directory, "poc"), choose_here, aws)
        made = apply_plan(plan, aws, provenance=tell_provenance(app))
    store = find_store(aws)
    assert store
    last = read_release(store, "swift", "prod", 2)
    assert last
    assert last.kind == "promote"


def tell_provenance(app: Application) -> Provenance:
    return Provenance("ann", "r1", app.file.read_text())


def test_killed_at_any_step_it_is_carried_on(write_app: Write, tmp_path: Path) -> None:
    """From before the first function is given code until the note of it is written."""
    app = make(write_app)
    before = describe(app)
    aws = app.aws()
    store = find_store(aws)
    assert store
    with KilledApplies(tmp_path / "errors") as applies:
        set_page(app, "whole")
        steps = applies.list_steps(app)
        assert steps.count("UpdateFunctionCode") == 2
        assert not {"CreateChangeSet", "ExecuteChangeSet"} & set(steps)
        first = steps.index("UpdateFunctionCode")
        last = len(steps) - steps[::-1].index("UpdateFunctionCode")
        for step in range(first - 1, last + 4):
            set_page(app, f"step {step}")
            assert applies.run(app, step) == -signal.SIGKILL, (step, applies.errors)
            app.apply()
            assert read_pages(app) == [f"step {step}", f"step {step}", "one"]
            expect_order(app, aws, store, "swift")
            assert describe(app) == before
