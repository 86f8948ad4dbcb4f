"""`--yes` is no consent to losing rows: a table that goes with its data must be named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application
from tests.lifecycle.small import DEFINITION, SOURCE, read_page

pytestmark = pytest.mark.slow

TABLE = "  entries: {type: table, partition_key: id, sort_key: at, on_delete: delete}"
DELETED = DEFINITION.replace(TABLE.replace(", on_delete: delete", ""), TABLE)
REFUSED = "this would delete entries (holds rows); nothing was changed"


@pytest.fixture
def app(write_app: Callable[..., Application]) -> Application:
    """Its table holds one row, and goes with it."""
    assert DELETED != DEFINITION
    application = write_app(DELETED, SOURCE)
    application.apply()
    read_page(application, "POST")
    return application


def list_tables(app: Application) -> list[str]:
    return list(app.aws().dynamodb.list_tables()["TableNames"])


def test_destroying(app: Application) -> None:
    before = list_tables(app)
    for options in (["--yes"], ["--yes", "--delete", "other"], ["--yes", "--replace", "entries"]):
        refused = app.fairway("destroy", *options).expect(1)
        assert REFUSED in refused.err
        assert "--delete entries" in refused.err
    assert list_tables(app) == before
    assert read_page(app).endswith(" 1")
    vain = app.fairway("destroy", "--yes", "--delete", "entries", "--delete", "entires").expect(1)
    assert "has no 'entires' to delete in local; nothing was changed" in vain.err
    assert "did you mean 'entries'?" in vain.err
    idle = app.fairway("apply", "--yes", "--delete", "nope").expect(1)
    assert "has no 'nope' to delete" in idle.err
    done = app.fairway("destroy", "--yes", "--delete", "entries").expect()
    assert "entries: 1 row is backed up as arn:aws:dynamodb:" in done.err
    assert list_tables(app) == []


def test_leaving_it_out_of_the_file(app: Application) -> None:
    before = list_tables(app)
    app.replace(
        "  entries: {type: table, partition_key: id, sort_key: at, on_delete: delete}\n", ""
    )
    app.replace(",\n        uses: {entries: read-write}}", "}")
    refused = app.fairway("apply", "--yes").expect(1)
    assert REFUSED in refused.err
    assert list_tables(app) == before
    app.fairway("apply", "--yes", "--delete", "entries").expect()
    assert list_tables(app) == []


def test_a_plan_must_be_approved_for_removal_too(app: Application) -> None:
    app.replace("environments:\n", "environments:\n  local: {approve: true}\n")
    refused = app.fairway("destroy", "--yes", "--delete", "entries").expect(1)
    assert "local needs consent to the plan itself; nothing was changed" in refused.err
    assert "fairway approve" in refused.err
    assert "--approve " in refused.err
    assert read_page(app).endswith(" 1")
