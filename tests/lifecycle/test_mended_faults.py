"""What a handler lacks is told with the place to write it, until it is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application, ask

pytestmark = pytest.mark.slow

DEFINITION = """app: mended
region: eu-west-1
components:
  tags: {type: table, partition_key: id}
  api: {type: function, source: src, handler: app.handler}
  web: {type: http-api, routes: {"GET /": api}}
"""
SOURCE = """import os
import boto3


def handler(event, context):
    query = event["rawQueryString"]
    if query == "import":
        import a_package_that_is_not_there
    boto3.client("dynamodb").scan(TableName=query or os.environ["TAGS_TABLE"])
    return {"statusCode": 200, "body": "fine"}
"""


def test_a_missing_link_and_a_missing_package(
    write_app: Callable[[str, str], Application],
) -> None:
    app = write_app(DEFINITION, SOURCE)
    app.apply()
    assert ask("GET", f"{app.url()}/").status == 500
    assert ask("GET", f"{app.url()}/?import").status == 500
    (table,) = app.aws().dynamodb.list_tables()["TableNames"]
    assert ask("GET", f"{app.url()}/?{table}").status == 500
    denied = "fairway.yml:5:3: api was denied dynamodb:Scan"
    assert denied in app.fairway("status").expect().out
    logs = app.fairway("logs", "--grep", "?KeyError ?ModuleNotFoundError").expect()
    assert 'src/app.py", line' in logs.out
    assert "/state/code/" not in logs.out
    for told in (logs.out + logs.err, app.fairway("status").expect().out):
        assert "fairway.yml:5:3: api read the variable TAGS_TABLE, which is not set" in told
        assert "add `tags: read` to the `uses` of api" in told
        assert "src/requirements.txt: api failed to import a_package_that_is_not_there" in told
    definition = app.directory / "fairway.yml"
    definition.write_text(
        DEFINITION.replace("handler: app.handler", "handler: app.handler, uses: {tags: read}")
    )
    app.apply()
    assert ask("GET", f"{app.url()}/").text == "fine"
    status = app.fairway("status").expect().out
    assert "was denied" not in status
    assert "which is not set" not in status
    assert "failed to import" not in status


def test_a_wrong_pattern_is_told_with_a_way_to_write_it(
    write_app: Callable[[str, str], Application],
) -> None:
    app = write_app(DEFINITION, SOURCE)
    app.apply()
    refused = app.fairway("logs", "--grep", "Status:")
    assert refused.code == 1
    assert "Invalid character(s) in term ':'" in refused.err
    assert """'"Status:"'""" in refused.err
