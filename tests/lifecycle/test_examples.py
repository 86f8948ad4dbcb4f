"""Every template of `fairway init`: deployed, updated, rolled back, removed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.lifecycle.applications import REFUSED, Application, ask, tell_seconds

from fairway.cli.commands.init import TEMPLATES

pytestmark = pytest.mark.slow

ORIGIN = {"Origin": "http://localhost:3000"}


def use_timestamps(url: str) -> None:
    stamp = ask("POST", f"{url}/app")
    assert stamp.status == 200
    assert stamp.text in {row["timeStamp"] for row in ask("GET", f"{url}/app").json()}
    assert ask("GET", f"{url}/absent").status == 404


def use_notes(url: str) -> None:
    """Routes, path parameters, what is not found, and a browser's preflight."""
    kept = ask("GET", f"{url}/authors/ann/notes").json()
    written = ask("POST", f"{url}/authors/ann/notes", b"a note", ORIGIN)
    assert written.status == 201
    assert written.json()["author"] == "ann"
    assert written.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert ask("GET", f"{url}/authors/ann/notes").json() == [written.json(), *kept]
    assert ask("GET", f"{url}/authors/b%20c/notes").json() == []
    assert ask("POST", f"{url}/authors/ann/notes", b" ").status == 400

    absent = ask("GET", f"{url}/authors/ann")
    assert (absent.status, absent.json()) == (404, {"message": "Not Found"})
    assert ask("DELETE", f"{url}/authors/ann/notes").status == 404

    asked = {**ORIGIN, "Access-Control-Request-Method": "POST"}
    preflight = ask("OPTIONS", f"{url}/authors/ann/notes", headers=asked)
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN["Origin"]
    assert preflight.headers["access-control-allow-methods"] in ("*", "GET,POST", "POST")
    other = {"Origin": "http://other.example", "Access-Control-Request-Method": "POST"}
    refused = ask("OPTIONS", f"{url}/authors/ann/notes", headers=other)
    assert "access-control-allow-origin" not in refused.headers


USES: dict[str, Callable[[str], None]] = {"timestamps": use_timestamps, "notes": use_notes}


def describe(app: Application) -> Any:
    return app.aws().cloudformation.describe_stacks()["Stacks"]


def test_every_template_is_tried() -> None:
    assert USES.keys() == TEMPLATES.keys()


@pytest.mark.parametrize("template", TEMPLATES)
def test_life_of(make_app: Callable[[str], Application], template: str) -> None:
    app, use = make_app(template), USES[template]
    app.apply()
    url = app.url()
    use(url)

    app.replace("type: function", "type: function\n    logs: 3d")
    assert "RetentionInDays: " in app.fairway("plan").expect().out
    app.apply()
    use(url)

    app.add(REFUSED)
    refused = app.fairway("apply", "--yes").expect(1)
    assert "Extra" in refused.err
    assert "rolled back" in refused.err
    assert {s["StackStatus"] for s in describe(app)} <= {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
    }
    use(url)
    app.replace(REFUSED, "")
    assert "nothing to change" in app.apply().out
    use(url)

    began = time.monotonic()
    app.fairway("down").expect()
    app.fairway("up", "--detach").expect()
    tell_seconds(f"{template}: stopped and started again", time.monotonic() - began)
    assert app.url() == url
    use(url)

    app.fairway("destroy", "--yes").expect()
    left = {s["StackName"] for s in describe(app) if s["StackStatus"] != "DELETE_COMPLETE"}
    assert left == {"fairway-artifacts"}
    assert json.loads(app.fairway("status", "--json").out)["urls"] == {}
