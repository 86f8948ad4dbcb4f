"""What an alarm tells topics and functions when its state changes."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fairway.cloud.control.metrics.alarms import format_time

Alarm = Mapping[str, Any]
PRINCIPAL = "lambda.alarms.cloudwatch.amazonaws.com"
"""Who must be permitted to invoke a function; page "Invoke a Lambda function from an alarm"."""

_ACTIONS = {
    "ALARM": "AlarmActions",
    "OK": "OKActions",
    "INSUFFICIENT_DATA": "InsufficientDataActions",
}
_SUBJECT = 100  # characters; "Publish" of the SNS API reference


@dataclass(frozen=True, slots=True)
class Change:
    """A change of an alarm's state. before: old value, reason, reason data and time."""

    alarm: Alarm
    old: str
    new: str
    reason: str
    at: float
    before: Mapping[str, Any]


class AlarmActions:
    """Carries out an alarm's actions. invoke: queues an event for a function by its ARN.

    permits: whether a function's policy lets a service invoke it for a source.
    """

    def __init__(
        self,
        publish: Callable[[str, str, str], Awaitable[None]],
        invoke: Callable[[str, bytes], None],
        permits: Callable[[str, str, str], bool],
    ) -> None:
        self._publish = publish
        self._invoke = invoke
        self._permits = permits

    async def run(self, change: Change) -> list[tuple[str, str | None]]:
        """Run the actions for the new state; each with why it failed, or None."""
        if not change.alarm.get("ActionsEnabled", True):
            return []
        actions = change.alarm.get(_ACTIONS[change.new]) or []
        return [(str(action), await self._run(str(action), change)) for action in actions]

    async def _run(self, action: str, change: Change) -> str | None:
        service = (action.split(":") + [""] * 3)[2]
        arn = str(change.alarm["AlarmArn"])
        try:
            if service == "sns":
                await self._publish(action, make_subject(change), make_message(change))
            elif service == "lambda":
                if not self._permits(action, PRINCIPAL, arn):
                    return f"{PRINCIPAL} may not invoke the function"
                self._invoke(action, make_event(change).encode())
            else:
                return "the local cloud runs actions of topics and functions only"
        except Exception as error:  # one action's failure must not keep back the others
            return str(error) or repr(error)
        return None


def make_subject(change: Change) -> str:
    """The subject of the message to a topic."""
    region = str(change.alarm["AlarmArn"]).split(":")[3]
    return f'{change.new}: "{change.alarm["AlarmName"]}" in {region}'[:_SUBJECT]


def make_message(change: Change) -> str:
    """The message to a topic. Page "Notifying users on alarm changes"."""
    alarm = change.alarm
    _, _, _, region, account, *_ = str(alarm["AlarmArn"]).split(":")
    message: dict[str, Any] = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription") or None,
        "AWSAccountId": account,
        "AlarmConfigurationUpdatedTimestamp": format_time(
            alarm.get("AlarmConfigurationUpdatedTimestamp") or change.at
        ),
        "NewStateValue": change.new,
        "NewStateReason": change.reason,
        "StateChangeTime": format_time(change.at),
        "Region": region,
        "AlarmArn": alarm["AlarmArn"],
        "OldStateValue": change.old,
        "OKActions": alarm.get("OKActions") or [],
        "AlarmActions": alarm.get("AlarmActions") or [],
        "InsufficientDataActions": alarm.get("InsufficientDataActions") or [],
    }
    if alarm.get("AlarmRule"):
        message["AlarmRule"] = alarm["AlarmRule"]
    else:
        message["Trigger"] = _describe_trigger(alarm)
    return json.dumps(message, ensure_ascii=False)


def _describe_trigger(alarm: Alarm) -> dict[str, Any]:
    trigger = {"Metrics": _list_queries(alarm)} if alarm.get("Metrics") else _describe_own(alarm)
    trigger |= {
        "EvaluationPeriods": alarm.get("EvaluationPeriods"),
        "ComparisonOperator": alarm.get("ComparisonOperator"),
        "Threshold": alarm.get("Threshold"),
        "TreatMissingData": alarm.get("TreatMissingData") or "missing",
        "EvaluateLowSampleCountPercentile": alarm.get("EvaluateLowSampleCountPercentile") or "",
    }
    if alarm.get("DatapointsToAlarm"):
        trigger["DatapointsToAlarm"] = alarm["DatapointsToAlarm"]
    return trigger


def _list_queries(alarm: Alarm) -> list[dict[str, Any]]:
    """An alarm's metrics and expressions, with dimensions as in all messages."""
    found = []
    for query in alarm["Metrics"]:
        told = dict(query)
        if told.get("MetricStat"):
            metric = told["MetricStat"]["Metric"]
            own = {**metric, "Dimensions": _list_dimensions(metric)}
            told["MetricStat"] = {**told["MetricStat"], "Metric": own}
        found.append(told)
    return found


def _list_dimensions(metric: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"value": d["Value"], "name": d["Name"]} for d in metric.get("Dimensions") or ()]


def _describe_own(alarm: Alarm) -> dict[str, Any]:
    trigger: dict[str, Any] = {
        "MetricName": alarm.get("MetricName"),
        "Namespace": alarm.get("Namespace"),
    }
    if extended := alarm.get("ExtendedStatistic"):
        trigger |= {"StatisticType": "ExtendedStatistic", "ExtendedStatistic": extended}
    else:
        name = str(alarm.get("Statistic") or "Average")
        upper = "SAMPLE_COUNT" if name == "SampleCount" else name.upper()
        trigger |= {"StatisticType": "Statistic", "Statistic": upper}
    return trigger | {
        "Unit": alarm.get("Unit"),
        "Dimensions": _list_dimensions(alarm),
        "Period": alarm.get("Period"),
    }


def make_event(change: Change) -> str:
    """The event for a function. Page "Invoke a Lambda function from an alarm"."""
    alarm = change.alarm
    _, _, _, region, account, *_ = str(alarm["AlarmArn"]).split(":")
    state = {"value": change.new, "reason": change.reason, "timestamp": format_time(change.at)}
    if alarm.get("StateReasonData"):
        state["reasonData"] = alarm["StateReasonData"]
    configuration: dict[str, Any] = {"description": alarm.get("AlarmDescription") or ""}
    if alarm.get("AlarmRule"):
        configuration["alarmRule"] = alarm["AlarmRule"]
    else:
        configuration["metrics"] = [_describe_metric(query) for query in _name_queries(alarm)]
    event = {
        "source": "aws.cloudwatch",
        "alarmArn": alarm["AlarmArn"],
        "accountId": account,
        "time": format_time(change.at),
        "region": region,
        "alarmData": {
            "alarmName": alarm["AlarmName"],
            "state": state,
            "previousState": dict(change.before),
            "configuration": configuration,
        },
    }
    return json.dumps(event, ensure_ascii=False)


def _name_queries(alarm: Alarm) -> list[Mapping[str, Any]]:
    """An alarm's metrics and expressions; one metric is a list too."""
    if alarm.get("Metrics"):
        return list(alarm["Metrics"])
    metric = {name: alarm.get(name) for name in ("Namespace", "MetricName", "Dimensions")}
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    asked = {"Metric": metric, "Period": alarm.get("Period"), "Stat": statistic}
    return [{"Id": "m1", "MetricStat": asked, "ReturnData": True}]


def _describe_metric(query: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"id": query["Id"]}
    if query.get("Expression"):
        found["expression"] = query["Expression"]
    if query.get("Label"):
        found["label"] = query["Label"]
    if asked := query.get("MetricStat"):
        metric = asked["Metric"]
        found["metricStat"] = {
            "metric": {
                "namespace": metric.get("Namespace"),
                "name": metric.get("MetricName"),
                "dimensions": {d["Name"]: d["Value"] for d in metric.get("Dimensions") or ()},
            },
            "period": asked.get("Period"),
            "stat": asked.get("Stat"),
        }
    return {**found, "returnData": query["ReturnData"]}


async def publish_to_topic(arn: str, subject: str, message: str) -> None:
    """Publish through ministack's SNS. Raises ValueError when it refuses."""
    from ministack.core import responses
    from ministack.services import sns

    _, _, _, region, account, _ = arn.split(":", 5)
    responses.set_request_account_id(account)  # of this task alone
    responses.set_request_region(region)
    form = {"Action": "Publish", "TopicArn": arn, "Subject": subject, "Message": message}
    headers = {"content-type": "application/x-www-form-urlencoded", "host": "127.0.0.1"}
    status, _, answer = await sns.handle_request("POST", "/", headers, urlencode(form).encode(), {})
    if status >= 400:
        raise ValueError(answer.decode("utf-8", "replace"))
