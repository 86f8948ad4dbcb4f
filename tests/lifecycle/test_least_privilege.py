"""The permissions that links compile to are all that the examples need, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from tests.lifecycle.applications import Application, ask

pytestmark = pytest.mark.slow

# Put at the end of the example's module: what a handler tries for which it has no link.
PROBE = """

def probe(event, context):
    import os
    import boto3
    from botocore.exceptions import ClientError
    client = boto3.client("dynamodb")
    row = {"author": {"S": "x"}, "written": {"S": "y"}}
    calls = {
        "write": lambda: client.put_item(TableName=os.environ["NOTES_TABLE"], Item=row),
        "read": lambda: client.get_item(TableName=os.environ["NOTES_TABLE"], Key=row),
        "drop": lambda: client.delete_table(TableName=os.environ["NOTES_TABLE"]),
        "list": lambda: client.list_tables(),
    }
    found = {}
    for name, call in calls.items():
        try:
            call()
            found[name] = "allowed"
        except ClientError as error:
            found[name] = error.response["Error"]["Message"]
    return found
"""


@pytest.fixture(scope="module")
def app(make_app: Callable[[str], Application]) -> Application:
    """The notes example, with two functions that try everything under its links."""
    application = make_app("notes")
    source = application.directory / "src" / "notes.py"
    source.write_text(source.read_text() + PROBE)
    application.replace(
        "  web:",
        "  writing:\n    type: function\n    handler: notes.probe\n    uses: {notes: write}\n\n"
        "  reading:\n    type: function\n    handler: notes.probe\n    uses: {notes: read}\n\n"
        "  web:",
    )
    application.replace(
        "    routes:\n", "    routes:\n      GET /writing: writing\n      GET /reading: reading\n"
    )
    application.apply()
    return application


def try_all(app: Application, path: str) -> Any:
    return ask("GET", f"{app.url()}{path}").json()


def test_the_example_works_with_its_links(app: Application) -> None:
    url = f"{app.url()}/authors/ada/notes"
    posted = ask("POST", url, json.dumps({"text": "hello"}).encode())
    assert posted.status in (200, 201)
    read = ask("GET", url)
    assert read.status == 200
    assert "hello" in read.text


def test_a_reader_cannot_write(app: Application) -> None:
    found = try_all(app, "/reading")
    assert found["read"] == "allowed"
    assert "is not authorized to perform: dynamodb:PutItem on resource: arn:aws:" in found["write"]


def test_a_writer_cannot_read(app: Application) -> None:
    found = try_all(app, "/writing")
    assert found["write"] == "allowed"
    assert "is not authorized to perform: dynamodb:GetItem on resource: arn:aws:" in found["read"]


@pytest.mark.parametrize("path", ["/reading", "/writing"])
def test_nobody_can_drop_or_list_tables(app: Application, path: str) -> None:
    found = try_all(app, path)
    assert "dynamodb:DeleteTable" in found["drop"]
    assert "dynamodb:ListTables" in found["list"]


def test_status_says_what_to_write(app: Application) -> None:
    try_all(app, "/reading")
    told = app.fairway("status").expect()
    assert "component reading lacks access to component notes" in told.out + told.err
    assert "`notes: read-write` to the `uses` of reading" in told.out + told.err
    assert re.search(r"fairway\.yml:\d+:\d+: reading was denied", told.out + told.err)
