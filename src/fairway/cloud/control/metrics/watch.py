"""Alarms, evaluated every minute, and what happens when their state changes."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from fairway.cloud.control.metrics.alarms import Rule, State, format_time, judge, read_rule
from fairway.cloud.control.metrics.notices import Change
from fairway.cloud.control.metrics.queries import evaluate, find_watched
from fairway.cloud.control.metrics.reading import (
    MetricReader,
    Scope,
    Value,
    name_statistic,
    take_statistic,
)
from fairway.cloud.control.metrics.series import Grid, TimeSeries
from fairway.cloud.control.metrics.store import Metric

_log = logging.getLogger(__name__)

Record = dict[str, Any]
MOST_HISTORY = 1000
"""Items kept of all alarms' history; CloudWatch keeps 30 days."""


class AlarmWatch:
    """Evaluates alarms when a minute, or a shorter period, is complete.

    AWS evaluates a minute or two later, since metrics arrive late there. alarms: all
    of them, by (account, region, name). changed: told of each change, in the alarm's
    scope, after its record was.
    """

    def __init__(
        self,
        reader: MetricReader,
        alarms: Callable[[], list[tuple[Scope, Record]]],
        changed: Callable[[Scope, Change], None],
        clock: Callable[[], float] = time.time,
        resumed: float | None = None,
    ) -> None:
        """resumed: when the cloud came up again, for alarms of before."""
        self._reader = reader
        self._resumed = resumed
        self._alarms = alarms
        self._changed = changed
        self._clock = clock
        self._done: dict[tuple[Scope, str], int] = {}

    def evaluate_due(self) -> None:
        """Evaluate the alarms whose next minute or period is over."""
        now = self._clock()
        known = {}
        for scope, alarm in self._alarms():
            key = (scope, str(alarm["AlarmName"]))
            try:
                rule = read_rule(alarm)
                if rule is None:
                    continue
                known[key] = end = int(now // rule.step * rule.step)
                # A new alarm is looked at at once, as PutMetricAlarm says.
                if self._done.get(key) != end:
                    self._evaluate(scope, alarm, rule, end)
            except Exception:  # one broken alarm must not hold every other
                _log.exception("the alarm %s could not be evaluated", key[1])
        self._done = known

    def _evaluate(self, scope: Scope, alarm: Record, rule: Rule, end: int) -> None:
        values = self._read(scope, rule, end)
        old: State = alarm["StateValue"]
        verdict = judge(self._excuse(rule, values, old, end), values, old, self._clock())
        if verdict is None or verdict.state == old:
            return
        before = {
            "value": old,
            "reason": alarm.get("StateReason") or "",
            "timestamp": format_time(alarm.get("StateUpdatedTimestamp") or end),
        }
        if alarm.get("StateReasonData"):
            before["reasonData"] = alarm["StateReasonData"]
        now = self._clock()
        alarm["StateValue"] = verdict.state
        alarm["StateReason"] = verdict.reason
        alarm["StateReasonData"] = verdict.data
        alarm["StateUpdatedTimestamp"] = alarm["StateTransitionedTimestamp"] = now
        self._changed(scope, Change(alarm, old, verdict.state, verdict.reason, now, before))

    def _excuse(self, rule: Rule, values: Sequence[Value | None], old: State, end: int) -> Rule:
        """The rule, which ignores missing data where the cloud was down: nobody measured."""
        if self._resumed is None or old == "INSUFFICIENT_DATA":
            return rule
        missing = [n for n, value in enumerate(values) if value is None]
        first = end - (len(values) - missing[0]) * rule.period if missing else end
        return replace(rule, missing="ignore") if first < self._resumed else rule

    def _read(self, scope: Scope, rule: Rule, end: int) -> list[Value | None]:
        begin = end - rule.looked_at * rule.period
        if rule.queries:
            return self._compute(scope, rule, Grid(begin, rule.period, rule.looked_at))
        statistic = name_statistic(rule.statistic)
        if statistic is None:
            return [None] * rule.looked_at
        metric = Metric(rule.namespace, rule.name, rule.dimensions)
        found = self._reader.read_periods(scope, metric, rule.period, begin, end, rule.unit)
        values: list[Value | None] = []
        for start in range(begin, end, rule.period):
            measure = found.get(start)
            value = take_statistic(measure, statistic) if measure else None
            count = float(measure.count) if measure else 0.0
            values.append(None if value is None else Value(start, value, count))
        return values

    def _compute(self, scope: Scope, rule: Rule, grid: Grid) -> list[Value | None]:
        name = str(find_watched(rule.queries)["Id"])
        found = evaluate(self._reader, scope, rule.queries, grid, name)
        points = found.points if isinstance(found, TimeSeries) else {}
        return [Value(at, points[at], 0.0) if at in points else None for at in grid]


class Announcer:
    """Writes changes into the history and carries out their actions.

    run: the actions of a change, each with why it failed. history: an alarm's
    scope to its list of items. start: begins a task; may be called on any thread.
    """

    def __init__(
        self,
        run: Callable[[Change], Awaitable[list[tuple[str, str | None]]]],
        history: Callable[[Scope], list[dict[str, Any]]],
        start: Callable[[Awaitable[None]], None],
        report: Callable[[str], None],
    ) -> None:
        self._run = run
        self._history = history
        self._start = start
        self._report = report

    def announce(self, scope: Scope, change: Change) -> None:
        """Carry out the actions of a change that is in the history already."""
        self._start(self._act(scope, change))

    def record(self, scope: Scope, change: Change) -> None:
        """Write a change of state into the history."""
        new = {"stateValue": change.new, "stateReason": change.reason}
        if change.alarm.get("StateReasonData"):
            new["stateReasonData"] = change.alarm["StateReasonData"]
        old = {"stateValue": change.old, "stateReason": change.before.get("reason", "")}
        data = {"version": "1.0", "oldState": old, "newState": new}
        summary = f"Alarm updated from {change.old} to {change.new}"
        self._add(scope, change, "StateUpdate", summary, data)

    async def _act(self, scope: Scope, change: Change) -> None:
        for action, failure in await self._run(change):
            word = "Failed to execute" if failure else "Successfully executed"
            data = {
                "actionState": "Failed" if failure else "Succeeded",
                "notificationResource": action,
                "error": failure,
            }
            self._add(scope, change, "Action", f"{word} action {action}", data)
            if failure:
                name = change.alarm["AlarmName"]
                self._report(f"The alarm {name} could not run its action {action}: {failure}.")

    def _add(
        self, scope: Scope, change: Change, kind: str, summary: str, data: dict[str, Any]
    ) -> None:
        items = self._history(scope)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(change.at))
        items.append(
            {
                "AlarmName": change.alarm["AlarmName"],
                "AlarmType": "CompositeAlarm" if change.alarm.get("AlarmRule") else "MetricAlarm",
                "Timestamp": stamp,
                "HistoryItemType": kind,
                "HistorySummary": summary,
                "HistoryData": json.dumps(data),
            }
        )
        del items[:-MOST_HISTORY]
