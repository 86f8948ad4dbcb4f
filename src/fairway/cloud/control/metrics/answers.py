"""GetMetricStatistics, GetMetricData and ListMetrics, as the CloudWatch API reference says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fairway.cloud.control.metrics.reading import (
    BASIC,
    MetricReader,
    Scope,
    name_statistic,
    take_statistic,
)
from fairway.cloud.control.metrics.store import Metric, name_dimensions

Request = Mapping[str, Any]
MOST_DATAPOINTS = 1440  # "GetMetricStatistics": in one call
_PAGE = 500  # "ListMetrics": results in one call
_MATH = "The local cloud does not evaluate metric math; ask for the metrics themselves."


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
        metric = _read_metric(request)
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
        results = []
        for query in request.get("MetricDataQueries") or ():
            if query.get("ReturnData") not in (False, "false"):
                results.append(self._answer_query(scope, request, query))
        return {"MetricDataResults": results, "Messages": []}

    def _answer_query(self, scope: Scope, request: Request, query: Request) -> dict[str, Any]:
        result: dict[str, Any] = {"Id": query.get("Id") or "", "Timestamps": [], "Values": []}
        if query.get("Expression"):
            result["Label"] = query.get("Label") or result["Id"]
            messages = [{"Code": "ArithmeticError", "Value": _MATH}]
            return {**result, "StatusCode": "InternalError", "Messages": messages}
        wanted = query.get("MetricStat") or {}
        metric = _read_metric(wanted.get("Metric") or {})
        statistic = name_statistic(str(wanted.get("Stat") or ""))
        if statistic is None:
            raise Refused("ValidationError", f"The value {wanted.get('Stat')} is not a statistic")
        period, start, end = _read_range(request, wanted.get("Period"))
        unit = str(wanted.get("Unit") or "")
        found = self._reader.read_periods(scope, metric, period, start, end, unit)
        values = [(at, take_statistic(measure, statistic)) for at, measure in found.items()]
        if request.get("ScanBy") != "TimestampAscending":
            values.reverse()
        for at, value in values:
            if value is not None:
                result["Timestamps"].append(at)
                result["Values"].append(value)
        return {**result, "Label": query.get("Label") or metric.name, "StatusCode": "Complete"}

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


def _read_metric(request: Request) -> Metric:
    dimensions = {str(d["Name"]): str(d["Value"]) for d in request.get("Dimensions") or ()}
    return Metric(
        str(request.get("Namespace") or ""),
        str(request.get("MetricName") or ""),
        name_dimensions(dimensions),
    )


def _read_range(request: Request, period: object) -> tuple[int, int, int]:
    """Period, start and end in seconds; the start is rounded down to a period."""
    seconds = int(str(period or 60))
    if seconds < 1 or (seconds % 60 and seconds not in (1, 5, 10, 20, 30)):
        raise Refused(
            "InvalidParameterValue",
            "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60",
        )
    start, end = request.get("StartTime"), request.get("EndTime")
    if start is None or end is None or start >= end:
        raise Refused(
            "InvalidParameterCombination",
            "The parameter StartTime must be less than the parameter EndTime.",
        )
    return seconds, int(start // seconds * seconds), int(-(-end // 1))
