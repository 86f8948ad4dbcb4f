"""Data and service: what is lost, at risk or left behind, and what is noticed meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.reviewing import make_plan, resource

from fairway.compile.tags import TAG_FORM
from fairway.plan.impact import HOLDS, REPLACED, find_interruptions, find_losses
from fairway.plan.model import Action, Change, Plan, StackPlan
from fairway.plan.schemas import load_schema


def losses(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [f"{item.severity}: {item.what}" for item in find_losses(make_plan(before, after))]


def table(**properties: Any) -> dict[str, Any]:
    return resource("DynamoDB::Table", **properties)


KEEP = {"DeletionPolicy": "Retain", "UpdateReplacePolicy": "Retain"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"T": table()}, {}, "lost: T is deleted with its rows"),
        ({"T": table() | KEEP}, {},
         "left behind: T leaves the application and stays with its rows"),
        ({"T": table(TableName="a")}, {"T": table(TableName="b")},
         "lost: T is replaced; the old one is deleted with its rows"),
        ({"T": table(TableName="a") | KEEP}, {"T": table(TableName="b") | KEEP},
         "left behind: T is replaced and starts empty; the old one stays with its rows"),
        ({"T": table() | KEEP}, {"T": table() | {"UpdateReplacePolicy": "Retain"}},
         "at risk: T is deleted with its data from now on, when it leaves the application"),
        ({"T": table()}, {"T": table(TimeToLiveSpecification={"AttributeName": "x"})},
         "at risk: T: rows expire by x"),
        ({"T": table(PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})},
         {"T": table(PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False})},
         "at risk: T can no longer be restored to an earlier time"),
        ({"L": resource("Logs::LogGroup", RetentionInDays=30)},
         {"L": resource("Logs::LogGroup", RetentionInDays=7)},
         "at risk: L: log lines older than 7 days go (30 before)"),
        ({"L": resource("Logs::LogGroup")}, {"L": resource("Logs::LogGroup", RetentionInDays=7)},
         "at risk: L: log lines older than 7 days go (for ever before)"),
    ],
)  # fmt: skip
def test_losses(before: dict[str, Any], after: dict[str, Any], expected: str) -> None:
    assert losses(before, after) == [expected]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"T": table()}),
        ({"T": table()}, {"T": table(BillingMode="PROVISIONED")}),
        ({"L": resource("Logs::LogGroup", RetentionInDays=7)},
         {"L": resource("Logs::LogGroup", RetentionInDays=30)}),
        ({"L": resource("Logs::LogGroup", RetentionInDays=7)}, {"L": resource("Logs::LogGroup")}),
        ({"R": resource("IAM::Role")}, {}),
    ],
)  # fmt: skip
def test_no_loss_is_invented(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert losses(before, after) == []


@pytest.mark.parametrize(
    ("logical_id", "component", "name"),
    [
        ("MyOrders", "my-orders", "my-orders"),
        ("ApiLogs", "api", "ApiLogs of api"),
        ("Files", "Files", "Files"),
        ("Files", "", "Files"),
    ],
)
def test_a_resource_is_called_what_its_user_calls_it(
    logical_id: str, component: str, name: str
) -> None:
    change = Change(logical_id, "AWS::SQS::Queue", component, Action.DELETE)
    stack = StackPlan("s", None, None, {}, (change,))
    plan = Plan("shop", "poc", "eu-west-1", None, (stack,), (), compared=True)
    assert [loss.what for loss in find_losses(plan)] == [f"{name} is deleted with its messages"]


def test_what_is_lost_stands_before_what_is_left_behind() -> None:
    found = losses({"A": table() | KEEP, "Q": resource("SQS::Queue")}, {})
    assert [line.split(":")[0] for line in found] == ["lost", "left behind"]


def interruptions(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    plan = make_plan(before, after, components=dict.fromkeys(after, "api"))
    return [f"{item.component}: {item.what}" for item in find_interruptions(plan)]


def test_a_function_that_may_not_run_stops() -> None:
    before = {"F": resource("Lambda::Function", MemorySize=128)}
    after = {"F": resource("Lambda::Function", ReservedConcurrentExecutions=0)}
    assert interruptions(before, after) == ["api: stops running: no run is allowed at once"]


def test_a_new_size_interrupts_nobody() -> None:
    before = {"F": resource("Lambda::Function", MemorySize=128)}
    assert interruptions(before, {"F": resource("Lambda::Function", MemorySize=256)}) == []


def test_an_unknown_replacement_is_said_to_be_unknown() -> None:
    before = {"X": resource("SNS::Topic", TopicName="a")}
    after = {"X": resource("SNS::Topic", TopicName="b")}
    assert interruptions(before, after) == [
        "api: has X replaced (AWS::SNS::Topic): effect not known"
    ]
    own = {"Api": before["X"]}, {"Api": after["X"]}
    assert interruptions(*own) == ["api: is replaced (AWS::SNS::Topic): effect not known"]


@pytest.mark.parametrize("kind", TAG_FORM)
def test_the_tables_know_every_type_that_is_compiled(kind: str) -> None:
    assert kind in REPLACED
    assert load_schema(kind, "eu-west-1") is not None


def test_types_that_hold_data_say_what_a_replacement_does() -> None:
    assert [k for k in TAG_FORM if k in HOLDS and k not in REPLACED] == []
