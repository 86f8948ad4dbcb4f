"""An application that outgrows a stack is split, answers, and grows without moving anything."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application, ask

pytestmark = pytest.mark.slow
COUNT = 140
SOURCE = 'def handler(event, context):\n    return {"statusCode": 200, "body": event["rawPath"]}\n'


def write_definition() -> str:
    names = [f"f{number}" for number in range(COUNT)]
    functions = [f"  {name}: {{type: function, handler: app.handler}}" for name in names]
    routes = [f"      GET /{name}: {name}" for name in names]
    lines = ["app: large", "encryption: aws-key", "components:", *functions]
    return "\n".join([*lines, "  web:", "    type: http-api", "    routes:", *routes, ""])


def test_a_large_application_is_split_and_grows(write_app: Callable[..., Application]) -> None:
    app = write_app(write_definition(), SOURCE)
    app.apply()
    assert set(app.status()["stacks"]) == {
        "large-local-app", "large-local-app-2", "large-local-data", "large-local-data-2"
    }  # fmt: skip
    for name in ("f0", f"f{COUNT - 1}"):
        assert ask("GET", f"{app.url()}/{name}").text == f"/{name}"

    app.replace("components:\n", "components:\n  first: {type: function, handler: app.handler}\n")
    app.replace("    routes:\n", "    routes:\n      GET /first: first\n")
    plan = app.fairway("plan", "--json").expect().json()
    actions = {
        change["logical_id"]: change["action"]
        for stack in plan["stacks"]
        for change in stack["changes"]
        if change["action"] != "none"
    }
    routed = actions.pop("Web")
    assert routed == "update"
    assert set(actions.values()) == {"create"}
    assert all("First" in logical_id for logical_id in actions)
    app.apply()
    assert ask("GET", f"{app.url()}/first").text == "/first"

    app.fairway("destroy", "--yes").expect()
    assert app.status()["stacks"] == {}
