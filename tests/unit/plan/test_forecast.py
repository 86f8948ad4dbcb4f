"""Our forecast against CloudFormation's: agreement, and every way to differ."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.reviewing import make_plan, resource

from fairway.plan.forecast import compare_forecast

BEFORE = {
    "Same": resource("SQS::Queue"),
    "Longer": resource("SQS::Queue", VisibilityTimeout=1),
    "Named": resource("SQS::Queue", QueueName="a"),
    "Gone": resource("SQS::Queue"),
}
AFTER = {
    "Same": resource("SQS::Queue"),
    "Longer": resource("SQS::Queue", VisibilityTimeout=2),
    "Named": resource("SQS::Queue", QueueName="b"),
    "New": resource("SQS::Queue"),
}
AGREED: dict[str, dict[str, Any]] = {
    "Longer": {"Action": "Modify", "Replacement": "False"},
    "Named": {"Action": "Modify", "Replacement": "True"},
    "Gone": {"Action": "Remove"},
    "New": {"Action": "Add"},
}


def compare(**other: dict[str, Any] | None) -> list[str]:
    (stack,) = make_plan(BEFORE, AFTER).stacks
    said = {**AGREED, **other}
    return list(compare_forecast(stack, {k: v for k, v in said.items() if v is not None}))


def test_agreement() -> None:
    assert compare() == []


@pytest.mark.parametrize(
    ("logical_id", "said", "told"),
    [
        ("Same", {"Action": "Modify", "Replacement": "True"},
         "Same: the plan says none, CloudFormation replace"),
        ("Longer", {"Action": "Modify", "Replacement": "True"},
         "Longer: the plan says update, CloudFormation replace"),
        ("Longer", None, "Longer: the plan says update, CloudFormation none"),
        ("Named", {"Action": "Modify", "Replacement": "False"},
         "Named: the plan says replace, CloudFormation update"),
        ("New", None, "New: the plan says create, CloudFormation none"),
        ("Other", {"Action": "Remove"}, "Other: the plan says none, CloudFormation delete or keep"),
    ],
)  # fmt: skip
def test_differences(logical_id: str, said: dict[str, Any] | None, told: str) -> None:
    assert compare(**{logical_id: said}) == [told]


@pytest.mark.parametrize("logical_id", ["Longer", "Named"])
def test_what_aws_leaves_open_is_no_difference(logical_id: str) -> None:
    assert compare(**{logical_id: {"Action": "Modify", "Replacement": "Conditional"}}) == []


def test_what_may_follow_from_another_change_is_no_difference() -> None:
    dynamic = {"Action": "Modify", "Replacement": "False", "Details": [{"Evaluation": "Dynamic"}]}
    assert compare(Same=dynamic) == []
    static = {**dynamic, "Details": [{"Evaluation": "Dynamic"}, {"Evaluation": "Static"}]}
    assert compare(Same=static) == ["Same: the plan says none, CloudFormation update"]
