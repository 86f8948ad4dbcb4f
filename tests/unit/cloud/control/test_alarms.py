"""Alarms: the states that values mean, and what is told when one changes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from fairway.cloud.control.metrics.alarms import Rule, judge, read_rule
from fairway.cloud.control.metrics.measure import measure_repeated
from fairway.cloud.control.metrics.notices import (
    PRINCIPAL,
    AlarmActions,
    Change,
    make_event,
    make_message,
)
from fairway.cloud.control.metrics.reading import MetricReader, Value
from fairway.cloud.control.metrics.store import Metric, MetricStore
from fairway.cloud.control.metrics.watch import AlarmWatch, Announcer

HOME = ("000000000000", "eu-west-1")
TOPIC = "arn:aws:sns:eu-west-1:000000000000:ops"
FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:hear"

RULE = Rule(
    namespace="AWS/Lambda",
    name="Errors",
    dimensions=(("FunctionName", "api"),),
    statistic="Sum",
    unit="",
    period=60,
    periods=3,
    needed=3,
    threshold=0.0,
    comparison="GreaterThanThreshold",
    missing="missing",
)


def read_values(text: str) -> list[Value | None]:
    """A row of the page's tables: X is breaching, 0 is not, - is missing."""
    return [
        None if sign == "-" else Value(60 * n, 1.0 if sign == "X" else 0.0, 1.0)
        for n, sign in enumerate(text.split())
    ]


# "Configuring how CloudWatch alarms treat missing data": both tables, row by row.
# Columns: missing, ignore, breaching, notBreaching; None: the state is kept.
ROWS = [
    (3, "0 - X - X", ("OK", "OK", "OK", "OK")),
    (3, "0 - - - -", ("OK", "OK", "OK", "OK")),
    (3, "- - - - -", ("INSUFFICIENT_DATA", None, "ALARM", "OK")),
    (3, "0 X X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (3, "- - X - -", ("ALARM", None, "ALARM", "OK")),
    (2, "0 - X - X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "0 0 X 0 X", ("ALARM", "ALARM", "ALARM", "ALARM")),
    (2, "0 - X - -", ("OK", "OK", "ALARM", "OK")),
    (2, "- - - - 0", ("OK", "OK", "ALARM", "OK")),
    (2, "- - - X -", ("ALARM", None, "ALARM", "OK")),
]


@pytest.mark.parametrize(("needed", "row", "states"), ROWS)
def test_missing_data_counts_as_the_page_s_tables_say(
    needed: int, row: str, states: tuple[str | None, ...]
) -> None:
    found = []
    for missing in ("missing", "ignore", "breaching", "notBreaching"):
        rule = replace(RULE, needed=needed, missing=missing)
        verdict = judge(rule, read_values(row), "OK", 0.0)
        found.append(verdict.state if verdict else None)
    assert tuple(found) == states


def test_a_breach_that_is_too_recent_raises_no_alarm_yet() -> None:
    assert judge(RULE, read_values("- - - - X"), "INSUFFICIENT_DATA", 0.0) is None


@pytest.mark.parametrize(
    ("comparison", "value", "state"),
    [
        ("GreaterThanThreshold", 5.0, "OK"),
        ("GreaterThanOrEqualToThreshold", 5.0, "ALARM"),
        ("LessThanThreshold", 5.0, "OK"),
        ("LessThanOrEqualToThreshold", 5.0, "ALARM"),
    ],
)
def test_comparisons(comparison: str, value: float, state: str) -> None:
    rule = replace(RULE, comparison=comparison, threshold=5.0, periods=1, needed=1)
    verdict = judge(rule, [Value(0, value, 1.0)], "OK", 0.0)
    assert verdict is not None
    assert verdict.state == state


def test_the_reason_is_worded_as_cloudwatch_words_it() -> None:
    rule = replace(RULE, periods=1, needed=1, threshold=50.0)
    at = 1570035540  # 2019-10-02 16:59:00
    worse = judge(rule, [Value(at, 99.5, 2.0)], "OK", at + 60.989)
    better = judge(rule, [Value(at, 0.5, 2.0)], "ALARM", at + 60.0)
    unknown = judge(rule, [None, None], "OK", at)
    assert worse is not None
    assert better is not None
    assert unknown is not None
    assert worse.reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [99.5 (02/10/19 16:59:00)] was greater "
        "than the threshold (50.0) (minimum 1 datapoint for OK -> ALARM transition)."
    )
    assert "was not greater than the threshold (50.0)" in better.reason
    assert unknown.reason == "Insufficient Data: 1 datapoint was unknown."
    data = json.loads(worse.data)
    assert data["queryDate"] == "2019-10-02T17:00:00.989+0000"
    assert data["recentDatapoints"] == [99.5]


def test_alarms_on_tables_ignore_missing_data() -> None:
    rule = read_rule({**RECORD, "Namespace": "AWS/DynamoDB", "TreatMissingData": "breaching"})
    assert rule is not None
    assert rule.missing == "ignore"


@pytest.mark.parametrize(("period", "step"), [(1, 10), (10, 10), (30, 30), (60, 60), (300, 60)])
def test_an_alarm_is_evaluated_every_minute_or_each_shorter_period_of_ten_seconds(
    period: int, step: int
) -> None:
    rule = read_rule({**RECORD, "Period": period})
    assert rule is not None
    assert rule.step == step


# --- the watch ---------------------------------------------------------------------

RECORD: dict[str, Any] = {
    "AlarmName": "errors",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:errors",
    "Namespace": "AWS/Lambda",
    "MetricName": "Errors",
    "Dimensions": [{"Name": "FunctionName", "Value": "api"}],
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0.0,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
    "StateValue": "INSUFFICIENT_DATA",
    "AlarmActions": [TOPIC, FUNCTION, "arn:aws:automate:eu-west-1:ec2:stop"],
    "OKActions": [TOPIC],
}


class Desk:
    """A watch over one alarm, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.alarm = dict(RECORD)
        self.store = MetricStore()
        self.now = 600.0
        self.changes: list[Change] = []
        self.watch = AlarmWatch(
            MetricReader(self.store, HOME, lambda scope: {}),
            lambda: [(HOME, self.alarm)],
            lambda scope, change: self.changes.append(change),
            lambda: self.now,
        )

    def count(self, minute: int, errors: float) -> None:
        metric = Metric("AWS/Lambda", "Errors", (("FunctionName", "api"),))
        self.store.add(metric, "Count", minute, measure_repeated(errors, 1))


def test_an_alarm_follows_complete_minutes_only() -> None:
    desk = Desk()
    desk.watch.evaluate_due()
    assert desk.alarm["StateValue"] == "OK"
    desk.count(600, 1.0)
    desk.now = 659.0
    desk.watch.evaluate_due()
    assert desk.alarm["StateValue"] == "OK"
    desk.now = 660.0
    desk.watch.evaluate_due()
    assert desk.alarm["StateValue"] == "ALARM"
    assert desk.alarm["StateUpdatedTimestamp"] == 660.0
    desk.count(660, 0.0)
    desk.now = 720.0
    desk.watch.evaluate_due()
    assert [(c.old, c.new) for c in desk.changes] == [
        ("INSUFFICIENT_DATA", "OK"),
        ("OK", "ALARM"),
        ("ALARM", "OK"),
    ]


def test_other_dimensions_do_not_raise_the_alarm() -> None:
    desk = Desk()
    desk.store.add(Metric("AWS/Lambda", "Errors"), "Count", 540, measure_repeated(5.0, 1))
    desk.watch.evaluate_due()
    assert desk.alarm["StateValue"] == "OK"


# --- what is told ------------------------------------------------------------------

CHANGE = Change(RECORD, "OK", "ALARM", "because", 0.0, {"value": "OK", "reason": "well"})


class Ears:
    """Takes what alarms say."""

    def __init__(self, permitted: bool = True, broken: bool = False) -> None:
        self.published: list[tuple[str, str, str]] = []
        self.invoked: list[tuple[str, Any]] = []
        self.asked: list[tuple[str, str, str]] = []
        self.permitted = permitted
        self.broken = broken

    async def publish(self, topic: str, subject: str, message: str) -> None:
        if self.broken:
            raise ValueError("no such topic")
        self.published.append((topic, subject, message))

    def permits(self, arn: str, service: str, source: str) -> bool:
        self.asked.append((arn, service, source))
        return self.permitted

    def run(self, change: Change) -> list[tuple[str, str | None]]:
        invoke = lambda arn, payload: self.invoked.append((arn, json.loads(payload)))  # noqa: E731
        return asyncio.run(AlarmActions(self.publish, invoke, self.permits).run(change))


def test_topics_and_functions_are_told_and_other_actions_are_named() -> None:
    ears = Ears()
    outcomes = ears.run(CHANGE)
    assert [failure is None for _, failure in outcomes] == [True, True, False]
    assert ears.published[0][:2] == (TOPIC, 'ALARM: "errors" in eu-west-1')
    assert ears.invoked[0][0] == FUNCTION
    assert ears.asked == [(FUNCTION, PRINCIPAL, RECORD["AlarmArn"])]


def test_a_function_that_does_not_permit_it_is_not_invoked() -> None:
    ears = Ears(permitted=False, broken=True)
    outcomes = dict(ears.run(CHANGE))
    assert ears.invoked == []
    assert outcomes[TOPIC] == "no such topic"
    assert PRINCIPAL in str(outcomes[FUNCTION])


def test_disabled_actions_do_not_run() -> None:
    assert Ears().run(replace(CHANGE, alarm={**RECORD, "ActionsEnabled": False})) == []


def test_the_message_and_the_event_have_aws_s_fields() -> None:
    message, event = json.loads(make_message(CHANGE)), json.loads(make_event(CHANGE))
    assert message["Trigger"]["Statistic"] == "SUM"
    assert message["Trigger"]["Dimensions"] == [{"value": "api", "name": "FunctionName"}]
    assert message["StateChangeTime"] == "1970-01-01T00:00:00.000+0000"
    extended = {**RECORD, "ExtendedStatistic": "p99"}
    trigger = json.loads(make_message(replace(CHANGE, alarm=extended)))["Trigger"]
    assert (trigger["StatisticType"], trigger["ExtendedStatistic"]) == ("ExtendedStatistic", "p99")
    assert event["alarmData"]["previousState"] == {"value": "OK", "reason": "well"}
    assert event["alarmData"]["configuration"]["metrics"][0]["metricStat"]["stat"] == "Sum"


def test_the_history_tells_the_change_and_each_action() -> None:
    items: list[dict[str, Any]] = []
    started: list[Awaitable[None]] = []
    told: list[str] = []
    ears = Ears(broken=True)
    actions = AlarmActions(ears.publish, lambda arn, payload: None, ears.permits)
    announcer = Announcer(actions.run, lambda scope: items, started.append, told.append)

    async def announce() -> None:
        announcer.record(HOME, CHANGE)
        announcer.announce(HOME, CHANGE)
        await started[0]

    asyncio.run(announce())
    assert [item["HistoryItemType"] for item in items] == ["StateUpdate"] + ["Action"] * 3
    assert items[0]["HistorySummary"] == "Alarm updated from OK to ALARM"
    assert items[1]["HistorySummary"] == f"Failed to execute action {TOPIC}"
    assert any("no such topic" in sentence for sentence in told)


def test_an_alarm_that_cannot_be_evaluated_does_not_hold_the_others() -> None:
    desk = Desk()
    broken = {**RECORD, "AlarmName": "broken", "Period": "a minute"}
    changes: list[Change] = []
    watch = AlarmWatch(
        MetricReader(desk.store, HOME, lambda scope: {}),
        lambda: [(HOME, broken), (HOME, desk.alarm)],
        lambda scope, change: changes.append(change),
        lambda: desk.now,
    )
    watch.evaluate_due()
    watch.evaluate_due()
    assert [change.alarm["AlarmName"] for change in changes] == ["errors"]
