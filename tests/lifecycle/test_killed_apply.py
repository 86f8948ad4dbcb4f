"""An apply that is killed at any step leaves nothing that the next one does not put right."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lifecycle.applications import Application, ask, tell_seconds

from fairway.apply.journal import list_journals
from fairway.apply.lock import read_lock
from fairway.apply.release import read_release
from fairway.apply.store import Store, find_store
from fairway.cli.commands.init import TEMPLATES

pytestmark = pytest.mark.slow

KILLING = Path(__file__).with_name("killing.py")
NEVER = 10_000
# A term of its own for each update, so that each has templates of its own to bring.
TERMS = (1, 3, 5, 7, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557)


def apply_and_die(app: Application, after: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(KILLING), str(after), str(app.directory)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def forget(app: Application) -> None:
    """Everything gone, the artifact stack too, so that the next run meets an empty account."""
    if app.status()["stacks"]:
        app.fairway("destroy", "--yes").expect()
    aws = app.aws()
    aws.cloudformation.delete_stack(StackName="fairway-artifacts")


def expect_order(app: Application, store: Store, name: str) -> None:
    """One good release at the end, every one before it told; no lock, no change set, no rest."""
    assert read_lock(store, name, "local") is None
    done, unfinished = list_journals(store, name, "local")
    assert not unfinished
    last = read_release(store, name, "local", done[-1])
    assert last
    assert last.outcome == "succeeded", last
    assert done == list(range(1, len(done) + 1))
    for number in done[:-1]:
        earlier = read_release(store, name, "local", number)
        assert earlier
        assert earlier.outcome in ("interrupted", "succeeded"), earlier
    client = app.aws().cloudformation
    for stack in client.describe_stacks()["Stacks"]:
        if stack["StackName"].startswith(name):
            assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
            left = client.list_change_sets(StackName=stack["StackName"])["Summaries"]
            waiting = [c for c in left if c["ExecutionStatus"] == "AVAILABLE"]
            assert not waiting, waiting
    assert "nothing to change" in app.fairway("plan").expect().out


@pytest.mark.parametrize("template", TEMPLATES)
def test_killed_at_every_step_of_a_first_deployment(
    make_app: Callable[[str], Application], template: str
) -> None:
    app = make_app(template)
    name = app.directory.name
    app.fairway("up", "--detach").expect()
    forget(app)
    steps = json.loads(apply_and_die(app, NEVER).stdout)
    assert {"CreateChangeSet", "ExecuteChangeSet", "PutObject", "DeleteObject"} <= set(steps)
    tell_seconds(f"{template}: steps at which it is killed", len(steps))
    for step in range(1, len(steps) + 1):
        forget(app)
        died = apply_and_die(app, step)
        assert died.returncode == -signal.SIGKILL, (step, died.stderr)
        again = app.apply()
        store = find_store(app.aws())
        assert store, (step, steps[step - 1])
        expect_order(app, store, name)
        url = next(iter(app.status()["urls"].values()))
        assert ask("GET", f"{url}/{'app' if template == 'timestamps' else 'authors/a/notes'}")
        assert "Traceback" not in again.err


@pytest.mark.parametrize("template", TEMPLATES)
def test_killed_at_every_step_of_an_update(
    make_app: Callable[[str], Application], template: str
) -> None:
    app = make_app(template)
    app.apply()
    name = app.directory.name
    days = TERMS[0]
    app.replace("type: function", f"type: function\n    logs: {days}d")
    step, steps = 0, ["first"]
    while step < len(steps):
        died = apply_and_die(app, step or NEVER)
        if step == 0:
            steps = ["first", *json.loads(died.stdout)]
        else:
            assert died.returncode == -signal.SIGKILL, (step, died.stderr)
            app.apply()
        store = find_store(app.aws())
        assert store
        expect_order(app, store, name)
        groups = app.aws().logs.describe_log_groups()["logGroups"]
        changed = [g for g in groups if g["logGroupName"].endswith(("/api", "/writer"))]
        assert [g["retentionInDays"] for g in changed] == [days]
        step += 1
        new = TERMS[step]
        app.replace(f"logs: {days}d", f"logs: {new}d")
        days = new
    tell_seconds(f"{template}: steps of an update", len(steps) - 1)


def test_two_at_once(make_app: Callable[[str], Application]) -> None:
    app = make_app("notes")
    app.apply()
    name = app.directory.name
    store = find_store(app.aws())
    assert store
    other = {
        "id": "abcd1234",
        "app": name,
        "environment": "local",
        "verb": "apply",
        "since": "2026-11-21T10:00:00+00:00",
        "holder": {
            "actor": "ann@desk",
            "host": "desk",
            "machine": "another",
            "pid": 77,
            "process": "5",
        },
    }
    assert store.create(f"locks/{name}/local.json", json.dumps(other).encode())
    app.replace("type: function", "type: function\n    logs: 3d")
    for verb in ("apply", "destroy"):
        held = app.fairway(verb, "--yes").expect(1)
        assert "ann@desk is changing" in held.err
        assert "process 77 on desk" in held.err
        assert "since 2026-11-21T10:00:00+00:00" in held.err
        assert "fairway unlock -e local --break abcd1234" in held.err
    shown = app.fairway("unlock").expect()
    assert "ann@desk" in shown.out
    wrong = app.fairway("unlock", "--break", "00000000").expect(1)
    assert "is abcd1234, not 00000000" in wrong.err
    app.fairway("unlock", "--break", "abcd1234").expect()
    assert "nobody" in app.fairway("unlock").expect().out
    app.apply()
