"""Alarms and data of expressions over metrics."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import REGION, Cloud
from tests.parity.metrics import wait_judged
from tests.parity.templates import template
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

MATH = "Using metric math"
ALARMS = "Creating a CloudWatch alarm based on a metric math expression"


class Shop:
    """A namespace with orders and failures of the last minutes."""

    def __init__(self, cloud: Cloud) -> None:
        self.watch = cloud.client("cloudwatch")
        self.space = f"shop-{uuid.uuid4().hex[:8]}"
        self.minute = time.time() // 60 * 60
        # Far enough back that all of these minutes are over when an alarm looks at them.
        for ago, orders, failures in ((180, 10.0, 1.0), (120, 20.0, 10.0), (240, 0.0, 4.0)):
            self.put(ago, "orders", orders)
            self.put(ago, "failures", failures)

    def put(self, ago: int, name: str, value: float) -> None:
        point = {"MetricName": name, "Value": value, "Timestamp": self.minute - ago}
        self.watch.put_metric_data(Namespace=self.space, MetricData=[point])

    def stat(self, name: str, **options: Any) -> dict[str, Any]:
        metric = {"Namespace": self.space, "MetricName": name}
        asked = {"Metric": metric, "Period": 60, "Stat": "Sum"}
        return {"Id": name, "MetricStat": asked, "ReturnData": False, **options}

    def rate(self, expression: str = "100 * failures / orders") -> list[dict[str, Any]]:
        watched = {"Id": "rate", "Expression": expression, "ReturnData": True}
        return [watched, self.stat("orders"), self.stat("failures")]

    def alarm(self, queries: list[dict[str, Any]], threshold: float) -> dict[str, Any]:
        return {
            "Metrics": queries,
            "EvaluationPeriods": 1,
            "Threshold": threshold,
            "ComparisonOperator": "GreaterThanThreshold",
        }

    def data(self, *queries: dict[str, Any]) -> Any:
        answer = self.watch.get_metric_data(
            MetricDataQueries=list(queries),
            StartTime=self.minute - 240,
            EndTime=self.minute,
            ScanBy="TimestampAscending",
        )
        return answer["MetricDataResults"]


@pytest.fixture
def shop(cloud: Cloud) -> Shop:
    return Shop(cloud)


@holds("CloudWatch", ALARMS, "A template's alarm watches the result of an expression over metrics")
def test_a_declared_alarm_watches_an_expression(cloud: Cloud, shop: Shop, stack: str) -> None:
    alarm = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": shop.alarm(shop.rate(), 40),
    }
    assert cloud.deploy(stack, template({"Rate": alarm})) == "CREATE_COMPLETE"
    found = wait_judged(shop.watch, cloud.resource(stack, "Rate"))
    assert found["StateValue"] == "ALARM"
    assert "[50.0 (" in found["StateReason"]
    assert [query["Id"] for query in found["Metrics"]] == ["rate", "orders", "failures"]
    assert found["Metrics"][1]["MetricStat"]["Metric"]["MetricName"] == "orders"
    assert "MetricName" not in found
    alarm["Properties"] = shop.alarm(shop.rate(), 60)
    assert cloud.deploy(stack, template({"Rate": alarm})) == "UPDATE_COMPLETE"
    name = cloud.resource(stack, "Rate")
    wait_for(
        lambda: shop.watch.describe_alarms(AlarmNames=[name], StateValue="OK")["MetricAlarms"],
        "the new threshold was not looked at",
    )


@holds("CloudWatch", ALARMS, "PutMetricAlarm takes metrics and expressions, and tells its topic")
def test_an_alarm_on_an_expression_tells_its_topic(cloud: Cloud, shop: Shop) -> None:
    word = uuid.uuid4().hex[:8]
    topic = cloud.client("sns").create_topic(Name=word)["TopicArn"]
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName=word)["QueueUrl"]
    arn = f"arn:aws:sqs:eu-west-1:{cloud.info.account}:{word}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    shop.watch.put_metric_alarm(
        AlarmName=word, AlarmActions=[topic], **shop.alarm(shop.rate("IF(orders > 15, 1, 0)"), 0)
    )
    assert wait_judged(shop.watch, word)["StateValue"] == "ALARM"
    got = wait_for(lambda: sqs.receive_message(QueueUrl=url).get("Messages"), "nobody was told")
    trigger = json.loads(json.loads(got[0]["Body"])["Message"])["Trigger"]
    assert trigger["Metrics"][0]["Expression"] == "IF(orders > 15, 1, 0)"


@holds("CloudWatch", MATH, "A division by zero has no datapoint, which FILL replaces")
def test_data_of_an_expression(shop: Shop) -> None:
    filled = {"Id": "all", "Expression": "FILL(rate, 0)", "Label": "share"}
    rate, share = shop.data(*shop.rate(), filled)
    assert rate["Values"] == [10.0, 50.0]
    assert (share["Label"], share["Values"]) == ("share", [0.0, 10.0, 50.0, 0.0])


@holds(
    "CloudWatch",
    MATH,
    "SUM, AVG, MIN, MAX and IF work over one series, over several, and over METRICS()",
)
@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("SUM([orders, failures])", [4.0, 11.0, 30.0]),
        ("AVG(METRICS())", [2.0, 5.5, 15.0]),
        ("MAX(METRICS('fail'))", [4.0, 1.0, 10.0]),
        ("orders - MIN(orders)", [0.0, 10.0, 20.0]),
        ("IF(failures >= 4 AND orders > 0, orders)", [20.0]),
    ],
)
def test_functions_of_expressions(shop: Shop, expression: str, values: list[float]) -> None:
    (found,) = shop.data(*shop.rate(expression))
    assert found["Values"] == values


REFUSED = [
    ("SEARCH('{shop} orders', 'Sum')", "no search expressions"),
    ("ANOMALY_DETECTION_BAND(orders)", "no anomaly detection"),
    ("SELECT MAX(orders) FROM shop", "Metrics Insights"),
]


@holds(
    "CloudWatch",
    MATH,
    "Search expressions, anomaly detection and Metrics Insights are refused",
    "refused",
)
@pytest.mark.parametrize(("expression", "reason"), REFUSED)
def test_what_is_not_evaluated_is_refused(
    cloud: Cloud, shop: Shop, stack: str, expression: str, reason: str
) -> None:
    properties = shop.alarm(shop.rate(expression), 1)
    with pytest.raises(ClientError, match=reason):
        shop.watch.put_metric_alarm(AlarmName=stack, **properties)
    with pytest.raises(ClientError, match=reason):
        shop.data(*shop.rate(expression))
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}
    table = {"Type": "AWS::SQS::Queue"}
    client = cloud.client("cloudformation")
    made = template({"Rate": alarm, "First": table})
    client.create_change_set(
        StackName=stack,
        ChangeSetName="c",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps(made),
    )
    found = client.describe_change_set(StackName=stack, ChangeSetName="c")
    if found["Status"] != "FAILED":
        client.execute_change_set(StackName=stack, ChangeSetName="c")
        assert cloud.wait(stack) == "ROLLBACK_COMPLETE"
    events = client.describe_stack_events(StackName=stack)["StackEvents"]
    assert any(reason in event.get("ResourceStatusReason", "") for event in events)
    assert not any(event["LogicalResourceId"] == "First" for event in events)


@holds("CloudWatch", ALARMS, "An expression that is no single time series is refused")
@pytest.mark.parametrize(
    ("expression", "reason"),
    [("SUM(orders)", "a single number"), ("METRICS()", "a list"), ("orders + x", "Unknown id")],
)
def test_an_alarm_watches_one_series(shop: Shop, expression: str, reason: str) -> None:
    with pytest.raises(ClientError, match=reason) as refused:
        shop.watch.put_metric_alarm(AlarmName=shop.space, **shop.alarm(shop.rate(expression), 1))
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert shop.watch.describe_alarms(AlarmNames=[shop.space])["MetricAlarms"] == []


@holds("CloudWatch", "PutMetricAlarm", "An alarm looks at a day at most, or a week of hours")
def test_an_alarm_that_looks_too_far_is_refused(shop: Shop) -> None:
    asked = shop.alarm(shop.rate("FILL(failures, 0)"), 0)
    for periods, seconds in ((1_000_000, 60), (169, 3600), (1, 7)):
        for query in asked["Metrics"][1:]:
            query["MetricStat"]["Period"] = seconds
        with pytest.raises(ClientError, match="ValidationError"):
            shop.watch.put_metric_alarm(AlarmName="long", **{**asked, "EvaluationPeriods": periods})


@holds("CloudWatch", "GetMetricData", "A request computes at most 100,800 periods")
def test_a_grid_without_end_is_refused(shop: Shop) -> None:
    with pytest.raises(ClientError, match="exceeds the limit of 100,800"):
        shop.watch.get_metric_data(
            MetricDataQueries=[{"Id": "e", "Expression": "TIME_SERIES(1)", "Period": 1}],
            StartTime=shop.minute - 2_000_000,
            EndTime=shop.minute,
        )


@holds("CloudWatch", "MetricDatum", "Values that are no numbers, or too large, are refused")
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 2.0**361])
def test_a_value_that_is_no_number_is_refused(shop: Shop, value: float) -> None:
    with pytest.raises(ClientError, match=r"MetricData\.member\.1\.Value is invalid"):
        shop.put(60, "orders", value)


@holds("CloudWatch", "DescribeAlarms", "The Query protocol tells an alarm's list of metrics too")
def test_the_query_protocol_describes_an_expression(cloud: Cloud, shop: Shop) -> None:
    name = f"a{uuid.uuid4().hex[:8]}"
    shop.watch.put_metric_alarm(AlarmName=name, **shop.alarm(shop.rate(), 40))
    body = f"Action=DescribeAlarms&Version=2010-08-01&AlarmNames.member.1={name}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", cloud.info.endpoint + "/", headers=headers, data=body)
    credentials = Credentials(cloud.info.access_key, cloud.info.secret_key)
    SigV4Auth(credentials, "monitoring", REGION).add_auth(request)
    answer = urllib3.request("POST", request.url, body=body, headers=dict(request.headers.items()))
    text = answer.data.decode()
    assert answer.status == 200, text
    assert "<Metrics><member><Id>rate</Id><Expression>100 * failures / orders</Expression>" in text
    assert "<MetricAlarms><member>" in text
    assert "<Namespace></Namespace>" not in text
