"""Metrics, alarms and access logs. Titles in quotation marks are pages of AWS's documentation."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.metrics import find_alarm, read_metric
from tests.parity.templates import allow, balanced, function, role
from tests.parity.test_durability import open_cloud
from tests.waiting import PATIENCE, wait_for

from fairway.cloud.launch import stop_cloud

pytestmark = pytest.mark.slow

ALARM_PATIENCE = 2 * PATIENCE
"""Seconds; alarms look at complete minutes, so two pass before one tells."""

# What it answers, or how it fails, is the query's to say.
SOURCE = """
def handler(event, context):
    asked = (event.get("queryStringParameters") or {}).get("do", "")
    if asked == "fail":
        raise ValueError("asked to")
    status = int(asked or 200)
    return {"statusCode": status, "headers": {"Content-Type": "text/plain"}, "body": "hello"}
"""


# Passes on whatever invokes it: a topic's record, or an alarm's own event.
HEARER = """
import boto3, json, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""


def fetch(url: str) -> int:
    """The status of a request."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def make_template(key: str, hearer: str) -> dict[str, Any]:
    """A load balancer and an HTTP API before one function; alarms on both kinds of failure."""
    document = balanced(BUCKET, key)
    resources = document["Resources"]
    resources["Api"] = function(BUCKET, key)
    del resources["Entries"], resources["Role"]["Properties"]["Policies"]
    del document["Outputs"]["Table"]
    for name in ("Topic", "Told"):
        resources[name] = {"Type": "AWS::SNS::Topic" if name == "Topic" else "AWS::SQS::Queue"}
    resources["ToldPolicy"] = {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": "Told"}],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": "sns.amazonaws.com"},
                        "Action": "sqs:SendMessage",
                        "Resource": {"Fn::GetAtt": ["Told", "Arn"]},
                    }
                ],
            },
        },
    }
    resources["Subscription"] = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {
            "TopicArn": {"Ref": "Topic"},
            "Protocol": "sqs",
            "Endpoint": {"Fn::GetAtt": ["Told", "Arn"]},
        },
    }
    resources["Listener2"] = {
        "Type": "AWS::SNS::Subscription",
        "Properties": {
            "TopicArn": {"Ref": "Topic"},
            "Protocol": "lambda",
            "Endpoint": {"Fn::GetAtt": ["Hearer", "Arn"]},
        },
    }
    resources["Hearer"] = function(
        BUCKET,
        hearer,
        Environment={"Variables": {"QUEUE": {"Ref": "Heard"}}},
        Role={"Fn::GetAtt": ["HearerRole", "Arn"]},
    )
    resources["HearerRole"] = role(allow("sqs:SendMessage", on="Heard"))
    resources["Heard"] = {"Type": "AWS::SQS::Queue"}
    resources["LetTopic"] = let("sns.amazonaws.com")
    resources["LetAlarm"] = let("lambda.alarms.cloudwatch.amazonaws.com")
    resources["Failing"] = alarm(
        "AWS/ApplicationELB",
        "HTTPCode_ELB_5XX_Count",
        [{"Name": "LoadBalancer", "Value": {"Fn::GetAtt": ["Balancer", "LoadBalancerFullName"]}}],
        [{"Ref": "Topic"}],
    )
    resources["Erring"] = alarm(
        "AWS/Lambda",
        "Errors",
        [{"Name": "FunctionName", "Value": {"Ref": "Api"}}],
        [{"Fn::GetAtt": ["Hearer", "Arn"]}],
    )
    resources |= make_http_api()
    return document


def let(principal: str) -> dict[str, Any]:
    """Who may invoke the function that hears of alarms."""
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": "Hearer"},
            "Principal": principal,
        },
    }


def alarm(namespace: str, name: str, dimensions: list[Any], actions: list[Any]) -> dict[str, Any]:
    """An alarm on any of something within a minute."""
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": dimensions,
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": actions,
        },
    }


def make_http_api() -> dict[str, Any]:
    """An HTTP API with an access log, before the same function."""
    fields = ("requestId", "httpMethod", "path", "routeKey", "status", "integrationLatency")
    text = ",".join(f'"{name}":"$context.{name}"' for name in (*fields, "error.message"))
    uri = (
        "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Api.Arn}/invocations"
    )
    return {
        "Http": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {"Name": "logged", "ProtocolType": "HTTP"},
        },
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Http"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": {"Fn::Sub": uri},
                "PayloadFormatVersion": "2.0",
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Http"},
                "RouteKey": "GET /app",
                "Target": {"Fn::Sub": "integrations/${Integration}"},
            },
        },
        "AccessLog": {"Type": "AWS::Logs::LogGroup"},
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {
                "ApiId": {"Ref": "Http"},
                "StageName": "$default",
                "AutoDeploy": True,
                "DefaultRouteSettings": {"DetailedMetricsEnabled": True},
                "AccessLogSettings": {
                    "DestinationArn": {"Fn::GetAtt": ["AccessLog", "Arn"]},
                    "Format": f"{{{text}}}",
                },
            },
        },
        "LetHttp": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Ref": "Api"},
                "Principal": "apigateway.amazonaws.com",
            },
        },
    }


class Site:
    """A deployed load balancer, and what is asked of CloudWatch about it."""

    def __init__(self, cloud: Cloud, stack: str) -> None:
        self.cloud = cloud
        self.stack = stack
        self.watch = cloud.client("cloudwatch")
        self.url = cloud.outputs(stack)["Url"]
        listener = cloud.resource(stack, "Listener")
        self.balancer = listener.partition(":listener/")[2].rpartition("/")[0]
        self.group = cloud.resource(stack, "Targets").rpartition(":")[2]
        self.function = cloud.resource(stack, "Api")

    def read(
        self, namespace: str, name: str, statistic: str = "Sum", **dimensions: str
    ) -> float | None:
        return read_metric(self.watch, namespace, name, statistic, **dimensions)

    def balanced(self, name: str, statistic: str = "Sum", *, group: bool = False) -> float | None:
        dimensions = {"LoadBalancer": self.balancer}
        if group:
            dimensions["TargetGroup"] = self.group
        return self.read("AWS/ApplicationELB", name, statistic, **dimensions)

    def ran(self, name: str, statistic: str = "Sum") -> float | None:
        return self.read("AWS/Lambda", name, statistic, FunctionName=self.function)


@pytest.fixture(scope="module")
def site(cloud: Cloud) -> Iterator[Site]:
    stack = f"m{uuid.uuid4().hex[:10]}"
    document = make_template(cloud.upload(SOURCE), cloud.upload(HEARER))
    document["Outputs"]["Http"] = {"Value": {"Fn::GetAtt": ["Http", "ApiEndpoint"]}}
    assert cloud.deploy(stack, document) == "CREATE_COMPLETE", cloud.failures(stack)
    made = Site(cloud, stack)
    for asked in ["", "", "", "201", "404", "fail"]:
        fetch(f"{made.url}/app" + (f"?do={asked}" if asked else ""))
    assert fetch(f"{made.url}/elsewhere") == 404
    yield made
    cloud.delete(stack)


@holds(
    "CloudWatch",
    "CloudWatch metrics for your Application Load Balancer",
    "Requests, statuses of targets and of the load balancer itself, times and bytes are counted",
    "partial",
    "connections, consumed units, healthy hosts and zones are not measured",
)
def test_a_load_balancer_s_requests_are_counted_by_status(site: Site) -> None:
    counted = {
        name: site.balanced(name)
        for name in (
            "RequestCount",
            "HTTPCode_Target_2XX_Count",
            "HTTPCode_Target_4XX_Count",
            "HTTPCode_ELB_5XX_Count",
            "HTTPCode_ELB_502_Count",
            "HTTP_Fixed_Response_Count",
        )
    }
    assert counted == {
        "RequestCount": 6,
        "HTTPCode_Target_2XX_Count": 4,
        "HTTPCode_Target_4XX_Count": 1,
        "HTTPCode_ELB_5XX_Count": 1,
        "HTTPCode_ELB_502_Count": 1,
        "HTTP_Fixed_Response_Count": 1,
    }
    assert site.balanced("RequestCount", group=True) == 6
    assert site.balanced("LambdaUserError", group=True) == 1
    assert 0 < (site.balanced("TargetResponseTime", "p95") or 0) < 30
    assert (site.balanced("ProcessedBytes") or 0) > 6 * len("hello")


@holds(
    "CloudWatch",
    "Types of metrics for Lambda functions",
    "Invocations, errors, durations and concurrency are counted once, whoever invokes",
)
def test_a_function_s_invocations_are_counted_once(site: Site) -> None:
    client = site.cloud.client("lambda")
    before = site.ran("Invocations") or 0
    client.invoke(FunctionName=site.function, Payload="{}")
    assert site.ran("Invocations") == before + 1
    assert site.ran("Errors") == 1
    assert site.ran("Duration", "SampleCount") == before + 1
    assert (site.ran("ConcurrentExecutions", "Maximum") or 0) >= 1
    assert site.ran("Throttles") == 0


@holds(
    "CloudWatch",
    "Monitor CloudWatch metrics for HTTP APIs in API Gateway",
    "Requests, errors, latencies and bytes are counted by API, stage and, when detailed, route",
)
def test_an_http_api_s_requests_are_counted(site: Site) -> None:
    api = site.cloud.resource(site.stack, "Http")
    url = site.cloud.outputs(site.stack)["Http"]
    assert [fetch(f"{url}/app"), fetch(f"{url}/app?do=fail"), fetch(f"{url}/no")] == [200, 500, 404]
    stage = {"ApiId": api, "Stage": "$default"}
    route = {**stage, "Method": "GET", "Resource": "/app"}
    found = {
        name: [
            site.read("AWS/ApiGateway", name, "Sum", **d) for d in ({"ApiId": api}, stage, route)
        ]
        for name in ("Count", "4xx", "5xx")
    }
    assert found == {"Count": [3, 3, 2], "4xx": [1, 1, 0], "5xx": [1, 1, 1]}
    assert site.read("AWS/ApiGateway", "IntegrationLatency", "SampleCount", **stage) == 2
    slowest = site.read("AWS/ApiGateway", "Latency", "Maximum", **stage) or 0
    assert slowest >= (site.read("AWS/ApiGateway", "IntegrationLatency", "p99", **stage) or 0) > 0


@holds(
    "API Gateway",
    "Customize HTTP API access logs",
    "A line in the stage's format is written for each request, also without a route",
    "partial",
    "variables of authorizers, custom domains and certificates are empty",
)
def test_an_http_api_writes_its_access_log(site: Site) -> None:
    url = site.cloud.outputs(site.stack)["Http"]
    fetch(f"{url}/app?mark=1")
    fetch(f"{url}/%22nowhere")
    group = site.cloud.resource(site.stack, "AccessLog")

    def read() -> Any:
        events = site.cloud.client("logs").filter_log_events(logGroupName=group)["events"]
        lines = [json.loads(event["message"]) for event in events]
        return lines if any(line["path"] == "/%22nowhere" for line in lines) else None

    lines = wait_for(read, "no line of the access log arrived")
    answered = [line for line in lines if line["path"] == "/app"]
    missed = next(line for line in lines if line["path"] == "/%22nowhere")
    assert {line["routeKey"] for line in answered} == {"GET /app"}
    assert int(answered[-1]["integrationLatency"]) >= 0
    assert answered[-1]["status"] == "200"
    assert {name: missed[name] for name in ("status", "routeKey", "integrationLatency")} == {
        "status": "404",
        "routeKey": "-",
        "integrationLatency": "-",
    }
    assert missed["error.message"] == "Not Found"


# --- alarms --------------------------------------------------------------------


def receive(site: Site, queue: str, about: str) -> dict[str, Any]:
    """The message of a queue that is about an alarm, as it was sent."""
    url = site.cloud.resource(site.stack, queue)
    client = site.cloud.client("sqs")
    found: list[dict[str, Any]] = []

    def ask() -> Any:
        for message in client.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
            found.append(json.loads(message["Body"]))
        return [body for body in found if about in json.dumps(body)]

    answer: dict[str, Any] = wait_for(ask, f"nothing came about {about}", ALARM_PATIENCE)[0]
    return answer


@holds(
    "CloudWatch",
    "Notifying users on alarm changes",
    "An alarm on a load balancer's 5xx reaches a queue and a function through its topic",
    "partial",
    "the message names the region by its code; alarms are looked at as soon as a minute is over",
)
def test_a_load_balancer_s_failures_reach_queue_and_function(site: Site) -> None:
    name = site.cloud.resource(site.stack, "Failing")
    envelope = receive(site, "Told", name)
    message = json.loads(envelope["Message"])
    assert envelope["Subject"].startswith(f'ALARM: "{name}" in ')
    assert (message["OldStateValue"], message["NewStateValue"]) in {
        ("OK", "ALARM"),
        ("INSUFFICIENT_DATA", "ALARM"),
    }
    assert "(minimum 1 datapoint for" in message["NewStateReason"]
    assert message["Trigger"]["Dimensions"] == [{"name": "LoadBalancer", "value": site.balancer}]
    heard = receive(site, "Heard", f'\\"AlarmName\\": \\"{name}')
    assert heard["Records"][0]["EventSource"] == "aws:sns"


@holds(
    "CloudWatch",
    "Invoke a Lambda function from an alarm",
    "An alarm on a function's errors invokes the function that permits it",
)
def test_a_function_s_errors_invoke_the_function_of_the_alarm(site: Site) -> None:
    name = site.cloud.resource(site.stack, "Erring")
    event = receive(site, "Heard", f'"alarmName": "{name}"')
    assert event["source"] == "aws.cloudwatch"
    assert event["alarmData"]["state"]["value"] == "ALARM"
    metric = event["alarmData"]["configuration"]["metrics"][0]["metricStat"]
    assert metric["metric"]["dimensions"] == {"FunctionName": site.function}


@holds(
    "CloudWatch",
    "Using Amazon CloudWatch alarms",
    "An alarm shows its state with reason and time, and its history with the actions that ran",
)
def test_an_alarm_tells_its_state_and_history(site: Site) -> None:
    name = site.cloud.resource(site.stack, "Failing")
    topic = site.cloud.resource(site.stack, "Topic")

    def read_summaries() -> Any:
        items = site.watch.describe_alarm_history(AlarmName=name)["AlarmHistoryItems"]
        found = [item["HistorySummary"] for item in items]
        return found if f"Successfully executed action {topic}" in found else None

    summaries = wait_for(read_summaries, "the action did not run", ALARM_PATIENCE)
    found = find_alarm(site.watch, name)
    assert any(s.startswith("Alarm updated from") and s.endswith("ALARM") for s in summaries)
    assert found["StateReason"].startswith("Threshold Crossed:")
    assert json.loads(found["StateReasonData"])["period"] == 60
    assert time.time() - found["StateUpdatedTimestamp"].timestamp() < 600


@holds(
    "CloudWatch",
    "PutMetricData",
    "What applications publish is read with exact dimensions and percentiles; AWS's namespaces "
    "are refused",
)
def test_published_metrics_are_read_by_their_exact_dimensions(site: Site) -> None:
    space = f"own-{uuid.uuid4().hex}"
    own = {"MetricName": "size", "Values": [1.0, 2.0, 3.0], "Counts": [1.0, 2.0, 1.0]}
    other = {"MetricName": "size", "Value": 9.0, "Dimensions": [{"Name": "a", "Value": "b"}]}
    site.watch.put_metric_data(Namespace=space, MetricData=[own, other])
    now = time.time()
    found = site.watch.get_metric_statistics(
        Namespace=space,
        MetricName="size",
        StartTime=now - 300,
        EndTime=now + 60,
        Period=600,
        Statistics=["Sum", "SampleCount"],
        ExtendedStatistics=["p50"],
    )["Datapoints"]
    total = sum(point["Sum"] for point in found)
    assert (total, sum(point["SampleCount"] for point in found)) == (8.0, 4.0)
    assert abs(found[0]["ExtendedStatistics"]["p50"] - 2.0) < 0.05
    listed = site.watch.list_metrics(Namespace=space, Dimensions=[{"Name": "a"}])["Metrics"]
    assert [metric["Dimensions"] for metric in listed] == [[{"Name": "a", "Value": "b"}]]
    with pytest.raises(ClientError, match="Namespace"):
        site.watch.put_metric_data(Namespace="AWS/Lambda", MetricData=[own])


@holds(
    "CloudWatch",
    "Available CloudWatch metrics for Amazon SQS",
    "Messages sent, received and deleted, empty receives and what waits are counted",
    "partial",
    "what a topic delivers is not counted as sent",
)
def test_a_queue_s_messages_are_counted(site: Site) -> None:
    client = site.cloud.client("sqs")
    name = f"q{uuid.uuid4().hex}"
    hidden = {"VisibilityTimeout": "600"}
    url = client.create_queue(QueueName=name, Attributes=hidden)["QueueUrl"]
    client.send_message(QueueUrl=url, MessageBody="four")
    entries = [{"Id": str(n), "MessageBody": "x"} for n in range(2)]
    client.send_message_batch(QueueUrl=url, Entries=entries)
    found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    client.receive_message(QueueUrl=url)
    client.delete_message(QueueUrl=url, ReceiptHandle=found[0]["ReceiptHandle"])
    counted = {
        metric: site.read("AWS/SQS", metric, "Sum", QueueName=name)
        for metric in (
            "NumberOfMessagesSent",
            "NumberOfMessagesReceived",
            "NumberOfMessagesDeleted",
            "NumberOfEmptyReceives",
            "SentMessageSize",
        )
    }
    assert counted == {
        "NumberOfMessagesSent": 3,
        "NumberOfMessagesReceived": 3,
        "NumberOfMessagesDeleted": 1,
        "NumberOfEmptyReceives": 1,
        "SentMessageSize": 6,
    }
    waiting = "ApproximateNumberOfMessagesNotVisible"
    wait_for(
        lambda: site.read("AWS/SQS", waiting, "Maximum", QueueName=name) == 2,
        "what waits was not looked at",
        90,
    )


@holds(
    "CloudWatch",
    "DynamoDB Metrics and dimensions",
    "Latency, rows returned, failed conditions and errors of users are counted",
    "partial",
    "consumed capacity is not measured",
)
def test_a_table_s_requests_are_counted(site: Site) -> None:
    client = site.cloud.client("dynamodb")
    name = f"t{uuid.uuid4().hex}"
    key = {"AttributeName": "id"}
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{**key, "AttributeType": "S"}],
        KeySchema=[{**key, "KeyType": "HASH"}],
    )
    item = {"id": {"S": "a"}}
    client.put_item(TableName=name, Item=item)
    client.put_item(TableName=name, Item={"id": {"S": "b"}})
    assert client.scan(TableName=name)["Count"] == 2
    with pytest.raises(ClientError, match="conditional"):
        client.put_item(TableName=name, Item=item, ConditionExpression="attribute_not_exists(id)")
    with pytest.raises(ClientError):
        client.get_item(TableName=name, Key={"other": {"S": "a"}})
    table = {"TableName": name}
    put = {**table, "Operation": "PutItem"}
    scan = {**table, "Operation": "Scan"}
    assert site.read("AWS/DynamoDB", "SuccessfulRequestLatency", "SampleCount", **put) == 2
    assert site.read("AWS/DynamoDB", "ReturnedItemCount", "Sum", **scan) == 2
    assert site.read("AWS/DynamoDB", "ConditionalCheckFailedRequests", "Sum", **table) == 1
    assert (site.read("AWS/DynamoDB", "UserErrors") or 0) >= 1


# --- access logs of load balancers -------------------------------------------------


def log_to(bucket: str) -> list[dict[str, str]]:
    return [
        {"Key": "access_logs.s3.enabled", "Value": "true"},
        {"Key": "access_logs.s3.bucket", "Value": bucket},
        {"Key": "access_logs.s3.prefix", "Value": "edge"},
    ]


def permit_delivery(cloud: Cloud, bucket: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/edge/AWSLogs/{cloud.info.account}/*",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    cloud.client("s3").put_bucket_policy(Bucket=bucket, Policy=document)


@holds(
    "Elastic Load Balancing",
    "Enable access logs for your Application Load Balancer",
    "A bucket whose policy does not let load balancers write is refused; else a test file appears",
    "partial",
    "the older principals by account are not accepted",
)
def test_a_bucket_must_let_access_logs_in(site: Site) -> None:
    bucket = site.cloud.make_bucket(f"logs-{uuid.uuid4().hex}")
    client = site.cloud.client("elbv2")
    arn = site.cloud.resource(site.stack, "Balancer")
    with pytest.raises(ClientError, match=f"Access Denied for bucket: {bucket}"):
        client.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=log_to(bucket))
    permit_delivery(site.cloud, bucket)
    client.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=log_to(bucket))
    listed = site.cloud.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    folder = f"edge/AWSLogs/{site.cloud.info.account}"
    assert [found["Key"] for found in listed] == [f"{folder}/ELBAccessLogTestFile"]
    off = [{"Key": "access_logs.s3.enabled", "Value": "false"}]
    client.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=off)


@holds(
    "Elastic Load Balancing",
    "Access logs for your Application Load Balancer",
    "Requests become lines, in the page's order of fields, of a compressed file in the bucket",
    "partial",
    "files are written every five minutes and when the local cloud stops; ciphers and "
    "classifications are left empty",
)
def test_a_load_balancer_s_access_log_is_delivered_at_the_end(tmp_path: Path) -> None:
    directory = tmp_path / ".fairway"
    cloud = open_cloud(directory)
    try:
        cloud.make_bucket(BUCKET)
        bucket = cloud.make_bucket(f"logs-{uuid.uuid4().hex}")
        permit_delivery(cloud, bucket)
        document = balanced(BUCKET, cloud.upload(SOURCE))
        properties = document["Resources"]["Balancer"]["Properties"]
        properties["LoadBalancerAttributes"] += log_to(bucket)
        assert cloud.deploy("logged", document) == "CREATE_COMPLETE", cloud.failures("logged")
        url = cloud.outputs("logged")["Url"]
        assert [fetch(f"{url}/app?mark=own"), fetch(f"{url}/app?mark=own&do=fail")] == [200, 502]
        group = cloud.resource("logged", "Targets")
        stop_cloud(directory)
        cloud = open_cloud(directory)
        s3 = cloud.client("s3")
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        (key,) = [key for key in keys if key.endswith(".log.gz")]
        text = gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode()
    finally:
        stop_cloud(directory)
    account = cloud.info.account
    assert re.fullmatch(
        rf"edge/AWSLogs/{account}/elasticloadbalancing/eu-west-1/\d{{4}}/\d\d/\d\d/"
        rf"{account}_elasticloadbalancing_eu-west-1_app\.\S+_\d{{8}}T\d{{4}}Z_127\.0\.0\.1_\w+\.log\.gz",
        key,
    )
    lines = [shlex.split(line) for line in text.splitlines() if "mark=own" in line]
    assert [line[8] for line in lines] == ["200", "502"]
    assert [line[9] for line in lines] == ["200", "-"]
    assert [line[16] for line in lines] == [group, group]
    assert [line[22] for line in lines] == ["forward", "forward"]
    assert [line[24] for line in lines] == ["-", "LambdaUnhandled"]
    assert {len(line) for line in lines} == {30}
