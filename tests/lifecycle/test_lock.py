"""A second change at the same time is told who holds the lock, since when, and how to break it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application

from fairway.apply.store import find_store

pytestmark = pytest.mark.slow


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
    again = app.fairway("unlock", "--break", "abcd1234").expect()
    assert "so there was none to break" in again.out
    app.apply()
