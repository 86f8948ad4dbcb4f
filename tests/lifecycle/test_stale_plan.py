"""A plan is for what was there when it was made; a failure tells its events when asked."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application
from tests.lifecycle.small import DEFINITION, REFUSED, SOURCE, read_page

from fairway.cli.target import choose_here
from fairway.errors import DeploymentFailed
from fairway.route import apply_plan, load_app, plan_app

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(write_app: Callable[..., Application]) -> Application:
    application = write_app(DEFINITION, SOURCE)
    application.apply()
    return application


def test_a_stack_that_moved_since_is_left_alone(app: Application) -> None:
    aws = app.aws()
    app.replace('PAGE = "first"', 'PAGE = "second"', "src/app.py")
    old = plan_app(load_app(app.directory), choose_here, aws)
    app.replace('PAGE = "second"', 'PAGE = "third"', "src/app.py")
    app.apply()
    with pytest.raises(DeploymentFailed, match="changed by somebody else after the plan") as error:
        apply_plan(old, aws)
    assert "plans anew" in (error.value.hint or "")
    assert read_page(app) == "third 0"
    assert "nothing to change" in app.fairway("plan").expect().out


def test_events_are_for_those_who_want_them(app: Application) -> None:
    app.add(REFUSED)
    brief = app.fairway("apply", "--yes").expect(1)
    message = brief.err[brief.err.index("error: ") :].splitlines()
    assert len(message) <= 6
    assert "Extra (" in message[0]
    assert "fairway.yml:" in message[0]
    assert any("hint: " in line for line in message)
    full = app.fairway("apply", "--yes", "--events").expect(1)
    told = full.err[full.err.index("error: ") :]
    assert re.search(r"_FAILED +Extra: ", told)
    assert "UPDATE_ROLLBACK_COMPLETE     small-local-app" in told
    app.replace(REFUSED, "")


def test_stacks_that_did_not_change_are_not_touched(app: Application) -> None:
    client = app.aws().cloudformation

    def count() -> dict[str, int]:
        return {
            s["StackName"]: len(
                client.describe_stack_events(StackName=s["StackName"])["StackEvents"]
            )
            for s in client.describe_stacks()["Stacks"]
        }

    before = count()
    app.replace('PAGE = "third"', 'PAGE = "fourth"', "src/app.py")
    app.fairway("apply", "--yes", "--full").expect()
    after = count()
    assert {name for name in after if after[name] != before[name]} == {"small-local-app"}
    last = app.fairway("history", "--json").expect().json()["releases"][0]
    assert [c["logical_id"] for c in last["plan"]] == ["Api"]
