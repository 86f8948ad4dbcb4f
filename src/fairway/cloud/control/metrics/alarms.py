"""What state an alarm is in, from its periods' values: no clock, no store.

Pages "Using Amazon CloudWatch alarms" and "Configuring how CloudWatch alarms treat
missing data".
"""

from __future__ import annotations

import json
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fairway.cloud.control.metrics.queries import Query, find_period
from fairway.cloud.control.metrics.reading import Value

State = Literal["OK", "ALARM", "INSUFFICIENT_DATA"]

SPARE_PERIODS = 2
"""Periods looked at beyond the evaluation periods when some are missing: the page's
examples look at five for an alarm of three."""

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


HIGH_RESOLUTION = (1, 5, 10, 20, 30)
"""Seconds of a period that is no multiple of a minute; page "PutMetricAlarm"."""

_HOUR, _DAY = 3600, 86_400


@dataclass(frozen=True, slots=True)
class Rule:
    """What an alarm watches for. period: seconds. needed: datapoints to alarm.

    missing: how missing data counts: missing, ignore, breaching or notBreaching. queries:
    metrics and expressions, instead of one metric.
    """

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str
    unit: str
    period: int
    periods: int
    needed: int
    threshold: float
    comparison: str
    missing: str
    queries: tuple[Query, ...] = ()

    @property
    def step(self) -> int:
        """Seconds between evaluations: a minute, or less for a shorter period, but ten."""
        return max(10, min(60, self.period))

    @property
    def looked_at(self) -> int:
        """How many periods an evaluation reads."""
        return self.periods + SPARE_PERIODS


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that values mean, why, and the same for programs (StateReasonData)."""

    state: State
    reason: str
    data: str


def read_rule(alarm: Mapping[str, Any]) -> Rule | None:
    """An alarm's record as a rule; None for one that cannot be evaluated here."""
    queries = tuple(alarm.get("Metrics") or ())
    if alarm.get("ComparisonOperator") not in _COMPARE:
        return None
    if not queries and not alarm.get("MetricName"):
        return None
    if find_excess(alarm):  # of a Fairway that did not refuse it
        return None
    periods = int(alarm.get("EvaluationPeriods") or 1)
    is_dynamo = alarm.get("Namespace") == "AWS/DynamoDB"  # these always ignore missing data
    return Rule(
        namespace=str(alarm.get("Namespace") or ""),
        name=str(alarm.get("MetricName") or ""),
        dimensions=tuple(
            sorted((str(d["Name"]), str(d["Value"])) for d in alarm.get("Dimensions") or ())
        ),
        statistic=_name_statistic(alarm),
        unit=str(alarm.get("Unit") or ""),
        period=_read_period(alarm),
        periods=periods,
        needed=int(alarm.get("DatapointsToAlarm") or periods),
        threshold=float(alarm.get("Threshold") or 0.0),
        comparison=str(alarm["ComparisonOperator"]),
        missing="ignore" if is_dynamo else str(alarm.get("TreatMissingData") or "missing"),
        queries=queries,
    )


def _read_period(alarm: Mapping[str, Any]) -> int:
    queries = tuple(alarm.get("Metrics") or ())
    return find_period(queries) if queries else int(alarm.get("Period") or 60)


def find_excess(alarm: Mapping[str, Any]) -> str | None:
    """What is wrong with how long and how often an alarm looks; or None.

    Page "PutMetricAlarm": seven days at most, one day with periods below an hour.
    Raises ExpressionFault, ValueError or TypeError where the numbers are none.
    """
    period, periods = _read_period(alarm), int(alarm.get("EvaluationPeriods") or 1)
    if period < 1 or (period % 60 and period not in HIGH_RESOLUTION):
        allowed = ", ".join(map(str, HIGH_RESOLUTION))
        return f"Period must be {allowed} or a multiple of 60 seconds, but is {period}"
    most = 7 * _DAY if period >= _HOUR else _DAY
    if not 1 <= periods <= most // period:
        return (
            f"EvaluationPeriods must be at least 1, and EvaluationPeriods x Period at most "
            f"{most:,} seconds with a Period of {period}, but EvaluationPeriods is {periods:,}"
        )
    return None


def _name_statistic(alarm: Mapping[str, Any]) -> str:
    if alarm.get("Metrics"):
        return ""
    return str(alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average")


def judge(rule: Rule, values: Sequence[Value | None], old: State, now: float) -> Verdict | None:
    """The state that the values mean; None when the alarm keeps its state and reason.

    values: one for each period that is looked at, oldest first, None where it is missing.
    """
    present = [value for value in values if value is not None]
    breaches = _COMPARE[rule.comparison]
    if len(present) >= rule.periods:
        used = present[-rule.periods :]
        bad = sum(breaches(value.value, rule.threshold) for value in used)
        return _say(rule, used, bad >= rule.needed, old, now)
    bad = sum(breaches(value.value, rule.threshold) for value in present)
    absent = rule.periods - len(present)
    if rule.missing in ("breaching", "notBreaching"):
        filled = absent if rule.missing == "breaching" else 0
        return _say(rule, present, bad + filled >= rule.needed, old, now, absent)
    if bad >= rule.needed:
        return _say(rule, present, True, old, now)
    if bad < len(present):
        return _say(rule, present, False, old, now)
    if rule.missing == "ignore":
        return None
    if not present:
        return _say_unknown(rule, now)
    # Only breaching values, fewer than needed: an alarm, once the first is old enough.
    age = next(len(values) - n for n, value in enumerate(values) if value is not None)
    return _say(rule, present, True, old, now) if age >= rule.needed else None


def _say(
    rule: Rule, used: Sequence[Value], alarming: bool, old: State, now: float, filled: int = 0
) -> Verdict:
    state: State = "ALARM" if alarming else "OK"
    if not used:
        kind = "Breaching" if rule.missing == "breaching" else "NonBreaching"
        reason = (
            f"Threshold Crossed: no datapoints were received for {_count(filled, 'period')} and "
            f"{_count(filled, 'missing datapoint')} {'was' if filled == 1 else 'were'} "
            f"treated as [{kind}]."
        )
        return Verdict(state, reason, _describe(rule, used, now))
    compare = _COMPARE[rule.comparison]
    named = [value for value in used if compare(value.value, rule.threshold) == alarming] or used
    shown = ", ".join(f"{value.value} ({_stamp(value.start)})" for value in reversed(named))
    verb = "was" if len(named) == 1 else "were"
    needed = rule.needed if alarming else rule.periods - rule.needed + 1
    reason = (
        f"Threshold Crossed: {len(named)} out of the last {len(used)} datapoints "
        f"[{shown}] {verb} {'' if alarming else 'not '}{_WORDS[rule.comparison]} the threshold "
        f"({rule.threshold}) (minimum {_count(needed, 'datapoint')} for {old} -> {state} "
        "transition)."
    )
    return Verdict(state, reason, _describe(rule, used, now))


def _say_unknown(rule: Rule, now: float) -> Verdict:
    verb = "was" if rule.periods == 1 else "were"
    reason = f"Insufficient Data: {_count(rule.periods, 'datapoint')} {verb} unknown."
    return Verdict("INSUFFICIENT_DATA", reason, _describe(rule, (), now))


def _describe(rule: Rule, used: Sequence[Value], now: float) -> str:
    data: dict[str, Any] = {"version": "1.0", "queryDate": format_time(now)}
    if used:
        data["startDate"] = format_time(used[0].start)
    if rule.statistic:
        data["statistic"] = rule.statistic
    data |= {
        "period": rule.period,
        "recentDatapoints": [value.value for value in used],
        "threshold": rule.threshold,
        "evaluatedDatapoints": [
            {
                "timestamp": format_time(value.start),
                **({"sampleCount": value.samples} if value.samples else {}),
                "value": value.value,
            }
            for value in reversed(used)
        ],
    }
    return json.dumps(data, separators=(",", ":"))


def format_time(at: float) -> str:
    """A time as alarms write it: 2019-10-02T17:04:40.989+0000."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
    return f"{stamp}.{int(at * 1000) % 1000:03d}+0000"


def _stamp(at: float) -> str:
    return time.strftime("%d/%m/%y %H:%M:%S", time.gmtime(at))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
