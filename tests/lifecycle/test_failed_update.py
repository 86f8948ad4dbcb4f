"""A failing update is rolled back, and its first real cause is told with its place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lifecycle.applications import REFUSED, Application, Outcome, ask, find_processes

pytestmark = pytest.mark.slow


def expect_cause(app: Application, outcome: Outcome) -> None:
    """The cause is named with its logical id and its line, in few lines, and only once."""
    line = 1 + app.file.read_text().splitlines().index("  Extra:")
    message = outcome.err[outcome.err.index("error: ") :].splitlines()
    assert len(message) <= 6, outcome.err
    assert "Extra" in message[0]
    assert f"fairway.yml:{line}:" in message[0]
    assert "bucket does not exist" in message[0]
    assert "rolled back" in message[0]


def test_update(make_app: Callable[[str], Application]) -> None:
    app = make_app("timestamps")
    app.apply()
    url, name = app.url(), app.directory.name
    stamp = ask("POST", f"{url}/app").text
    app.replace("memory: 128MB", "memory: 256MB")
    app.replace("<h1>Timestamps</h1>", "<h1>New</h1>", "src/timestamps.py")
    app.replace("\ncomponents:\n", "\ncomponents:\n  more: {type: table, partition_key: id}\n\n")
    app.add(REFUSED)

    outcome = app.fairway("apply", "--yes").expect(1)
    expect_cause(app, outcome)
    assert f"in {name}-local-app: " in outcome.err
    assert f"applied before it, and staying: {name}-local-data" in outcome.err
    assert "Timestamps" in ask("GET", f"{url}/").text
    assert [row["timeStamp"] for row in ask("GET", f"{url}/app").json()] == [stamp]
    stacks = app.status()["stacks"]
    assert stacks[f"{name}-local-app"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks[f"{name}-local-data"] == "UPDATE_COMPLETE"
    assert "Memory Size: 128 MB" in app.list_lines("--grep", "REPORT")[-1]

    again = app.fairway("apply", "--yes").expect(1)
    expect_cause(app, again)
    assert "applied before it" not in again.err

    app.replace(REFUSED, "")
    assert "1 to update" in app.fairway("plan").expect().out
    app.apply()
    assert "New" in ask("GET", f"{url}/").text
    assert [row["timeStamp"] for row in ask("GET", f"{url}/app").json()] == [stamp]


def test_first_deployment(make_app: Callable[[str], Application]) -> None:
    app = make_app("timestamps")
    app.add(REFUSED)
    expect_cause(app, app.fairway("up").expect(1))
    assert not find_processes(app.directory), "`up` stops what it started"
    expect_cause(app, app.fairway("apply", "--yes").expect(1))
    assert app.status()["urls"] == {}

    app.replace(REFUSED, "")
    app.apply()
    assert ask("POST", f"{app.url()}/app").status == 200
    assert "nothing to change" in app.fairway("plan").expect().out
