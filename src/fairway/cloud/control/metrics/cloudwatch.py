"""What is changed in ministack's CloudWatch, each with its reason (see `control.patches`)."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from fairway.cloud.control.metrics.alarms import find_excess, format_time
from fairway.cloud.control.metrics.answers import MetricAnswers, Refused
from fairway.cloud.control.metrics.notices import Change
from fairway.cloud.control.metrics.queries import ALONE, check_alarm, normalize_queries
from fairway.cloud.control.metrics.reading import Scope
from fairway.cloud.control.metrics.series import ExpressionFault
from fairway.cloud.control.metrics.watch import Announcer

_EVICTION = 60.0
_INDEX = re.compile(r"(.+?)\.member\.(\d+)(?:\.(.+))?")
_HIGHEST = 2.0**360
""""Values must be in the range of -2^360 to 2^360", and neither NaN nor infinite."""

_TIMES = ("StartTime", "EndTime")


def find_published(scope: Scope) -> Mapping[tuple[str, str, str], list[dict[str, Any]]]:
    """What PutMetricData stored in this account and region."""
    from ministack.services import cloudwatch

    return dict(cloudwatch._metrics.items_scoped(*scope))


def list_alarms() -> list[tuple[Scope, dict[str, Any]]]:
    """Every metric alarm with its account and region."""
    from ministack.services import cloudwatch

    found = list(cloudwatch._alarms._data.items())
    return [((key[0], key[1]), alarm) for key, alarm in found]


def find_history(scope: Scope) -> list[dict[str, Any]]:
    """The history of the alarms of this account and region, to be added to."""
    from ministack.services import cloudwatch

    items = cloudwatch._alarm_history.get_scoped(*scope, "entries")
    if items is None:
        items = []
    cloudwatch._alarm_history.set_scoped(*scope, "entries", items)  # so that it is kept
    found: list[dict[str, Any]] = items
    return found


def evaluate_composites(scope: Scope, alarm: Mapping[str, Any]) -> None:
    """Evaluate the composite alarms above one that changed."""
    from ministack.core import responses
    from ministack.services import cloudwatch

    responses.set_request_account_id(scope[0])
    responses.set_request_region(scope[1])
    cloudwatch._evaluate_parent_alarms(alarm)


def patch_reading(answers: MetricAnswers) -> None:
    """Reading answers over our own metrics too, with exact dimensions, pages and percentiles."""
    from ministack.services import cloudwatch

    for name, answer in (
        ("GetMetricStatistics", answers.get_statistics),
        ("GetMetricData", answers.get_data),
        ("ListMetrics", answers.list_metrics),
    ):
        snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        setattr(cloudwatch, f"_{snake}", _speak(name, answer))


def _speak(name: str, answer: Callable[[Scope, Mapping[str, Any]], dict[str, Any]]) -> Any:
    """An operation in the three protocols that ministack understands."""
    from ministack.core import responses
    from ministack.services import cloudwatch

    def handle(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        request = dict(data) if is_cbor or is_json else read_query(params)
        for key in _TIMES:
            if request.get(key) is not None:
                request[key] = cloudwatch._parse_ts(request[key])
        scope = (responses.get_account_id(), responses.get_region())
        try:
            found = answer(scope, request)
        except Refused as refused:
            return cloudwatch._error(
                refused.code, str(refused), 400, use_json=is_json, use_cbor=is_cbor
            )
        if is_cbor:
            return cloudwatch._cbor_ok(_mark_times(found, cloudwatch._cbor_timestamp))
        if is_json:
            return cloudwatch._json_ok(found)
        text = to_xml(_mark_times(found, cloudwatch._ts_iso))
        return cloudwatch._xml(200, f"{name}Response", f"<{name}Result>{text}</{name}Result>")

    return handle


def describe_by_query(describe: Callable[..., Any]) -> Callable[..., Any]:
    """DescribeAlarms with everything that it tells as JSON by the Query protocol too.

    ministack leaves out most of an alarm there, Metrics among it.
    """
    from ministack.services import cloudwatch

    def handle(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        if is_cbor or is_json:
            return describe(params, data, is_cbor, is_json)
        answer = describe(params, read_query(params), False, True)
        if answer[0] != 200:
            return describe(params, data, is_cbor, is_json)
        found = _drop_empty(_mark_times(json.loads(answer[2]), cloudwatch._ts_iso))
        name = "DescribeAlarms"
        return cloudwatch._xml(
            200, f"{name}Response", f"<{name}Result>{to_xml(found)}</{name}Result>"
        )

    return handle


def _drop_empty(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _drop_empty(v) for k, v in value.items() if v not in (None, "")}
    return [_drop_empty(item) for item in value] if isinstance(value, list) else value


def _mark_times(value: Any, mark: Callable[[Any], Any], is_time: bool = False) -> Any:
    if isinstance(value, dict):
        return {
            k: _mark_times(v, mark, k.endswith(("Timestamp", "Timestamps")))
            for k, v in value.items()
        }
    if isinstance(value, list):
        return [_mark_times(item, mark, is_time) for item in value]
    return mark(value) if is_time and isinstance(value, (int, float)) else value


def read_query(params: Mapping[str, Any]) -> dict[str, Any]:
    """A request of the Query protocol as a document."""
    flat = {k: v[0] if isinstance(v, list) else v for k, v in params.items()}
    return _nest(flat)


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    lists: dict[str, dict[int, Any]] = {}
    parts: dict[str, dict[str, Any]] = {}
    for key, value in flat.items():
        head, _, rest = key.partition(".")
        match = _INDEX.fullmatch(key)
        if match and match[1] == head:
            items = lists.setdefault(head, {})
            if match[3]:
                items.setdefault(int(match[2]), {})[match[3]] = value
            else:
                items[int(match[2])] = value
        elif rest:
            parts.setdefault(head, {})[rest] = value
        else:
            found[key] = value
    for head, items in lists.items():
        ordered = [items[number] for number in sorted(items)]
        found[head] = [_nest(item) if isinstance(item, dict) else item for item in ordered]
    return found | {head: _nest(part) for head, part in parts.items()}


def to_xml(value: Any) -> str:
    """A document as the Query protocol writes it."""
    if isinstance(value, dict):
        return "".join(f"<{k}>{_to_element(k, v)}</{k}>" for k, v in value.items())
    return escape(str(value).lower() if isinstance(value, bool) else str(value))


def _to_element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(f"<member>{to_xml(item)}</member>" for item in value)
    if name == "ExtendedStatistics":
        entries = (f"<key>{k}</key><value>{v}</value>" for k, v in value.items())
        return "".join(f"<entry>{entry}</entry>" for entry in entries)
    return to_xml(value)


def patch_writing(clock: Callable[[], float] = time.monotonic) -> None:
    """Eviction once a minute instead of at every request; AWS's namespaces are AWS's.

    ministack walks all points at each request, and lets anybody write into "AWS/".
    """
    from ministack.services import cloudwatch

    evict, put = cloudwatch._evict_old_metrics, cloudwatch._put_metric_data
    done = 0.0

    def evict_sometimes() -> None:
        nonlocal done
        if clock() - done > _EVICTION:
            done = clock()
            evict()

    def put_metric_data(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        request = data if is_cbor or is_json else read_query(params)
        text = find_unfit(request)
        if text:
            return cloudwatch._error(
                "InvalidParameterValue", text, 400, use_json=is_json, use_cbor=is_cbor
            )
        return put(params, data, is_cbor, is_json)

    cloudwatch._evict_old_metrics = evict_sometimes
    cloudwatch._put_metric_data = put_metric_data
    # Ours are counted where functions run, whoever invokes them.
    from ministack.services import lambda_svc

    lambda_svc._emit_lambda_metrics = lambda *args, **kwargs: None


def find_unfit(request: Mapping[str, Any]) -> str | None:
    """What PutMetricData cannot store; or None. Page "MetricDatum": values and their range."""
    space = str(request.get("Namespace") or "")
    if space.startswith("AWS/"):
        return f"The value {space} for parameter Namespace is invalid."
    for number, datum in enumerate(request.get("MetricData") or (), 1):
        place = f"MetricData.member.{number}"
        values = {f"{place}.Value": datum.get("Value")}
        for name in ("Values", "Counts"):
            items = enumerate(datum.get(name) or (), 1)
            values |= {f"{place}.{name}.member.{n}": value for n, value in items}
        statistics = datum.get("StatisticValues") or {}
        values |= {f"{place}.StatisticValues.{name}": v for name, v in statistics.items()}
        for name, value in values.items():
            if value not in (None, "") and not _is_storable(value):
                return f"The value {value} for parameter {name} is invalid."
    return None


def _is_storable(value: Any) -> bool:
    try:
        return abs(float(value)) <= _HIGHEST  # false for NaN
    except (ValueError, TypeError, OverflowError):
        return False


def patch_alarms(announcer: Announcer) -> None:
    """Alarms are evaluated by our watch, and their actions run by ours.

    ministack evaluates one window over all dimensions when somebody writes a metric,
    knows no missing data and no datapoints to alarm, and tells topics only.
    """
    from ministack.core import responses
    from ministack.services import cloudwatch

    def dispatch(alarm: dict[str, Any], old: str, new: str, reason: str) -> None:
        scope = (responses.get_account_id(), responses.get_region())
        now = time.time()
        before = {"value": old, "reason": "", "timestamp": format_time(now)}
        announcer.announce(scope, Change(alarm, old, new, reason, now, before))

    original = cloudwatch._put_metric_alarm

    def put_metric_alarm(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        request = data if is_cbor or is_json else read_query(params)
        reason = find_refusal(request, responses.get_account_id())
        if reason:
            return cloudwatch._error(
                "ValidationError", reason, 400, use_json=is_json, use_cbor=is_cbor
            )
        answer = original(params, data, is_cbor, is_json)
        if answer[0] == 200 and request.get("Metrics"):
            name = str(request["AlarmName"])
            cloudwatch._alarms[name] = describe_math(cloudwatch._alarms[name], request)
        return answer

    cloudwatch._put_metric_alarm = put_metric_alarm
    cloudwatch._describe_alarms = describe_by_query(cloudwatch._describe_alarms)
    cloudwatch._evaluate_alarm = lambda alarm: None
    cloudwatch._evaluate_all_alarms = lambda: None
    cloudwatch._dispatch_alarm_actions = dispatch


def find_refusal(alarm: Mapping[str, Any], account: str = "") -> str | None:
    """Why an alarm cannot be made, as far as its metrics and expressions say; or None."""
    if alarm.get("ThresholdMetricId"):
        return (
            "The local cloud does not evaluate anomaly detection: an alarm needs a Threshold, and "
            "no ThresholdMetricId."
        )
    try:
        if alarm.get("Metrics"):
            check_alarm(alarm, account)
    except ExpressionFault as fault:
        return f"Invalid metrics list: {fault}"
    try:
        return find_excess(alarm)
    except (ExpressionFault, ValueError, TypeError, OverflowError):
        return None  # not known yet, as in a template; or refused for what it is


def find_early_refusal(properties: Mapping[str, Any]) -> str | None:
    """The same of a template's alarm, whose values may not be known yet."""
    return None if _has_functions(properties.get("Metrics")) else find_refusal(properties)


def _has_functions(value: Any) -> bool:
    """Whether a template's function stands anywhere but in dimensions, which decide nothing."""
    if isinstance(value, Mapping):
        return any(
            key == "Ref" or key.startswith("Fn::") or (key != "Dimensions" and _has_functions(own))
            for key, own in value.items()
        )
    return isinstance(value, list) and any(_has_functions(each) for each in value)


def describe_math(record: Mapping[str, Any], alarm: Mapping[str, Any]) -> dict[str, Any]:
    """A record that ministack made of an alarm, with its list of metrics instead of one metric."""
    kept = {k: v for k, v in record.items() if k not in ALONE}
    return {**kept, "Metrics": normalize_queries(alarm["Metrics"])}


def patch_declared_alarms() -> None:
    """A template's alarm may have Metrics. Call once the CloudFormation engine is imported."""
    from ministack.core.responses import get_account_id
    from ministack.services.cloudformation import provisioners

    original = provisioners._cw_metric_alarm_record

    def make_record(name: str, props: Mapping[str, Any]) -> dict[str, Any]:
        reason = find_refusal(props, get_account_id())
        if reason:
            raise ValueError(reason)
        if not props.get("Metrics"):
            return dict(original(name, props))
        named = {k: v for k, v in props.items() if k != "Metrics"}
        record = original(name, {**named, "MetricName": "-", "Namespace": "-"})
        return describe_math(record, props)

    provisioners._cw_metric_alarm_record = make_record


def make_starter(loop: asyncio.AbstractEventLoop) -> Callable[[Awaitable[None]], None]:
    """Begins tasks from any thread, and holds them until they end."""
    running: set[asyncio.Task[None]] = set()

    def begin(work: Any) -> None:
        task = loop.create_task(work)
        running.add(task)
        task.add_done_callback(running.discard)

    def start(work: Awaitable[None]) -> None:
        loop.call_soon_threadsafe(begin, work)

    return start
