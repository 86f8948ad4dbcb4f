"""What this directory knows of an environment is what stands there, also after a failure."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application
from tests.lifecycle.small import DEFINITION, REFUSED, SOURCE

from fairway.cli.target import choose_here
from fairway.plan import Action, Plan
from fairway.route import load_app, plan_app, recording

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(write_app: Callable[..., Application]) -> Application:
    application = write_app(DEFINITION, SOURCE)
    application.apply()
    return application


def plan_by_record(app: Application) -> Plan:
    """As on a machine without credentials."""
    return plan_app(load_app(app.directory), choose_here)


def list_changes(plan: Plan) -> dict[str, Action]:
    return {c.logical_id: c.action for _, c in plan.changes() if c.action is not Action.NONE}


def test_after_a_failure_the_record_is_what_it_left(app: Application) -> None:
    app.replace("sort_key: at", "sort_key: at, expire: until")
    app.replace("memory: 128MB", "memory: 256MB")
    app.add(REFUSED)
    failed = app.fairway("apply", "--yes").expect(1)
    assert "bucket does not exist" in failed.err
    plan = plan_by_record(app)
    assert plan.against.startswith("what release 2 of ")
    assert "left when it failed, the last made from this directory" in plan.against
    # The stack of the data was done, that of the code went back.
    assert list_changes(plan) == {"Api": Action.UPDATE, "Extra": Action.CREATE}
    # So the one good release is what runs, and no way back is suggested.
    history = app.fairway("history").expect()
    assert "next: fairway history 2\n" in history.err
    assert "no earlier good release" in app.fairway("rollback", "--yes").expect(1).err
    app.replace(REFUSED, "")
    app.apply()
    assert plan_by_record(app).is_empty
    assert plan_by_record(app).against.startswith("release 3 of ")
    assert "next: fairway history 3, fairway rollback\n" in app.fairway("history").expect().err


def test_an_apply_of_which_no_end_is_known(app: Application) -> None:
    loaded = load_app(app.directory)
    before = plan_by_record(app).against
    with recording(loaded, app.aws()):  # as it stands while an apply runs, or was killed
        assert "came after it, and its end was not recorded" in plan_by_record(app).against
    assert plan_by_record(app).against == before  # nothing was begun in the end
    # One that was refused before it began does not take an earlier one's mark away.
    (app.directory / ".fairway" / "releases" / "local" / "begun").write_text("yesterday")
    with recording(loaded, app.aws()):
        pass
    assert "came after it" in plan_by_record(app).against
    app.replace("memory: 256MB", "memory: 384MB")
    app.apply()
    assert "came after it" not in plan_by_record(app).against


def test_what_cannot_be_recorded_hides_nothing(app: Application) -> None:
    records = app.directory / ".fairway" / "releases" / "local"
    shutil.rmtree(records)
    records.write_text("in the way")
    app.replace("memory: 384MB", "memory: 128MB")
    done = app.fairway("apply", "--yes").expect()
    assert "what stands now could not be kept beside the application" in done.err
    app.add(REFUSED)
    failed = app.fairway("apply", "--yes").expect(1)
    assert "bucket does not exist" in failed.err
    assert "this stack was rolled back" in failed.err
    assert failed.err.count("what stands now could not be kept beside the application") == 1
