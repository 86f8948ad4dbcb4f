"""Which changes need a name, and that the right name in the right role is asked for."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fairway.apply.backup import _MAKERS
from fairway.apply.stateful import STATEFUL, ConsentMissing, find_endangered, require_named
from fairway.aws import Aws
from fairway.plan.impact import HOLDS
from fairway.plan.model import Action, Change, Plan, StackPlan


class Tables:
    def __init__(self, rows: int) -> None:
        self._rows = rows

    def scan(self, **_: Any) -> dict[str, int]:
        return {"Count": self._rows}


class FakeAws:
    def __init__(self, rows: int) -> None:
        self.dynamodb = Tables(rows)


def make_plan(*changes: Change) -> Plan:
    stack = StackPlan("shop-prod-data", None, None, {}, changes)
    return Plan("shop", "prod", "eu-west-1", None, (stack,), (), compared=True)


def change(action: Action, logical_id: str = "MyEntries", component: str = "my-entries") -> Change:
    return Change(
        logical_id, "AWS::DynamoDB::Table", component, action, physical_id="shop-prod-MyEntries"
    )


@pytest.mark.parametrize("action", [Action.REPLACE, Action.DELETE])
def test_with_rows_its_name_is_asked_for(action: Action) -> None:
    found = find_endangered(make_plan(change(action)), cast("Aws", FakeAws(3)))
    assert [(e.verb, e.name, e.holds) for e in found] == [(action.value, "my-entries", "rows")]
    with pytest.raises(ConsentMissing) as refused:
        require_named(found, {("replace", "other"), ("apply", "my-entries")})
    assert refused.value.hint == f"if that is meant, name it: --{action.value} my-entries"
    require_named(found, {(action.value, "my-entries")})


def test_without_rows_or_when_it_stays_nothing_is_asked() -> None:
    aws = cast("Aws", FakeAws(0))
    assert find_endangered(make_plan(change(Action.DELETE)), aws) == []
    kept = [change(a) for a in (Action.KEEP, Action.UPDATE, Action.NONE)]
    assert find_endangered(make_plan(*kept), cast("Aws", FakeAws(3))) == []


def test_what_only_serves_a_component_needs_no_name() -> None:
    logs = change(Action.DELETE, "WebLogs", "web")
    assert find_endangered(make_plan(logs), cast("Aws", FakeAws(3))) == []
    raw = change(Action.DELETE, "Files", "")
    assert [e.name for e in find_endangered(make_plan(raw), cast("Aws", FakeAws(3)))] == ["Files"]


def test_the_tables_of_types_agree() -> None:
    assert {t for t, (_, can) in STATEFUL.items() if can} == _MAKERS.keys()
    assert STATEFUL.keys() <= HOLDS.keys()
