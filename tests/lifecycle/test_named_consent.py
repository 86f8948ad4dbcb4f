"""What holds data goes only by name, and after a backup whose restore was tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lifecycle.applications import Application, Terminal, run_command
from tests.lifecycle.small import DEFINITION, SOURCE, read_page

pytestmark = pytest.mark.slow

BUCKET = """
resources:
  Files:
    Type: AWS::S3::Bucket
"""


@pytest.fixture
def app(write_app: Callable[..., Application]) -> Application:
    """Its table holds one row, and the file now wants another sort key."""
    application = write_app(DEFINITION, SOURCE)
    application.apply()
    read_page(application, "POST")
    application.replace("sort_key: at", "sort_key: other")
    return application


def list_tables(app: Application) -> set[str]:
    return set(app.aws().dynamodb.list_tables()["TableNames"])


def test_replacing_rows_needs_their_tables_name(app: Application) -> None:
    before = list_tables(app)
    refused = app.fairway("apply", "--yes").expect(1)
    assert "would replace entries (holds rows); nothing was changed" in refused.err
    assert "--replace entries" in refused.err
    assert list_tables(app) == before
    app.fairway("apply", "--yes", "--replace", "other").expect(1)
    app.fairway("apply", "--yes", "--delete", "entries").expect(1)
    up = app.fairway("up", "--detach").expect(1)
    assert "--replace entries" in up.err
    assert list_tables(app) == before

    done = app.fairway("apply", "--yes", "--replace", "entries").expect()
    assert "entries: 1 row is backed up as arn:aws:dynamodb:" in done.err
    assert "a trial restore brought it back" in done.err
    after = list_tables(app)
    assert before < after
    assert not [name for name in after if "-trial-" in name]
    backups = app.aws().dynamodb.list_backups()["BackupSummaries"]
    assert [b["BackupStatus"] for b in backups] == ["AVAILABLE"]
    last = app.fairway("history", "--json").expect().json()["releases"][0]
    assert last["backups"] == {"entries": backups[0]["BackupArn"]}


def test_the_name_is_typed_on_a_terminal(app: Application) -> None:
    before = list_tables(app)
    terminal = Terminal("apply", "-C", str(app.directory))
    terminal.read_until("Type its name to replace it")
    terminal.write(b"entry\n")
    assert terminal.end() == 1
    assert list_tables(app) == before
    terminal = Terminal("apply", "-C", str(app.directory))
    terminal.read_until("Type its name to replace it")
    terminal.write(b"entries\n")
    terminal.read_until("Apply these changes?")
    terminal.write(b"y\n")
    assert terminal.end() == 0, terminal.text
    assert before < list_tables(app)


def test_an_empty_table_needs_no_name(write_app: Callable[..., Application]) -> None:
    app = write_app(DEFINITION, SOURCE)
    app.apply()
    app.replace("sort_key: at", "sort_key: other")
    app.fairway("apply", "--yes").expect()


def test_objects_of_a_raw_bucket(write_app: Callable[..., Application]) -> None:
    app = write_app(DEFINITION, SOURCE)
    app.add(BUCKET)
    app.apply()
    stack = "small-local-app"
    aws = app.aws()
    bucket = aws.cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="Files")[
        "StackResourceDetail"
    ]["PhysicalResourceId"]
    aws.s3.put_object(Bucket=bucket, Key="a/b.txt", Body=b"kept")
    app.replace(BUCKET, "")
    refused = app.fairway("apply", "--yes").expect(1)
    assert "would delete Files (holds objects)" in refused.err
    done = app.fairway("apply", "--yes", "--delete", "Files").expect()
    assert "Files: 1 object is backed up as s3://" in done.err
    place = app.fairway("history", "--json").expect().json()["releases"][0]["backups"]["Files"]
    holder, _, prefix = place.removeprefix("s3://").partition("/")
    copy = aws.s3.get_object(Bucket=holder, Key=f"{prefix}a/b.txt")["Body"].read()
    assert copy == b"kept"
    assert bucket not in {b["Name"] for b in aws.s3.list_buckets()["Buckets"]}


def test_a_plans_digest(write_app: Callable[..., Application], tmp_path: Path) -> None:
    app = write_app(DEFINITION, SOURCE)
    app.replace("environments:\n", "environments:\n  local: {approve: true}\n")
    refused = app.fairway("apply", "--yes").expect(1)
    assert "needs consent to the plan itself; nothing was changed" in refused.err
    plan, consent = tmp_path / "plan.json", tmp_path / "consent.json"
    app.fairway("plan", "--save", str(plan)).expect()
    digest = json.loads(plan.read_text())["digest"]
    assert "the consent is to plan" in app.fairway("apply", "--approve", "0" * 64).expect(1).err
    run_command("approve", str(plan), "--to", str(consent)).expect(1)
    run_command("approve", str(plan), "--to", str(consent), "--yes").expect()
    assert json.loads(consent.read_text())["plan"] == digest
    # Consent to another plan than the one that would be applied is void.
    app.replace("memory: 128MB", "memory: 256MB")
    void = app.fairway("apply", "--consent", str(consent)).expect(1)
    assert "the consent is to plan" in void.err
    app.replace("memory: 256MB", "memory: 128MB")
    app.fairway("apply", str(plan), "--consent", str(consent)).expect()

    app.replace("memory: 128MB", "memory: 512MB")
    app.fairway("plan", "--save", str(plan)).expect()
    digest = json.loads(plan.read_text())["digest"]
    app.fairway("apply", "--approve", digest[:12]).expect()
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    assert "is not consent" in app.fairway("apply", "--consent", str(bad)).expect(1).err
