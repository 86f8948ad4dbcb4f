"""Metric math: the tables and rules of the page "Using metric math", and what is refused."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from fairway.cloud.control.metrics.alarms import read_rule
from fairway.cloud.control.metrics.answers import MetricAnswers, Refused
from fairway.cloud.control.metrics.cloudwatch import (
    describe_by_query,
    find_early_refusal,
    find_refusal,
    find_unfit,
)
from fairway.cloud.control.metrics.expressions import Budget, Evaluation
from fairway.cloud.control.metrics.measure import Measure, measure_repeated
from fairway.cloud.control.metrics.notices import Change, make_event, make_message
from fairway.cloud.control.metrics.reading import MetricReader
from fairway.cloud.control.metrics.series import ExpressionFault, Grid, TimeSeries, Value
from fairway.cloud.control.metrics.store import Metric, MetricStore
from fairway.cloud.control.metrics.watch import AlarmWatch

HOME = ("000000000000", "eu-west-1")
START = 1_700_006_400  # Wednesday, 15 November 2023, 00:00:00 UTC
ALARM_ARN = "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:rate"


def read_row(text: str) -> dict[int, float]:
    """Values of successive minutes; - is missing."""
    signs = enumerate(text.split())
    return {START + 60 * n: float(sign) for n, sign in signs if sign != "-"}


def show(value: Value, count: int) -> str:
    assert isinstance(value, TimeSeries)
    minutes = (START + 60 * n for n in range(count))
    return " ".join(f"{value.points[at]:g}" if at in value.points else "-" for at in minutes)


def compute(expression: str, count: int, **rows: str) -> Value:
    metrics = {
        name: lambda name=name, row=row: TimeSeries(read_row(row), name, 60)
        for name, row in rows.items()
    }
    return Evaluation({"e": expression}, metrics, Grid(START, 60, count)).find("e")


ONE, TWO, THREE = "1 1 0 0 -", "30 - 0 0 30", "0 0 20 - 20"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [  # "Comparison and logical operators", its table
        ("m1 < m2", "0 0 1 0"),
        ("m1 >= 30", "1 0 0 0"),
        ("m1 > 15 AND m2 > 15", "1 0 0 0"),
        ("m1 > 15 && m2 > 15", "1 0 0 0"),
        ("m1 > 25 OR m2 > 15", "1 0 1 0"),
        ("m1 > 25 || m2 > 15", "1 0 1 0"),
        ("m1 == 20", "0 1 0 0"),
        ("m1 != 20", "1 0 1 1"),
    ],
)
def test_operators_compare_as_the_page_s_table(expression: str, expected: str) -> None:
    assert show(compute(expression, 4, m1="30 20 0 0", m2="20 - 20 -"), 4) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [  # "Using IF expressions", its tables
        ("IF(one, two, three)", "30 0 20 - -"),
        ("IF(one, 5, three)", "5 5 20 - -"),
        ("IF(one, two, 5)", "30 0 5 5 -"),
        ("IF(one, two)", "30 0 - - -"),
        ("IF(2 > 1, two, three)", "30 - 0 0 30"),
        ("IF(2 < 1, two)", "- - - - -"),
    ],
)
def test_conditions_choose_as_the_page_s_tables(expression: str, expected: str) -> None:
    assert show(compute(expression, 5, one=ONE, two=TWO, three=THREE), 5) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("m1 + m2", "5 1 2 -"),
        ("m1 / m2", "4 - 0 -"),
        ("m1 - m2 * 2", "2 1 -4 -"),
        ("-m1 ^ 2", "-16 -1 - -"),
        ("100 * m1", "400 100 - -"),
        (".5 * m1 + 1e1", "12 10.5 - -"),
        ("SUM([m1, m2])", "5 1 2 -"),
        ("AVG([m1, m2])", "2.5 0.5 1 -"),
        ("MAX(METRICS())", "4 1 2 -"),
        ("MIN([m1, m2])", "1 1 2 -"),
        ("DATAPOINT_COUNT([m1, m2])", "2 1 1 -"),
        ("m1 - AVG(m1)", "2.75 -0.25 - -"),
        ("m1 - MIN(m1)", "3 0 - -"),
        ("m1 / SUM(m1)", "0.8 0.2 - -"),
        ("m1 / DATAPOINT_COUNT(m1)", "2 0.5 - -"),
        ("m1 / STDDEV(m1) * 1.5", "4 1 - -"),
        ("m1 / PERIOD(m1) * 60", "4 1 - -"),
        ("SUM(METRICS('m1'))", "4 1 - -"),
        ("m1 / METRIC_COUNT(METRICS())", "2 0.5 - -"),
        ("FILL(m1, 7)", "4 1 7 7"),
        ("FILL(m1, m2)", "4 1 2 -"),
        ("FILL(m2, REPEAT)", "1 1 2 2"),
        ("FILL(m2, LINEAR)", "1 1.5 2 -"),
        ("FILL(m1, MIN(m1))", "4 1 1 1"),
        ("DIFF(m1)", "- -3 - -"),
        ("DIFF_TIME(m2)", "- - 120 -"),
        ("RATE(m2) * 120", "- - 1 -"),
        ("RUNNING_SUM(m1)", "4 5 - -"),
        ("ABS(-m1)", "4 1 - -"),
        ("CEIL(m1 / 3) + FLOOR(m1 / 3)", "3 1 - -"),
        ("LOG10(m2 * 50 - 50)", "- - 1.69897 -"),
        ("LOG(m1 ^ 0)", "0 0 - -"),
        ("TIME_SERIES(3)", "3 3 3 3"),
        ("FIRST(SORT(METRICS(), MAX, ASC))", "1 - 2 -"),
        ("LAST(SLICE(METRICS(), 0, 1))", "4 1 - -"),
        ("SUM(REMOVE_EMPTY([m1, m1 / 0]))", "4 1 - -"),
        ("SUM(100 / [m1, m2])", "125 100 50 -"),
        ("MINUTE(m1) + 100 * DATE(m1)", "1500 1501 1502 1503"),
        ("IF(DAY(m1) == 3, m1)", "4 1 0 0"),
        ("HOUR(m1) + MONTH(m1) + YEAR(m1)", "2034 2034 2034 2034"),
        ("EPOCH(m1) - 1700006400", "0 60 120 180"),
        ("FILL(STDDEV([TIME_SERIES(1e200), TIME_SERIES(-1e200)]), 7)", "7 7 7 7"),
    ],
)
def test_functions_give_what_the_page_says(expression: str, expected: str) -> None:
    assert show(compute(expression, 4, m1="4 1 - -", m2="1 - 2 -"), 4) == expected


@pytest.mark.parametrize("name", ["in", "is", "not_", "class", "if", "and", "lambda"])
def test_ids_may_be_words_of_python(name: str) -> None:
    assert show(compute(f"{name} * 2", 1, **{name: "4"}), 1) == "8"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("SEARCH('{AWS/Lambda} Errors', 'Sum', 60)", "no search expressions"),
        ("ANOMALY_DETECTION_BAND(m1, 2)", "no anomaly detection"),
        ("SERVICE_QUOTA(m1)", "no service quotas"),
        ('SELECT MAX(Errors) FROM SCHEMA("AWS/Lambda")', "Metrics Insights"),
        ("m1 + m9", "Unknown id 'm9'"),
        ("TRIPLE(m1)", "Unknown function 'TRIPLE'"),
        ("[m1] + [m1]", "two arrays"),
        ("m1 + ", "cannot be read"),
        ("m1; m1", "Invalid character ';' at position 3"),
        ("m1.real", "Invalid character '.'"),
        ("1 < m1 < 2", "a form that metric math does not know"),
        ("True", "a form that metric math does not know"),
        ("ABS(2)", "ABS does not take these arguments"),
        ("PERIOD(m1 + m1)", "takes a metric"),
        ("SORT(METRICS(), MEDIAN, ASC)", "SORT does not take"),
        ("FILL(m1, NEAREST)", "FILL does not take"),
        ("e + 1", "depends on itself"),
        ("SLICE(METRICS(), 1 / 0)", "SLICE does not take"),
        ("SLICE(METRICS(), 1e308 * 10)", "SLICE does not take"),
        ("SORT(METRICS(), MAX, ASC, 1 / 0)", "SORT does not take"),
        ("[" + ",".join(["m1"] * 501) + "]", "at most 500 time series"),
        ("(" * 900 + "m1" + ")" * 900, "cannot be read"),
        ("+".join(["m1"] * 900), "at most 2048 characters"),
    ],
)
def test_what_cannot_be_evaluated_says_why(expression: str, reason: str) -> None:
    with pytest.raises(ExpressionFault) as fault:
        compute(expression, 1, m1="1")
    assert reason in str(fault.value)


# --- alarms -----------------------------------------------------------------------


def stat(name: str, metric: str, **options: Any) -> dict[str, Any]:
    described = {"Namespace": "AWS/Lambda", "MetricName": metric, "Dimensions": []}
    asked = {"Metric": described, "Period": 60, "Stat": "Sum"}
    return {"Id": name, "MetricStat": asked, "ReturnData": False, **options}


RATE = [
    {"Id": "rate", "Expression": "100 * errors / calls", "ReturnData": True},
    stat("errors", "Errors"),
    stat("calls", "Invocations"),
]


def make_alarm(queries: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    return {
        "AlarmName": "rate",
        "AlarmArn": ALARM_ARN,
        "Metrics": queries,
        "EvaluationPeriods": 2,
        "Threshold": 10.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "StateValue": "INSUFFICIENT_DATA",
        "ActionsEnabled": True,
        **options,
    }


def watch(alarm: dict[str, Any], errors: str, calls: str) -> list[Change]:
    """Evaluate an alarm after as many minutes as there are values."""
    store = MetricStore()
    for name, row in (("Errors", errors), ("Invocations", calls)):
        for minute, value in read_row(row).items():
            store.add(Metric("AWS/Lambda", name), "Count", minute, measure_repeated(value, 1))
    changes: list[Change] = []
    end = START + 60 * len(errors.split())
    AlarmWatch(
        MetricReader(store, HOME, lambda scope: {}),
        lambda: [(HOME, alarm)],
        lambda scope, change: changes.append(change),
        lambda: float(end),
    ).evaluate_due()
    return changes


def test_an_alarm_watches_the_result_of_its_expression() -> None:
    alarm = make_alarm(RATE)
    (change,) = watch(alarm, "0 0 5 2", "10 10 10 10")
    assert (alarm["StateValue"], change.new) == ("ALARM", "ALARM")
    assert "[20.0 (15/11/23 00:03:00), 50.0 (15/11/23 00:02:00)]" in change.reason
    assert '"recentDatapoints":[50.0,20.0]' in alarm["StateReasonData"]
    assert "sampleCount" not in alarm["StateReasonData"]
    assert "statistic" not in alarm["StateReasonData"]


@pytest.mark.parametrize(
    ("missing", "state"),
    [("missing", "INSUFFICIENT_DATA"), ("breaching", "ALARM"), ("notBreaching", "OK")],
)
def test_a_period_that_divides_by_zero_is_missing(missing: str, state: str) -> None:
    alarm = make_alarm(RATE, TreatMissingData=missing)
    watch(alarm, "1 1 1 1", "0 0 0 0")
    assert alarm["StateValue"] == state


def test_a_filled_expression_is_never_missing() -> None:
    filled = [{**RATE[0], "Expression": "FILL(errors, 0) + FILL(calls, 0)"}, *RATE[1:]]
    alarm = make_alarm(filled)
    watch(alarm, "- - - -", "- - - -")
    assert alarm["StateValue"] == "OK"


def test_a_list_of_one_metric_is_an_alarm_too() -> None:
    alarm = make_alarm([stat("errors", "Errors", ReturnData=True)])
    watch(alarm, "0 0 50 50", "- - - -")
    assert alarm["StateValue"] == "ALARM"


def test_messages_and_events_tell_metrics_and_expressions() -> None:
    dimensions = [{"Name": "FunctionName", "Value": "api"}]
    errors = stat("errors", "Errors")
    errors["MetricStat"]["Metric"]["Dimensions"] = dimensions
    alarm = make_alarm([RATE[0], errors, RATE[2]])
    change = Change(alarm, "OK", "ALARM", "why", 1.0, {})
    message = make_message(change)
    assert '"Metrics": [{"Id": "rate", "Expression": "100 * errors / calls"' in message
    assert '"Dimensions": [{"value": "api", "name": "FunctionName"}]' in message
    assert '"MetricName": "Errors"' in message
    event = make_event(change)
    assert '{"id": "rate", "expression": "100 * errors / calls", "returnData": true}' in event
    assert '"dimensions": {"FunctionName": "api"}}, "period": 60, "stat": "Sum"}' in event
    rule = read_rule(alarm)
    assert rule is not None
    assert (rule.period, rule.statistic) == (60, "")


@pytest.mark.parametrize(
    ("queries", "reason"),
    [
        ([{**RATE[0], "Expression": "SUM(METRICS()"}, *RATE[1:]], "cannot be read"),
        ([{**RATE[0], "Expression": "METRICS()"}, *RATE[1:]], "'rate' is a list of time series"),
        ([{**RATE[0], "Expression": "SUM(errors)"}, *RATE[1:]], "'rate' is a single number"),
        ([{**RATE[0], "Expression": "SEARCH('a', 'Sum')"}, *RATE[1:]], "no search expressions"),
        ([*RATE, {"Id": "b", "Expression": "ANOMALY_DETECTION_BAND(errors)"}], "2 do"),
        ([{"Id": "rate", "Expression": "TIME_SERIES(1)"}], "have none"),
        ([RATE[0], stat("errors", "Errors"), stat("errors", "Errors")], "must differ"),
        ([RATE[0], {**RATE[1], "Id": "Errors"}, RATE[2]], "The id 'Errors'"),
        ([RATE[0], {"Id": "errors", "ReturnData": False}, RATE[2]], "either an Expression or"),
        ([RATE[0], stat("errors", "E", AccountId="1" * 12), RATE[2]], "which is not here"),
        ([RATE[0], RATE[1], {**RATE[2], "Expression": "1 + 1"}], "either an Expression or"),
        ([RATE[0], *[stat(f"m{n}", "E") for n in range(11)]], "at most 10 of MetricStat"),
    ],
)
def test_an_alarm_that_cannot_be_evaluated_is_refused(
    queries: list[dict[str, Any]], reason: str
) -> None:
    assert reason in (find_refusal({"Metrics": queries}, "0" * 12) or "")


def test_metrics_of_an_alarm_have_one_period() -> None:
    slow = stat("calls", "Invocations")
    slow["MetricStat"]["Period"] = 300
    assert "60, 300" in (find_refusal({"Metrics": [RATE[0], RATE[1], slow]}) or "")


def test_a_metric_beside_the_list_is_refused() -> None:
    refusal = find_refusal({"Metrics": RATE, "MetricName": "Errors", "Period": 60})
    assert "MetricName, Period cannot be given beside Metrics" in (refusal or "")
    assert find_refusal({"Metrics": RATE}) is None
    assert "anomaly detection" in (find_refusal({"ThresholdMetricId": "band"}) or "")


def test_what_a_template_does_not_know_yet_is_not_refused() -> None:
    named = stat("errors", "Errors")
    named["MetricStat"]["Metric"]["Dimensions"] = [{"Name": "a", "Value": {"Ref": "F"}}]
    faulty = {**RATE[0], "Expression": "errors + nothing"}
    assert "Unknown id" in (find_early_refusal({"Metrics": [faulty, named]}) or "")
    open_ = {**RATE[0], "Expression": {"Fn::Sub": "errors + ${Other}"}}
    assert find_early_refusal({"Metrics": [open_, named]}) is None
    assert find_early_refusal({"Metrics": {"Fn::If": ["C", [faulty], []]}}) is None


@pytest.mark.parametrize(
    ("period", "periods", "reason"),
    [
        (60, 1440, None),
        (60, 1441, "at most 86,400 seconds"),
        (3600, 168, None),
        (3600, 169, "at most 604,800 seconds"),
        (86_400, 8, "at most 604,800 seconds"),
        (10, 8640, None),
        ("60", "1000000", "at most 86,400 seconds"),
        (60, -1, "at least 1"),
        (7, 1, "Period must be"),
        (90, 1, "Period must be"),
        ({"Ref": "Period"}, 1, None),
    ],
)
def test_an_alarm_looks_at_a_week_at_most(period: Any, periods: Any, reason: str | None) -> None:
    filled = [{"Id": "e", "Expression": "FILL(errors, 0)"}, stat("errors", "Errors")]
    single = {"MetricName": "Errors", "Period": period, "EvaluationPeriods": periods}
    found = [find_early_refusal(single)]
    if not isinstance(period, dict):
        filled[1]["MetricStat"]["Period"] = period
        found.append(find_refusal({"Metrics": filled, "EvaluationPeriods": periods}))
    assert all(reason in (one or "") if reason else one is None for one in found), found


def test_an_alarm_kept_from_before_that_looks_too_far_is_not_evaluated() -> None:
    filled = [{"Id": "e", "Expression": "FILL(errors, 0)"}, stat("errors", "Errors")]
    alarm = make_alarm(filled, EvaluationPeriods=1_000_000)
    assert watch(alarm, "- -", "- -") == []
    assert read_rule(alarm) is None


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 2.0**361, "Infinity", "NaN"])
@pytest.mark.parametrize(
    ("datum", "place"),
    [
        (lambda value: {"Value": value}, "MetricData.member.1.Value"),
        (lambda value: {"Values": [1.0, value]}, "MetricData.member.1.Values.member.2"),
        (
            lambda value: {"StatisticValues": {"Sum": value}},
            "MetricData.member.1.StatisticValues.Sum",
        ),
    ],
)
def test_values_that_are_no_numbers_are_not_stored(datum: Any, place: str, value: Any) -> None:
    request = {"Namespace": "shop", "MetricData": [{"MetricName": "a", **datum(value)}]}
    assert find_unfit(request) == f"The value {value} for parameter {place} is invalid."
    assert find_unfit({**request, "MetricData": [{"MetricName": "a", **datum(-5.5)}]}) is None


def test_a_value_without_end_that_was_kept_can_be_read() -> None:
    measure = Measure()
    measure.add(math.inf)
    measure.add(1.0)
    assert (measure.count, measure.low) == (2, 1.0)


def test_alarms_are_described_wholly_by_the_query_protocol() -> None:
    alarm = {**make_alarm(RATE), "StateUpdatedTimestamp": 0, "MetricName": None}

    def describe(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        assert data == {"AlarmNames": ["rate"]}
        return 200, {}, json.dumps({"MetricAlarms": [alarm], "CompositeAlarms": []}).encode()

    _, _, body = describe_by_query(describe)({"AlarmNames.member.1": ["rate"]}, {}, False)
    text = body.decode()
    assert "<Metrics><member><Id>rate</Id><Expression>100 * errors / calls</Expression>" in text
    assert "<ReturnData>true</ReturnData>" in text
    assert "<StateUpdatedTimestamp>1970-01-01T00:00:00Z</StateUpdatedTimestamp>" in text
    assert "MetricName>None" not in text


# --- GetMetricData ----------------------------------------------------------------


def make_answers() -> MetricAnswers:
    store = MetricStore()
    for name, values in (("Errors", (1.0, 2.0)), ("Invocations", (10.0, 0.0))):
        for minute, value in enumerate(values):
            made = Measure()
            made.add(value)
            store.add(Metric("AWS/Lambda", name), "Count", START + 60 * minute, made)
    return MetricAnswers(MetricReader(store, HOME, lambda scope: {}))


def ask(*queries: dict[str, Any], **options: Any) -> Any:
    request = {"StartTime": START, "EndTime": START + 120, "ScanBy": "TimestampAscending"}
    data = make_answers().get_data(HOME, {**request, **options, "MetricDataQueries": queries})
    return data["MetricDataResults"]


def test_data_of_expressions_is_answered() -> None:
    (found,) = ask(*RATE)
    assert (found["Id"], found["Label"], found["StatusCode"]) == ("rate", "rate", "Complete")
    assert (found["Timestamps"], found["Values"]) == ([START], [10.0])
    filled = {"Id": "e", "Expression": "FILL(rate, -1)", "Label": "share"}
    (_, found) = ask(*RATE, filled, ScanBy="TimestampDescending")
    assert (found["Label"], found["Values"]) == ("share", [-1.0, 10.0])


def test_several_time_series_are_several_results_of_one_id() -> None:
    every = {"Id": "all", "Expression": "METRICS() * 2", "Label": "twice"}
    found = ask(every, stat("errors", "Errors"), stat("calls", "Invocations", Label="n"))
    assert [(one["Id"], one["Label"]) for one in found] == [
        ("all", "twice Errors"),
        ("all", "twice n"),
    ]
    assert [one["Values"] for one in found] == [[2.0, 4.0], [20.0, 0.0]]


@pytest.mark.parametrize(
    ("expression", "reason"),
    [("SUM(errors)", "a single number"), ("SEARCH('a', 'Sum')", "no search"), ("e2", "Unknown id")],
)
def test_data_that_cannot_be_computed_is_refused(expression: str, reason: str) -> None:
    with pytest.raises(Refused, match=f"Error in expression 'e1': .*{reason}"):
        ask({"Id": "e1", "Expression": expression}, stat("errors", "Errors"))


def test_an_expression_minds_only_the_metrics_that_it_reaches() -> None:
    slow = stat("calls", "Invocations", ReturnData=True)
    slow["MetricStat"]["Period"] = 300
    inner = {"Id": "e1", "Expression": "errors * 2", "ReturnData": False}
    found = ask({"Id": "e2", "Expression": "e1 + 1"}, inner, stat("errors", "Errors"), slow)
    assert [(one["Id"], one["Values"]) for one in found] == [("e2", [3.0, 5.0]), ("calls", [10.0])]
    for mixed in ("errors + calls", "SUM(METRICS())", "e1 + SUM(METRICS('call'))"):
        with pytest.raises(Refused, match="of one period only, but they have 300, 60"):
            ask({"Id": "e3", "Expression": mixed}, inner, stat("errors", "Errors"), slow)


@pytest.mark.parametrize("expression", ["TIME_SERIES(1)", "FILL(errors, 0)", "DATE(errors)"])
def test_a_grid_is_bounded(expression: str) -> None:
    queries = ({"Id": "e", "Expression": expression}, stat("errors", "Errors"))
    assert ask(*queries, EndTime=START + 60 * 100_800)
    with pytest.raises(Refused, match="100,801 periods of 60 s"):
        ask(*queries, EndTime=START + 60 * 100_801)


def test_what_a_request_computes_is_bounded() -> None:
    long = {"EndTime": START + 60 * 100_000}
    wide = {"Id": "e", "Expression": f"SUM([{','.join(['TIME_SERIES(1)'] * 20)}])"}
    with pytest.raises(Refused, match="at most 500,000 values"):
        ask(wide, stat("errors", "Errors"), **long)
    short = "IF(SUM(TIME_SERIES(1)) > 0, errors)"
    several = [{"Id": f"e{n}", "Expression": short} for n in range(9)]
    assert len(ask(*several[:2], stat("errors", "Errors"), **long)) == 2
    with pytest.raises(Refused, match="at most 500,000 values"):
        ask(*several, stat("errors", "Errors"), **long)
    with pytest.raises(Refused, match="greater than 500"):
        ask(*[stat(f"m{n}", "Errors", ReturnData=True) for n in range(501)])


def test_values_are_counted_before_they_are_computed() -> None:
    series = TimeSeries({0: 1.0, 60: 2.0})
    for values, width, spent in (
        ([1.0, "REPEAT"], 0, 1),
        ([series], 0, 3),
        ([[series] * 10, 0.0], 20, 10 * (2 + 1 + 20)),
        ([[series] * 10, series], 0, 10 * (2 + 1 + 2)),
    ):
        Budget(spent).spend(values, width)
        with pytest.raises(ExpressionFault):
            Budget(spent - 1).spend(values, width)


def test_lists_of_lists_do_not_grow_without_end() -> None:
    queries = [stat("errors", "Errors")]
    queries.append({"Id": "e1", "Expression": f"[{','.join(['errors'] * 100)}]"})
    queries += [
        {"Id": f"e{n}", "Expression": f"[{','.join([f'e{n - 1}'] * 100)}]"} for n in range(2, 9)
    ]
    with pytest.raises(Refused, match="at most 500 time series"):
        ask({**queries[-1], "Id": "all"}, *[{**q, "ReturnData": False} for q in queries])


@pytest.mark.parametrize("end", [math.inf, math.nan])
def test_a_time_that_is_no_number_is_refused(end: float) -> None:
    with pytest.raises(Refused, match="must be less than"):
        ask(stat("errors", "Errors", ReturnData=True), EndTime=end)
