"""An apply that is told to end gives its lock back, tells so, and is taken up again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lifecycle.applications import Application, running, wait_until
from tests.lifecycle.small import DEFINITION, SOURCE, read_page

from fairway.apply.lock import read_lock
from fairway.apply.store import find_store

pytestmark = pytest.mark.slow

# Nobody answers it, so a creation waits as long as it says (seconds).
NEVER_READY = """
resources:
  Handle: {Type: "AWS::CloudFormation::WaitConditionHandle"}
  Ready:
    Type: AWS::CloudFormation::WaitCondition
    Properties: {Handle: {Ref: Handle}, Timeout: "8"}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_lock_is_given_back(
    write_app: Callable[..., Application], tmp_path: Path, number: int
) -> None:
    app = write_app(DEFINITION, SOURCE)
    app.apply()
    store = find_store(app.aws())
    assert store
    app.add(NEVER_READY)
    with running(
        ["apply", "-C", str(app.directory), "--yes", "--verbose"], tmp_path / "output"
    ) as apply:
        apply.wait_for("_IN_PROGRESS   Ready")
        held = read_lock(store, "small", "local")
        assert held
        assert held.lock.holder.pid == apply.process.pid
        second = app.fairway("apply", "--yes").expect(1)
        assert f"process {apply.process.pid}" in second.err
        assert apply.end(number) == 130
        assert "run the same command again" in apply.text
    assert read_lock(store, "small", "local") is None
    last = app.fairway("history", "--json").expect().json()["releases"][0]
    assert (last["outcome"], last["cause"]) == ("interrupted", "interrupted by its user")

    # What CloudFormation still does is waited for, not run into.
    assert app.status()["stacks"]["small-local-app"].endswith("_IN_PROGRESS")
    app.replace(NEVER_READY, "")
    app.apply()
    assert read_page(app) == "first 0"
    assert app.status()["stacks"]["small-local-app"] == "UPDATE_ROLLBACK_COMPLETE"


def test_a_killed_holder_is_recognised(
    write_app: Callable[..., Application], tmp_path: Path
) -> None:
    app = write_app(DEFINITION, SOURCE)
    app.apply()
    app.add(NEVER_READY)
    with running(
        ["apply", "-C", str(app.directory), "--yes", "--verbose"], tmp_path / "output"
    ) as apply:
        apply.wait_for("_IN_PROGRESS   Ready")
        apply.end(signal.SIGKILL)
        pid = apply.process.pid
    assert "its process is dead" in app.fairway("unlock").expect().out
    history = app.fairway("history").expect()
    assert "the next apply takes it up" in history.out
    assert "  killed  " in history.out
    assert "killed; the next apply goes on" in app.fairway("history", "2").expect().out
    app.replace(NEVER_READY, "")
    app.replace("memory: 128MB", "memory: 256MB")
    again = app.apply()
    assert f"process {pid} of" in again.err
    assert "is dead; its lock was taken over" in again.err
    assert "release 2 was killed during stack small-local-app" in again.err
    releases = app.fairway("history", "--json").expect().json()["releases"]
    assert [r["outcome"] for r in releases] == ["succeeded", "interrupted", "succeeded"]
    wait_until(lambda: read_page(app) == "first 0", "it answers")
