"""GetMetricStatistics, GetMetricData and ListMetrics, as the CloudWatch API reference says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from fairway.cloud.control.metrics.expressions import Budget
from fairway.cloud.control.metrics.queries import (
    choose_reached,
    evaluate,
    read_metric,
    read_series,
    returns_data,
)
from fairway.cloud.control.metrics.reading import (
    BASIC,
    MetricReader,
    Scope,
    name_statistic,
    take_statistic,
)
from fairway.cloud.control.metrics.series import ExpressionFault, Grid, TimeSeries
from fairway.cloud.control.metrics.store import Metric

Request = Mapping[str, Any]
MOST_DATAPOINTS = 1440  # "GetMetricStatistics": in one call
MOST_QUERIES = 500  # "GetMetricData": in one call
MOST_PERIODS = 100_800  # "GetMetricData": datapoints in one call
_PAGE = 500  # "ListMetrics": results in one call


class Refused(Exception):
    """A request that CloudWatch refuses. code: InvalidParameterValue and the like."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class MetricAnswers:
    """Answers requests; times in them are epoch seconds, and in the answers too."""

    def __init__(self, reader: MetricReader) -> None:
        self._reader = reader

    def get_statistics(self, scope: Scope, request: Request) -> dict[str, Any]:
        """GetMetricStatistics."""
        metric = read_metric(request)
        period, start, end = _read_range(request, request.get("Period"))
        wanted = [str(s) for s in request.get("Statistics") or ()]
        extended = [str(s) for s in request.get("ExtendedStatistics") or ()]
        if not wanted and not extended:
            raise Refused(
                "InvalidParameterCombination",
                "At least one of the parameters Statistics and ExtendedStatistics must be "
                "specified.",
            )
        for name in (*wanted, *extended):
            if name_statistic(name) is None or (name in wanted) != (name in BASIC):
                raise Refused("InvalidParameterValue", f"The value {name} is not a statistic here")
        unit = str(request.get("Unit") or "")
        if (end - start) / period > MOST_DATAPOINTS:
            raise Refused(
                "InvalidParameterCombination",
                f"You have requested up to {int((end - start) / period):,} datapoints, which "
                f"exceeds the limit of {MOST_DATAPOINTS:,}.",
            )
        shown = unit or self._reader.find_unit(scope, metric)
        points = []
        found = self._reader.read_periods(scope, metric, period, start, end, unit)
        for at, measure in found.items():
            point: dict[str, Any] = {"Timestamp": at, "Unit": shown}
            point |= {name: take_statistic(measure, name) for name in wanted}
            values = {name: take_statistic(measure, _named(name)) for name in extended}
            known = {name: value for name, value in values.items() if value is not None}
            if known:
                point["ExtendedStatistics"] = known
            points.append(point)
        return {"Label": metric.name, "Datapoints": points}

    def get_data(self, scope: Scope, request: Request) -> dict[str, Any]:
        """GetMetricData. The newest values come first unless ScanBy says otherwise."""
        queries: list[Request] = list(request.get("MetricDataQueries") or ())
        if len(queries) > MOST_QUERIES:
            raise Refused(
                "ValidationError",
                f"The collection MetricDataQueries must not have a size greater than "
                f"{MOST_QUERIES}.",
            )
        budget = Budget()
        results = []
        for query in queries:
            if returns_data(query):
                try:
                    results += self._answer_query(scope, request, queries, query, budget)
                except ExpressionFault as fault:
                    name = query.get("Id")
                    text = f"Error in expression '{name}': {fault}"
                    raise Refused("ValidationError", text) from None
        return {"MetricDataResults": results, "Messages": []}

    def _answer_query(
        self,
        scope: Scope,
        request: Request,
        queries: list[Request],
        query: Request,
        budget: Budget,
    ) -> list[dict[str, Any]]:
        """One result, or one for each time series of an expression that has several."""
        name = str(query.get("Id") or "")
        period, start, end = _read_range(request, _find_period(queries, query))
        grid = Grid(start, period, -(-(end - start) // period))
        if not query.get("Expression"):
            series = read_series(self._reader, scope, query, grid)
            return [_describe_result(request, name, series.label, series)]
        if grid.count > MOST_PERIODS:
            raise ExpressionFault(
                f"You have requested {grid.count:,} periods of {period} s, which exceeds the "
                f"limit of {MOST_PERIODS:,}"
            )
        value = evaluate(self._reader, scope, queries, grid, name, budget)
        budget.spend([value])
        label = query.get("Label")
        if isinstance(value, TimeSeries):
            return [_describe_result(request, name, str(label or name), value)]
        if not isinstance(value, list):
            raise ExpressionFault("The result must be a time series, but it is a single number")
        return [
            _describe_result(request, name, " ".join(filter(None, (label, each.label))), each)
            for each in value
        ]

    def list_metrics(self, scope: Scope, request: Request) -> dict[str, Any]:
        """ListMetrics, by pages."""
        filters = request.get("Dimensions") or ()
        found = sorted(
            {
                metric
                for metric in self._reader.list_metrics(scope)
                if request.get("Namespace") in (None, "", metric.namespace)
                and request.get("MetricName") in (None, "", metric.name)
                and _has_dimensions(metric, filters)
            },
            key=lambda metric: (metric.namespace, metric.name, metric.dimensions),
        )
        token = str(request.get("NextToken") or "0")
        if not token.isdecimal():
            raise Refused("InvalidParameterValue", f"Invalid NextToken: {token}")
        begin = int(token)
        answer: dict[str, Any] = {
            "Metrics": [_describe_metric(m) for m in found[begin : begin + _PAGE]]
        }
        if begin + _PAGE < len(found):
            answer["NextToken"] = str(begin + _PAGE)
        return answer


def _named(name: str) -> str:
    return name_statistic(name) or name


def _has_dimensions(metric: Metric, filters: Any) -> bool:
    own = dict(metric.dimensions)
    return all(
        f.get("Name") in own and f.get("Value") in (None, "", own[f["Name"]]) for f in filters
    )


def _describe_metric(metric: Metric) -> dict[str, Any]:
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": [{"Name": n, "Value": v} for n, v in metric.dimensions],
    }


def _describe_result(request: Request, name: str, label: str, series: TimeSeries) -> dict[str, Any]:
    points = sorted(series.points.items(), reverse=request.get("ScanBy") != "TimestampAscending")
    return {
        "Id": name,
        "Label": label,
        "Timestamps": [at for at, _ in points],
        "Values": [value for _, value in points],
        "StatusCode": "Complete",
    }


def _find_period(queries: list[Request], query: Request) -> object:
    """A query's own period; an expression's is that of the metrics it reaches, if they agree."""
    if not query.get("Expression"):
        return (query.get("MetricStat") or {}).get("Period")
    reached = choose_reached(queries, str(query.get("Id") or ""))
    periods = {str(q["MetricStat"].get("Period") or 60) for q in reached if q.get("MetricStat")}
    if len(periods) > 1:
        raise ExpressionFault(
            "The local cloud evaluates expressions over metrics of one period only, but they "
            f"have {', '.join(sorted(periods))}"
        )
    return periods.pop() if periods else query.get("Period")


def _read_period(period: object) -> int:
    """Whole seconds, as a number or as the Query protocol's text."""
    text = str(period).removesuffix(".0")
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise Refused(
            "ValidationError",
            f"1 validation error detected: Value '{period}' at 'period' failed to satisfy "
            "constraint: Member must be an integer",
        )
    return int(text)


def _read_range(request: Request, period: object) -> tuple[int, int, int]:
    """Period, start and end in seconds; the start is rounded down to a period."""
    seconds = _read_period(60 if period in (None, "") else period)
    if seconds < 1 or (seconds % 60 and seconds not in (1, 5, 10, 20, 30)):
        raise Refused(
            "InvalidParameterValue",
            "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60",
        )
    start, end = request.get("StartTime"), request.get("EndTime")
    if start is None or end is None or not -math.inf < start < end < math.inf:
        raise Refused(
            "InvalidParameterCombination",
            "The parameter StartTime must be less than the parameter EndTime.",
        )
    return seconds, int(start // seconds * seconds), int(-(-end // 1))
