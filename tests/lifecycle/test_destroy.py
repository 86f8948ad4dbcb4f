"""Removing an application: after a plan and consent, and without losing its rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError
from tests.lifecycle.applications import Application, ask

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(make_app: Callable[[str], Application]) -> Application:
    """An application with a row, and an object in its bucket for access logs."""
    application = make_app("timestamps")
    application.apply()
    ask("POST", f"{application.url()}/app")
    for number in range(3):
        application.aws().s3.put_object(
            Bucket=find_bucket(application), Key=f"log-{number}", Body=b"line"
        )
    return application


def find_bucket(app: Application) -> str:
    described = app.aws().cloudformation.describe_stack_resource(
        StackName=f"{app.directory.name}-local-data", LogicalResourceId="WebLogs"
    )
    return described["StackResourceDetail"]["PhysicalResourceId"]


def test_destroy(app: Application) -> None:
    url, bucket, aws = app.url(), find_bucket(app), app.aws()

    plan = app.fairway("plan", "--destroy").expect().out
    assert "53 to delete, 2 to keep" in plan
    assert "next: fairway destroy" in app.fairway("plan", "--destroy").err

    refused = app.fairway("destroy").expect(1)
    assert "nothing was changed" in refused.err
    assert "--yes" in refused.err
    assert ask("GET", f"{url}/health").status == 200

    removed = app.fairway("destroy", "--yes").expect()
    kept = [line.split()[1:] for line in removed.out.splitlines() if "  kept: " in line]
    assert [what for what, _ in kept] == ["AWS::DynamoDB::Table", "AWS::KMS::Key"]
    table, key = (name for _, name in kept)
    assert len(aws.dynamodb.scan(TableName=table)["Items"]) == 1
    assert key
    with pytest.raises(ClientError):
        aws.s3.head_bucket(Bucket=bucket)
    with pytest.raises(OSError, match="refused"):
        ask("GET", f"{url}/health")
    for layer in ("network", "data", "app"):
        with pytest.raises(ClientError, match="does not exist"):
            aws.cloudformation.describe_stacks(StackName=f"{app.directory.name}-local-{layer}")

    again = app.fairway("destroy", "--yes").expect()
    assert "is not deployed in local" in again.out
    assert "nothing is deployed" in app.fairway("status").expect().out
    assert app.fairway("logs").expect().out == ""


def test_applying_again_starts_with_a_new_table(app: Application) -> None:
    app.apply()
    assert ask("GET", f"{app.url()}/app").json() == []


def test_code_in_pieces_does_not_hinder_it(app: Application) -> None:
    app.replace("def handler(event, context):", "def handler(event", "src/timestamps.py")
    app.fairway("status").expect()
    app.fairway("logs").expect()
    assert "to delete" in app.fairway("plan", "--destroy").expect().out
    removed = app.fairway("destroy", "--yes", "--json").expect().json()
    assert removed["changed"] is True
    assert len(removed["kept"]) == 2


def test_down_says_how_to_start_again(app: Application) -> None:
    assert "stopped the local cloud" in app.fairway("down").expect().out
    assert "was not running" in app.fairway("down").expect().out
    for verb in ("status", "logs"):
        outcome = app.fairway(verb).expect(1)
        assert "the local cloud is not running" in outcome.err
        assert "fairway up" in outcome.err


def test_down_forget_needs_consent_and_removes_the_data(app: Application) -> None:
    state = app.directory / ".fairway"
    app.fairway("down", "--forget").expect(1)
    assert state.is_dir()
    app.fairway("down", "--forget", "--yes").expect()
    assert not state.exists()
