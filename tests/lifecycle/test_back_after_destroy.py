"""A release that is gone back to after a removal: made anew, and said so; kept rows stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application
from tests.lifecycle.small import DEFINITION, SOURCE

pytestmark = pytest.mark.slow


def test_it_is_made_anew_and_what_was_kept_stays(write_app: Callable[..., Application]) -> None:
    app = write_app(DEFINITION, SOURCE)
    app.apply()
    removed = app.fairway("destroy", "--yes").expect().out
    (kept,) = [line.split()[-1] for line in removed.splitlines() if "kept: AWS::DynamoDB" in line]

    shown = app.fairway("rollback").expect(1)
    assert "small is not deployed in local: release 2 removed it. All of release 1" in shown.err
    assert f"kept from before: {kept} stays as it is; a new, empty table is made" in shown.out
    done = app.fairway("rollback", "--yes", "--json").expect()
    assert done.json()["to"] == 1
    assert kept in app.aws().dynamodb.list_tables()["TableNames"]

    again = app.fairway("rollback", "1", "--yes").expect()
    assert "not deployed" not in again.err
    assert "kept from before" not in again.out
