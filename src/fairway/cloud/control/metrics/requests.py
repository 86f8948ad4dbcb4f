"""AWS/ApplicationELB and AWS/ApiGateway: what the edge's records mean as metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fairway.cloud.control.metrics.funnel import Counted, Funnel
from fairway.cloud.control.metrics.measure import Measure, measure_repeated
from fairway.cloud.control.metrics.store import Metric, MetricStore, name_dimensions
from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.model import HttpApi, Listener

_BALANCERS = "AWS/ApplicationELB"
_APIS = "AWS/ApiGateway"

_LAMBDA_INTERNAL = frozenset({"LambdaServiceException"})
_OWN_CODES = frozenset({500, 502, 503, 504})
_NOT_SENT = frozenset({"LambdaRequestTooLarge"})


class _Balanced(NamedTuple):
    """A load balancer's request, as far as its metrics differ by it."""

    listener: str
    target_group: str | None
    action: str | None
    status: int
    target_status: int | None
    error_reason: str | None


class _Called(NamedTuple):
    """An HTTP API's request. integrated: an integration was called."""

    api: str
    stage: str
    route: str | None
    status: int
    integrated: bool


class RequestMetrics:
    """Counts every request that the edge answered.

    is_detailed: whether a stage has detailed metrics for a route. Pages "CloudWatch
    metrics for your Application Load Balancer" and "Monitor CloudWatch metrics for
    HTTP APIs in API Gateway".
    """

    def __init__(
        self, clock: Callable[[], float], is_detailed: Callable[[str, str, str], bool]
    ) -> None:
        self._is_detailed = is_detailed
        self._balanced: Funnel[_Balanced] = Funnel(expand_balanced, clock)
        self._called: Funnel[_Called] = Funnel(self._expand_called, clock)

    def note(self, served: Listener | HttpApi, record: AccessRecord) -> None:
        """Count one request."""
        if isinstance(served, HttpApi):
            called = _Called(
                served.api_id,
                served.stage,
                record.route,
                record.status,
                record.target_seconds is not None,
            )
            milliseconds = (record.target_seconds or 0.0) * 1000
            self._called.note(called, record.seconds * 1000, milliseconds, record.sent_bytes)
            return
        balanced = _Balanced(
            served.arn,
            record.target_group,
            record.action,
            record.status,
            record.target_status,
            record.error_reason,
        )
        self._balanced.note(
            balanced, record.target_seconds or 0.0, record.received_bytes, record.sent_bytes
        )

    def flush(self, store: MetricStore) -> None:
        """Put what was counted into the store."""
        self._balanced.flush(store)
        self._called.flush(store)

    def _expand_called(self, shape: _Called, measures: tuple[Measure, ...]) -> Iterator[Counted]:
        detailed = shape.route is not None and self._is_detailed(
            shape.api, shape.stage, shape.route
        )
        yield from expand_called(shape, measures, detailed)


def expand_balanced(shape: _Balanced, measures: tuple[Measure, ...]) -> Iterator[Counted]:
    """The metrics of requests to a load balancer with the same fate."""
    seconds, received, sent = measures
    balancer = read_balancer(shape.listener)
    whole = [{"LoadBalancer": balancer}]
    group = [{"TargetGroup": read_target_group(shape.target_group)}] if shape.target_group else []
    both = [{**group[0], **whole[0]}] if group else []
    count = measure_repeated(1.0, sent.count)

    def say(name: str, measure: Measure, *places: dict[str, str], unit: str = "Count") -> Counted:
        return Metric(_BALANCERS, name, name_dimensions(places[0])), unit, measure

    if group:  # "only … where the load balancer node was able to choose a target"
        for place in (*whole, *both):
            yield say("RequestCount", count, place)
    processed = Measure()
    processed.add((received.total + sent.total) / sent.count, sent.count)
    yield say("ProcessedBytes", processed, whole[0], unit="Bytes")
    if shape.action == "fixed-response":
        yield say("HTTP_Fixed_Response_Count", count, whole[0])
    if shape.action == "redirect":
        yield say("HTTP_Redirect_Count", count, whole[0])
    if shape.target_status is None:
        for name in _name_own_codes(shape.status):
            yield say(name, count, whole[0])
    else:
        for place in (*whole, *both):
            name = f"HTTPCode_Target_{shape.target_status // 100}XX_Count"
            yield say(name, count, place)
    if not group or shape.error_reason in _NOT_SENT:
        return
    yield say("LambdaTargetProcessedBytes", processed, whole[0], unit="Bytes")
    for place in (*whole, *group, *both):
        yield say("TargetResponseTime", seconds, place, unit="Seconds")
    if shape.error_reason is not None:
        internal = shape.error_reason in _LAMBDA_INTERNAL
        for place in (*group, *both):
            yield say("LambdaInternalError" if internal else "LambdaUserError", count, place)


def _name_own_codes(status: int) -> Iterator[str]:
    if status >= 300:
        yield f"HTTPCode_ELB_{status // 100}XX_Count"
    if status in _OWN_CODES:
        yield f"HTTPCode_ELB_{status}_Count"


def expand_called(
    shape: _Called, measures: tuple[Measure, ...], detailed: bool
) -> Iterator[Counted]:
    """The metrics of requests to an HTTP API with the same fate."""
    latency, integration, sent = measures
    places = [{"ApiId": shape.api}, {"ApiId": shape.api, "Stage": shape.stage}]
    if detailed and shape.route is not None:
        method, _, path = shape.route.partition(" ")
        resource = {"Resource": path or shape.route, "Method": method if path else "ANY"}
        places.append({**places[1], **resource})
    values = [
        ("Count", measure_repeated(1.0, sent.count), "Count"),
        ("4xx", measure_repeated(float(400 <= shape.status < 500), sent.count), "Count"),
        ("5xx", measure_repeated(float(shape.status >= 500), sent.count), "Count"),
        ("Latency", latency, "Milliseconds"),
        ("DataProcessed", sent, "Bytes"),
    ]
    if shape.integrated:
        values.append(("IntegrationLatency", integration, "Milliseconds"))
    for place in places:
        for name, measure, unit in values:
            yield Metric(_APIS, name, name_dimensions(place)), unit, measure


def read_balancer(listener: str) -> str:
    """The LoadBalancer dimension: "app/name/id" of a listener's ARN."""
    return listener.partition(":listener/")[2].rpartition("/")[0]


def read_target_group(arn: str) -> str:
    """The TargetGroup dimension: "targetgroup/name/id" of its ARN."""
    return arn.rpartition(":")[2]
