"""Measures, the store, the ways into it, and what is read from it."""

from __future__ import annotations

import random
from typing import Any

import pytest

from fairway.cloud.control.metrics.answers import MetricAnswers, Refused
from fairway.cloud.control.metrics.cloudwatch import read_query, to_xml
from fairway.cloud.control.metrics.invocations import InvocationMetrics
from fairway.cloud.control.metrics.measure import Measure, measure_repeated
from fairway.cloud.control.metrics.reading import (
    MetricReader,
    find_percentile,
    name_statistic,
    take_statistic,
)
from fairway.cloud.control.metrics.requests import RequestMetrics
from fairway.cloud.control.metrics.store import (
    HOUR,
    HOURS_KEPT,
    MINUTES_KEPT,
    MOST_SERIES,
    Metric,
    MetricStore,
)
from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.model import FixedResponse, Listener
from fairway.cloud.functions.model import Ended

HOME = ("000000000000", "eu-west-1")
BALANCER = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:listener/app/web/1/2"
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/api/3"
FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:api"


def measure(*values: float) -> Measure:
    made = Measure()
    for value in values:
        made.add(value)
    return made


# --- measures --------------------------------------------------------------------


@pytest.mark.parametrize("percent", [50, 95, 99, 99.9])
def test_percentiles_are_within_one_percent_and_sums_exact(percent: float) -> None:
    drawn = random.Random(7)
    values = [drawn.lognormvariate(3, 1) for _ in range(20_000)]
    made = measure(*values)
    exact = find_percentile([(value, 1.0) for value in values], percent)
    found = take_statistic(made, f"p{percent}")
    assert found == pytest.approx(exact, rel=0.011)
    assert take_statistic(made, "Sum") == pytest.approx(sum(values))
    assert (made.low, made.high, made.count) == (min(values), max(values), 20_000)


def test_merging_and_packing_keep_every_value() -> None:
    whole, parts = measure(0.0, 1.0, 5.0, 5.0, 700.0), measure(5.0, 0.0)
    parts.pack()
    parts.merge(measure(1.0, 5.0, 700.0))
    parts.pack()
    assert sorted(parts.list_samples()) == sorted(whole.list_samples())
    assert (parts.count, parts.total) == (whole.count, whole.total)


def test_values_that_repeat_need_no_histogram_and_are_exact() -> None:
    made = measure_repeated(3.3, 4)
    made.merge(measure_repeated(3.3, 2))
    assert made.list_samples() == [(3.3, 6.0)]


def test_a_statistic_set_has_sums_but_no_percentiles() -> None:
    made = measure(2.0)
    made.add_set(10, 55.0, 1.0, 10.0)
    assert (made.count, made.total, made.low, made.high) == (11, 57.0, 1.0, 10.0)
    assert take_statistic(made, "p90") is None


def test_the_size_of_a_measure_does_not_grow_with_its_values() -> None:
    drawn = random.Random(1)
    made = measure(*(drawn.uniform(0.001, 30_000) for _ in range(50_000)))
    assert len(made.list_samples()) < 900


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Sum", "Sum"),
        ("p99.9", "p99.9"),
        ("P50", "p50"),
        ("p101", None),
        ("tm90", None),
        ("", None),
    ],
)
def test_only_known_statistics_have_names(name: str, found: str | None) -> None:
    assert name_statistic(name) == found


# --- the store -------------------------------------------------------------------


def test_old_minutes_become_hours_and_old_hours_go() -> None:
    store, metric = MetricStore(), Metric("n", "m")
    for minute in range(0, 2 * HOUR, 60):
        store.add(metric, "Count", minute, measure_repeated(1.0, 2))
    store.fold(2 * HOUR + MINUTES_KEPT)
    series = store.find(metric)
    assert series is not None
    assert {at: m.total for at, m in series.list_points()} == {0: 120.0, HOUR: 120.0}
    assert not series.minutes
    store.fold(3 * HOUR + HOURS_KEPT)
    assert len(store) == 0


def test_too_many_metrics_forget_those_written_longest_ago() -> None:
    store = MetricStore()
    for number in range(MOST_SERIES + 10):
        store.add(Metric("n", str(number)), "Count", number * 60, measure(1.0))
    store.fold(60.0 * (MOST_SERIES + 10))
    assert store.find(Metric("n", "0")) is None
    assert store.find(Metric("n", str(MOST_SERIES + 9))) is not None
    assert len(store) <= MOST_SERIES


def test_a_hundred_thousand_requests_make_no_more_than_their_kinds() -> None:
    metrics, store = RequestMetrics(lambda: 60.0, lambda *_: False), MetricStore()
    drawn = random.Random(3)
    for _ in range(100_000):
        metrics.note(LISTENER, record(200, 200, seconds=drawn.expovariate(50)))
    metrics.flush(store)
    buckets = sum(len(m.list_samples()) for _, s in store for _, m in s.list_points())
    assert len(store) == 9
    assert buckets < 3000


# --- what requests and invocations mean --------------------------------------------

LISTENER = Listener(BALANCER, "web", "HTTP", 80, (), FixedResponse(404))


def record(status: int, target_status: int | None, **changes: Any) -> AccessRecord:
    seconds = changes.pop("seconds", 0.25)
    return AccessRecord(
        **{
            "time": 60.0,
            "source": BALANCER,
            "client": ("127.0.0.1", 1),
            "request": None,
            "status": status,
            "seconds": seconds,
            "received_bytes": 10,
            "sent_bytes": 30,
            "target": FUNCTION,
            "target_group": GROUP,
            "target_status": target_status,
            "target_seconds": seconds,
            "action": "forward",
            **changes,
        }
    )


def read_balanced(*records: AccessRecord) -> dict[tuple[str, int], float]:
    """Sums by metric and number of dimensions."""
    metrics, store = RequestMetrics(lambda: 60.0, lambda *_: False), MetricStore()
    for each in records:
        metrics.note(LISTENER, each)
    metrics.flush(store)
    return {
        (metric.name, len(metric.dimensions)): sum(m.total for _, m in series.list_points())
        for metric, series in store
    }


def test_a_failed_function_is_a_502_of_the_load_balancer_and_a_user_error() -> None:
    found = read_balanced(record(502, None, error_reason="LambdaUnhandled"))
    assert found[("HTTPCode_ELB_5XX_Count", 1)] == 1
    assert found[("HTTPCode_ELB_502_Count", 1)] == 1
    assert found[("LambdaUserError", 2)] == 1
    assert not [name for name, _ in found if name.startswith("HTTPCode_Target")]


def test_a_failing_runtime_is_an_internal_error() -> None:
    found = read_balanced(record(502, None, error_reason="LambdaServiceException"))
    assert ("LambdaInternalError", 1) in found
    assert ("LambdaUserError", 1) not in found


def test_an_answer_without_target_is_no_counted_request() -> None:
    fixed = {"target": None, "target_group": None, "target_seconds": None}
    found = read_balanced(
        record(404, None, action="fixed-response", **fixed),
        record(301, None, action="redirect", **fixed),
    )
    assert ("RequestCount", 1) not in found
    assert found[("HTTP_Fixed_Response_Count", 1)] == 1
    assert found[("HTTP_Redirect_Count", 1)] == 1
    assert found[("HTTPCode_ELB_4XX_Count", 1)] == 1
    assert found[("HTTPCode_ELB_3XX_Count", 1)] == 1


def read_invocations(*ended: Ended) -> dict[tuple[str, tuple[str, ...]], float]:
    metrics, store = InvocationMetrics(lambda: 60.0), MetricStore()
    for each in ended:
        metrics.note(each)
    metrics.note_event("AsyncEventsReceived", FUNCTION, 1)
    metrics.flush(store)
    return {
        (metric.name, tuple(v for _, v in metric.dimensions)): sum(
            m.total for _, m in series.list_points()
        )
        for metric, series in store
    }


def test_an_invocation_counts_for_all_functions_its_function_and_its_alias() -> None:
    found = read_invocations(
        Ended("api", f"{FUNCTION}:live", "3", duration=12.0, failed=True, concurrency=2),
        Ended("api", FUNCTION, "$LATEST", throttled=True),
    )
    assert found[("Invocations", ())] == 1
    assert found[("Invocations", ("api",))] == 1
    assert found[("Errors", ("api", "api:live"))] == 1
    assert found[("Duration", ("3", "api", "api:live"))] == 12.0
    assert found[("Throttles", ("api",))] == 1
    assert found[("ConcurrentExecutions", ("api",))] == 2
    assert found[("AsyncEventsReceived", ("api",))] == 1


# --- answers -----------------------------------------------------------------------


def make_answers(*points: tuple[int, float]) -> MetricAnswers:
    store = MetricStore()
    for minute, value in points:
        store.add(Metric("AWS/X", "m", (("a", "b"),)), "Seconds", minute, measure(value))
    store.add(Metric("AWS/X", "m"), "Seconds", 60, measure(1000.0))
    return MetricAnswers(MetricReader(store, HOME, lambda scope: {}))


ASKED: dict[str, Any] = {
    "Namespace": "AWS/X",
    "MetricName": "m",
    "Dimensions": [{"Name": "a", "Value": "b"}],
    "StartTime": 0.0,
    "EndTime": 600.0,
    "Period": 120,
}


def test_statistics_come_by_period_and_exact_dimensions() -> None:
    answers = make_answers((60, 1.0), (120, 4.0), (180, 8.0))
    found = answers.get_statistics(HOME, {**ASKED, "Statistics": ["Sum", "Maximum"]})
    assert found["Datapoints"] == [
        {"Timestamp": 0, "Unit": "Seconds", "Sum": 1.0, "Maximum": 1.0},
        {"Timestamp": 120, "Unit": "Seconds", "Sum": 12.0, "Maximum": 8.0},
    ]
    elsewhere = answers.get_statistics(("1", "us-east-1"), {**ASKED, "Statistics": ["Sum"]})
    assert elsewhere["Datapoints"] == []


def test_data_comes_newest_first_unless_asked_otherwise() -> None:
    answers = make_answers((60, 1.0), (120, 4.0))
    metric = {k: ASKED[k] for k in ("Namespace", "MetricName", "Dimensions")}
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "p50"}}
    request = {"MetricDataQueries": [query], "StartTime": 0.0, "EndTime": 600.0}
    newest = answers.get_data(HOME, request)["MetricDataResults"][0]
    oldest = answers.get_data(HOME, {**request, "ScanBy": "TimestampAscending"})
    assert newest["Values"] == [4.0, 1.0]
    assert oldest["MetricDataResults"][0]["Timestamps"] == [60, 120]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"Statistics": ["p50"]},
        {"ExtendedStatistics": ["Sum"]},
        {"Statistics": ["Sum"], "Period": 7},
        {"Statistics": ["Sum"], "EndTime": 0.0},
        {"Statistics": ["Sum"], "EndTime": 1e9},
    ],
)
def test_bad_requests_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        make_answers().get_statistics(HOME, {**ASKED, **changes})


@pytest.mark.parametrize("period", ["abc", "1m", "6.5", 60.5, [], "٦٠"])
def test_a_period_that_is_no_number_is_a_validation_error(period: Any) -> None:
    with pytest.raises(Refused) as refused:
        make_answers().get_statistics(HOME, {**ASKED, "Statistics": ["Sum"], "Period": period})
    assert refused.value.code == "ValidationError"
    assert "at 'period'" in str(refused.value)


@pytest.mark.parametrize("period", [0, "0", -60, "-60"])
def test_a_period_that_cloudwatch_does_not_have_is_refused(period: Any) -> None:
    with pytest.raises(Refused, match="must be 1, 5, 10"):
        make_answers().get_statistics(HOME, {**ASKED, "Statistics": ["Sum"], "Period": period})


@pytest.mark.parametrize("period", ["120", 120.0, 120])
def test_a_period_is_read_in_every_protocol(period: Any) -> None:
    asked = {**ASKED, "Statistics": ["Sum"], "Period": period}
    found = make_answers((60, 1.0)).get_statistics(HOME, asked)["Datapoints"]
    assert [point["Sum"] for point in found] == [1.0]


def test_metrics_are_listed_by_dimension_and_in_pages() -> None:
    store = MetricStore()
    for number in range(700):
        store.add(Metric("s", f"m{number:03}", (("a", "b"),)), "Count", 0, measure(1.0))
    store.add(Metric("s", "plain"), "Count", 0, measure(1.0))
    answers = MetricAnswers(MetricReader(store, HOME, lambda scope: {}))
    first = answers.list_metrics(HOME, {"Dimensions": [{"Name": "a"}]})
    rest = answers.list_metrics(HOME, {"Dimensions": [{"Name": "a"}], "NextToken": "500"})
    assert (len(first["Metrics"]), len(rest["Metrics"])) == (500, 200)
    assert "NextToken" not in rest


def test_the_query_protocol_is_read_and_written() -> None:
    params = {
        "MetricName": ["m"],
        "Dimensions.member.1.Name": ["a"],
        "Dimensions.member.1.Value": ["b"],
        "Statistics.member.1": ["Sum"],
        "MetricDataQueries.member.1.MetricStat.Metric.Namespace": ["n"],
    }
    assert read_query(params) == {
        "MetricName": "m",
        "Dimensions": [{"Name": "a", "Value": "b"}],
        "Statistics": ["Sum"],
        "MetricDataQueries": [{"MetricStat": {"Metric": {"Namespace": "n"}}}],
    }
    text = to_xml({"Label": "a<b", "Datapoints": [{"Sum": 1.0, "ExtendedStatistics": {"p9": 2}}]})
    assert text == (
        "<Label>a&lt;b</Label><Datapoints><member><Sum>1.0</Sum><ExtendedStatistics>"
        "<entry><key>p9</key><value>2</value></entry></ExtendedStatistics></member></Datapoints>"
    )
