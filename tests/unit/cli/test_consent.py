"""Names that were given in vain, a file that is no consent, and Ctrl-C in place of an answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from tests.unit.apply.fakes import FakeAccount

from fairway.apply import Release
from fairway.apply.release import dump_release, release_key
from fairway.aws import Aws
from fairway.cli.consent import Given, read_given, require_known
from fairway.define import App, define_app
from fairway.errors import FairwayError
from fairway.plan.model import Action, Change, Plan, StackPlan

DEFINITION = """app: shop
components:
  orders: {type: table, partition_key: id}
  carts: {type: table, partition_key: id}
resources:
  Jobs: {Type: AWS::SQS::Queue}
"""
REMOVED = Change("Sales", "AWS::DynamoDB::Table", "sales", Action.DELETE, physical_id="x")
PLAN = Plan(
    "shop",
    "local",
    "eu-west-1",
    None,
    (StackPlan("shop-local-data", None, None, {}, (REMOVED,)),),
    (),
    compared=True,
)


def make_account() -> Aws:
    """An account with one release, which deleted `Mails`."""
    account = FakeAccount()
    gone = {"logical_id": "Mails", "component": "", "action": "delete"}
    made = Release(1, "shop", "local", "", 0, "me", None, "interrupted", {}, {}, plan=(gone,))
    account.s3.objects[release_key("shop", "local", 1)] = dump_release(made)
    return cast("Aws", account)


@pytest.fixture
def app(tmp_path: Path) -> App:
    (tmp_path / "fairway.yml").write_text(DEFINITION)
    return define_app(tmp_path).require_app()


def look(app: App, **given: tuple[str, ...]) -> None:
    require_known(app, PLAN, make_account(), Given(**cast("Any", given)))


@pytest.mark.parametrize("name", ["orders", "Jobs", "sales", "Mails"])
def test_a_name_of_the_file_the_plan_or_a_recent_release_is_known(app: App, name: str) -> None:
    look(app, delete=(name,))


def test_a_name_that_is_mistyped_is_told_the_nearest(app: App) -> None:
    with pytest.raises(FairwayError, match="shop has no 'ordres' to delete in local") as refused:
        look(app, delete=("carts", "ordres"))
    assert refused.value.hint == "did you mean 'orders'?"


def test_a_name_of_nothing_is_refused(app: App) -> None:
    with pytest.raises(FairwayError, match="no 'nope' to replace in local; nothing was") as refused:
        look(app, replace=("nope",))
    assert refused.value.hint == "leave it out; there are orders, carts, Jobs, sales"


def test_a_file_that_nests_without_end_is_no_consent(tmp_path: Path) -> None:
    file = tmp_path / "consent.json"
    file.write_text("[" * 100_000)
    options = {"replace": (), "delete": (), "approve": None, "try_restore": False}
    with pytest.raises(FairwayError, match="is not consent: it is not JSON"):
        read_given(False, {**options, "consent_file": file})
