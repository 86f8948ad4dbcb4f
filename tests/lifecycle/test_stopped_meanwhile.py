"""A command that meets a local cloud which is being stopped: it waits, or says so plainly."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application
from tests.lifecycle.small import DEFINITION, SOURCE

from fairway.cloud.launch import find_cloud, start_cloud
from fairway.events import ignore_events

pytestmark = pytest.mark.slow


def test_planning_while_it_ends(write_app: Callable[..., Application]) -> None:
    app = write_app(DEFINITION, SOURCE)
    app.apply()
    state = app.directory / ".fairway"
    for _ in range(4):
        info = start_cloud(state, "eu-west-1", ignore_events)
        os.kill(info.pid, signal.SIGTERM)
        outcome = app.fairway("plan")
        if outcome.code:
            assert "the local cloud was stopped while it was asked" in outcome.err
            assert "run the same command again" in outcome.err
            # It is gone, or will be: the same command then starts one to ask.
            outcome = app.fairway("plan").expect()
        assert "nothing to change" in outcome.out
        found = find_cloud(state)
        assert found is None or found.pid == info.pid
