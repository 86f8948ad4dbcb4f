"""Lists of metrics and expressions: those of alarms, checked, and those of GetMetricData.

Pages "MetricDataQuery" of the CloudWatch API reference and "Creating a CloudWatch alarm
based on a metric math expression".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fairway.cloud.control.metrics.expressions import Budget, Evaluation, list_reached
from fairway.cloud.control.metrics.reading import (
    MetricReader,
    Scope,
    name_statistic,
    take_statistic,
)
from fairway.cloud.control.metrics.series import ExpressionFault, Grid, TimeSeries, Value
from fairway.cloud.control.metrics.store import Metric, name_dimensions

Query = Mapping[str, Any]

MOST = 10
"""Metrics, and as well expressions, of an alarm."""

_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
ALONE = (
    "Dimensions",
    "ExtendedStatistic",
    "MetricName",
    "Namespace",
    "Period",
    "Statistic",
    "Unit",
)
"""Of an alarm: what its list of metrics stands for."""


def returns_data(query: Query) -> bool:
    """Whether a query's own result is asked for."""
    return str(query.get("ReturnData", True)).lower() != "false"


def read_metric(described: Mapping[str, Any]) -> Metric:
    """A metric as requests describe it."""
    dimensions = {str(d["Name"]): str(d["Value"]) for d in described.get("Dimensions") or ()}
    return Metric(
        str(described.get("Namespace") or ""),
        str(described.get("MetricName") or ""),
        name_dimensions(dimensions),
    )


def read_series(reader: MetricReader, scope: Scope, query: Query, grid: Grid) -> TimeSeries:
    """The values of a metric's query, by the grid's periods. Raises ExpressionFault."""
    asked = query.get("MetricStat") or {}
    statistic = name_statistic(str(asked.get("Stat") or ""))
    if statistic is None:
        raise ExpressionFault(f"The value {asked.get('Stat')} is not a statistic")
    metric = read_metric(asked.get("Metric") or {})
    end = grid.start + grid.count * grid.period
    unit = str(asked.get("Unit") or "")
    found = reader.read_periods(scope, metric, grid.period, grid.start, end, unit)
    taken = {at: take_statistic(measure, statistic) for at, measure in found.items()}
    points = {at: value for at, value in taken.items() if value is not None}
    return TimeSeries(points, str(query.get("Label") or metric.name), grid.period)


def evaluate(
    reader: MetricReader | None,
    scope: Scope,
    queries: Sequence[Query],
    grid: Grid,
    name: str,
    budget: Budget | None = None,
) -> Value:
    """The value of one query of a list. Without a reader no metric has values.

    Raises ExpressionFault.
    """

    def read(query: Query) -> TimeSeries:
        return read_series(reader, scope, query, grid) if reader else TimeSeries({}, "", 60)

    metrics = {str(q["Id"]): partial(read, q) for q in queries if q.get("MetricStat")}
    return Evaluation(_list_expressions(queries), metrics, grid, budget).find(name)


def choose_reached(queries: Sequence[Query], name: str) -> list[Query]:
    """The queries that one is computed of, itself among them. Raises ExpressionFault."""
    metrics = [str(q["Id"]) for q in queries if q.get("MetricStat")]
    reached = list_reached(_list_expressions(queries), metrics, name)
    return [query for query in queries if str(query.get("Id")) in reached]


def _list_expressions(queries: Sequence[Query]) -> dict[str, str]:
    return {str(q["Id"]): str(q["Expression"]) for q in queries if q.get("Expression")}


# --- alarms ------------------------------------------------------------------------


def find_watched(queries: Sequence[Query]) -> Query:
    """The one query of an alarm whose result it watches. Raises ExpressionFault."""
    watched = [query for query in queries if returns_data(query)]
    if len(watched) != 1:
        raise ExpressionFault(
            "Exactly one element of the metrics list should return data, but "
            f"{len(watched)} do: set ReturnData to false for the others"
        )
    return watched[0]


def find_period(queries: Sequence[Query]) -> int:
    """The period that all metrics of an alarm have. Raises ExpressionFault."""
    periods = {int(q["MetricStat"].get("Period") or 60) for q in queries if q.get("MetricStat")}
    if len(periods) != 1:
        raise ExpressionFault(
            "The metrics of an alarm's expression need one period, the same for all, but they "
            f"have {', '.join(map(str, sorted(periods))) or 'none'}"
        )
    return periods.pop()


def check_alarm(alarm: Mapping[str, Any], account: str = "") -> None:
    """Refuse what AWS refuses, or what is not evaluated here. Raises ExpressionFault.

    account: the alarm's own; metrics of others are not here. Expressions that are not
    known yet, as in a template, are left out.
    """
    queries = [query for query in alarm.get("Metrics") or () if isinstance(query, Mapping)]
    beside = [name for name in ALONE if alarm.get(name)]
    if beside:
        raise ExpressionFault(f"{', '.join(beside)} cannot be given beside Metrics")
    _check_forms(queries, account)
    watched = find_watched(queries)
    find_period(queries)
    if any(not isinstance(query.get("Expression") or "", str) for query in queries):
        return
    for query in queries:
        value = evaluate(None, ("", ""), queries, Grid(0, 60, 1), str(query["Id"]))
        if query is watched and not isinstance(value, TimeSeries):
            kind = "a list of time series" if isinstance(value, list) else "a single number"
            raise ExpressionFault(
                f"An alarm watches one time series, but '{query['Id']}' is {kind}"
            )


def _check_forms(queries: Sequence[Query], account: str) -> None:
    names = [str(query.get("Id") or "") for query in queries]
    for name, query in zip(names, queries, strict=True):
        if not _ID.fullmatch(name):
            raise ExpressionFault(f"The id '{name}' must be letters, digits and _, from a-z on")
        if bool(query.get("Expression")) == bool(query.get("MetricStat")):
            raise ExpressionFault(f"'{name}' needs either an Expression or a MetricStat")
        owner = query.get("AccountId")
        if account and owner and str(owner) != account:
            raise ExpressionFault(f"'{name}' is of the account {owner}, which is not here")
    if len(set(names)) < len(names):
        raise ExpressionFault("The ids of an alarm's metrics must differ")
    for kind in ("MetricStat", "Expression"):
        count = sum(bool(query.get(kind)) for query in queries)
        if count > MOST:
            raise ExpressionFault(f"An alarm has at most {MOST} of {kind}, but this has {count}")


def normalize_queries(queries: Sequence[Query]) -> list[dict[str, Any]]:
    """An alarm's list as DescribeAlarms answers it, whichever protocol it came by."""
    found = []
    for query in queries:
        made = {k: v for k, v in query.items() if v not in (None, "")}
        made["ReturnData"] = returns_data(query)
        if made.get("Period"):
            made["Period"] = int(made["Period"])
        if made.get("MetricStat"):
            asked = dict(made["MetricStat"])
            made["MetricStat"] = {**asked, "Period": int(asked.get("Period") or 60)}
        found.append(made)
    return found
