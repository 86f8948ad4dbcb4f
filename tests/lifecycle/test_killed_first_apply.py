"""A first deployment that is killed at any step leaves nothing that the next does not put right."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lifecycle.applications import Application, ask, tell_seconds
from tests.lifecycle.killed_applies import KilledApplies, expect_order

from fairway.apply.store import find_store
from fairway.aws import Aws
from fairway.cli.commands.init import TEMPLATES

pytestmark = pytest.mark.slow


PAGES = {"timestamps": "app", "notes": "authors/a/notes"}


def forget(app: Application, aws: Aws) -> None:
    """Everything gone, the artifact stack too, so that the next run meets an empty account."""
    app.fairway("destroy", "--yes").expect()
    aws.cloudformation.delete_stack(StackName="fairway-artifacts")


@pytest.mark.parametrize("template", TEMPLATES)
def test_killed_at_every_step_of_a_first_deployment(
    make_app: Callable[[str], Application], tmp_path: Path, template: str
) -> None:
    app = make_app(template)
    app.apply()
    url, aws = app.url(), app.aws()
    with KilledApplies(tmp_path / "errors") as applies:
        forget(app, aws)
        steps = applies.list_steps(app)
        assert {"CreateChangeSet", "ExecuteChangeSet", "PutObject", "DeleteObject"} <= set(steps)
        tell_seconds(f"{template}: steps at which it is killed", len(steps))
        for step in range(1, len(steps) + 1):
            forget(app, aws)
            assert applies.run(app, step) == -signal.SIGKILL, (step, applies.errors)
            app.apply()
            store = find_store(aws)
            assert store, (step, steps[step - 1])
            expect_order(app, aws, store)
            assert app.url() == url, (step, steps[step - 1])
            answer = ask("GET", f"{url}/{PAGES[template]}")
            assert answer.status == 200, (step, steps[step - 1], answer)
