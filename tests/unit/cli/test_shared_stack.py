"""What all applications of an account and region share is planned once, whoever deploys there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fairway.aws import Aws
from fairway.cli.shared_stack import changes_shared, share_once
from fairway.cli.target import Target, choose_lambda
from fairway.compile import compile_app
from fairway.define.definition import define_text
from fairway.plan import Plan, plan_changes

TEXT = "app: shop\nregion: {}\ncomponents:\n  rows: {{type: table, partition_key: id}}\n"


def make_plan(region: str = "eu-west-1") -> Plan:
    app = define_text(TEXT.format(region), Path("/app")).require_app()
    return plan_changes(app, compile_app(app), (), {})


@dataclass
class Sts:
    """Answers as STS does for the credentials of one account, and counts."""

    account: str
    asked: int = field(default=0)

    def get_caller_identity(self) -> dict[str, Any]:
        self.asked += 1
        return {"Account": self.account, "Arn": f"arn:aws:iam::{self.account}:role/somebody"}


def reach(sts: Sts) -> Target:
    return Target(cast("Aws", SimpleNamespace(sts=sts)), choose_lambda)


def share(*pairs: tuple[Plan, Target]) -> list[bool]:
    changing: set[object] = set()
    return [changes_shared(share_once(plan, target, changing)) for plan, target in pairs]


def test_two_roles_of_one_account_share_it() -> None:
    plan, one, other = make_plan(), Sts("111111111111"), Sts("111111111111")
    here, there = reach(one), reach(other)
    assert share((plan, here), (plan, there), (plan, there), (plan, here)) == [True] + [False] * 3
    assert (one.asked, other.asked) == (1, 1), "each account is asked for once"


@pytest.mark.parametrize(
    ("account", "region"), [("222222222222", "eu-west-1"), ("111111111111", "eu-west-2")]
)
def test_another_account_or_region_has_its_own(account: str, region: str) -> None:
    plan, other = make_plan(), make_plan(region)
    here, there = reach(Sts("111111111111")), reach(Sts(account))
    assert share((plan, here), (other, there), (plan, here), (other, there)) == [
        True, True, False, False,
    ]  # fmt: skip


def test_the_rest_of_a_plan_stays() -> None:
    plan, target = make_plan(), reach(Sts("111111111111"))
    changing: set[object] = set()
    share_once(plan, target, changing)
    rest = share_once(plan, target, changing)
    assert [stack.name for stack in rest.stacks] == ["shop-local-data"]


def test_nobody_is_asked_when_it_stands_as_it_is() -> None:
    """Most plans: no call for what decides nothing."""
    plan = make_plan()
    without, sts = replace(plan, stacks=plan.stacks[1:]), Sts("111111111111")
    assert share((without, reach(sts)), (without, reach(sts))) == [False, False]
    assert sts.asked == 0
