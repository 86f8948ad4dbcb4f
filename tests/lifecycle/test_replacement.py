"""A change that a table cannot take in place: announced, and the old rows kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application, ask

pytestmark = pytest.mark.slow


def find_table(app: Application) -> str:
    described = app.aws().cloudformation.describe_stack_resource(
        StackName=f"{app.status()['app']}-local-data", LogicalResourceId="Entries"
    )
    return described["StackResourceDetail"]["PhysicalResourceId"]


@pytest.fixture(scope="module")
def app(make_app: Callable[[str], Application]) -> Application:
    application = make_app("timestamps")
    application.apply()
    return application


def test_new_sort_key_makes_a_new_table(app: Application) -> None:
    url, old = app.url(), find_table(app)
    ask("POST", f"{url}/app")

    app.replace("    sort_key: timeStamp", "    sort_key: uniqueTime")
    app.replace(
        '            "timeStamp": now,',
        '            "timeStamp": now,\n            "uniqueTime": now,',
        "src/timestamps.py",
    )
    plan = app.fairway("plan", "--json").expect().json()
    changes = {c["logical_id"]: c for s in plan["stacks"] for c in s["changes"]}
    entries = changes["Entries"]
    assert entries["action"] == "replace"
    assert entries["physical_id"] == old
    causes = [p["path"] for p in entries["properties"] if p["replaces"]]
    assert causes
    assert all(path.startswith("KeySchema") for path in causes)
    assert changes["Api"]["action"] == "update"
    assert not [c for c in changes.values() if c["action"] == "delete"]

    shown = app.fairway("plan").expect().out
    assert "± Entries" in shown
    assert "timeStamp -> uniqueTime  replaces the resource" in shown
    assert "stays in the account" in shown

    assert "--replace entries" in app.fairway("apply", "--yes").expect(1).err
    app.fairway("apply", "--yes", "--replace", "entries").expect()
    new = find_table(app)
    assert new != old
    assert ask("GET", f"{url}/app").json() == []
    assert ask("POST", f"{url}/app").status == 200
    dynamodb = app.aws().dynamodb
    assert len(dynamodb.scan(TableName=new)["Items"]) == 1
    kept = dynamodb.scan(TableName=old)["Items"]
    assert len(kept) == 1
    assert "uniqueTime" not in kept[0]
    assert "nothing to change" in app.fairway("plan").expect().out


def test_new_kind_under_an_old_name_is_refused(app: Application) -> None:
    # CloudFormation: "Update of resource type is not permitted".
    app.replace("type: load-balancer\n    health_check: /health", "type: http-api")
    for outcome in (app.fairway("plan"), app.fairway("apply", "--yes")):
        outcome.expect(1)
        assert "'web' is deployed as another kind" in outcome.err
        assert "hint: give the new one another name" in outcome.err
    assert ask("GET", f"{app.url()}/health").status == 200
    front = '  front:\n    type: http-api\n    payload: "1.0"'
    app.replace("  web:\n    type: http-api", front)
    app.apply()
    assert ask("GET", f"{app.url('front')}/health").text == "healthy"
