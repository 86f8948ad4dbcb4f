"""An update that is killed at any step leaves nothing that the next apply does not put right."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lifecycle.applications import Application, tell_seconds
from tests.lifecycle.killed_applies import KilledApplies, expect_order

from fairway.apply.store import find_store
from fairway.cli.commands.init import TEMPLATES

pytestmark = pytest.mark.slow

# A term of its own for each update, so that each has templates of its own to bring.
TERMS = (1, 3, 5, 7, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557)


@pytest.mark.parametrize("template", TEMPLATES)
def test_killed_at_every_step_of_an_update(
    make_app: Callable[[str], Application], tmp_path: Path, template: str
) -> None:
    app = make_app(template)
    app.apply()
    aws = app.aws()
    days = TERMS[0]
    app.replace("type: function", f"type: function\n    logs: {days}d")
    step, steps = 0, ["first"]
    with KilledApplies(tmp_path / "errors") as applies:
        while step < len(steps):
            if step == 0:
                steps = ["first", *applies.list_steps(app)]
            else:
                assert applies.run(app, step) == -signal.SIGKILL, (step, applies.errors)
                app.apply()
            store = find_store(aws)
            assert store
            expect_order(app, aws, store)
            groups = aws.logs.describe_log_groups()["logGroups"]
            changed = [g for g in groups if g["logGroupName"].endswith(("/api", "/writer"))]
            assert [g["retentionInDays"] for g in changed] == [days]
            step += 1
            new = TERMS[step]
            app.replace(f"logs: {days}d", f"logs: {new}d")
            days = new
    tell_seconds(f"{template}: steps of an update", len(steps) - 1)
