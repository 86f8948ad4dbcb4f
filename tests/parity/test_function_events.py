"""Asynchronous invocations and queues as event sources.

Titles in quotation marks are pages of the AWS Lambda Developer Guide.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.parity.cases import holds
from tests.parity.conftest import Cloud
from tests.parity.test_functions import Lab
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

# Keeps what it gets in files beside its code: the tests read them through `asked`.
RECORDS = """
import json, os, pathlib
seen = pathlib.Path(__file__).parent / "seen"
def handler(event, context):
    if event == "asked":
        return [json.loads(line) for line in seen.read_text().splitlines()] if seen.exists() else []
    with seen.open("a") as file:
        file.write(json.dumps([context.aws_request_id, event]) + "\\n")
    ANSWER
"""


def recording(answer: str) -> str:
    return RECORDS.replace("ANSWER", f"{answer}\n# {uuid.uuid4().hex}")


class Wires(Lab):
    """Functions with queues and topics around them."""

    def make_queue(self, **attributes: str) -> tuple[str, str]:
        """Create a queue; returns (URL, ARN)."""
        sqs = self.cloud.client("sqs")
        fifo = ".fifo" if attributes.get("FifoQueue") else ""
        url = sqs.create_queue(QueueName=f"q{uuid.uuid4().hex[:8]}{fifo}", Attributes=attributes)
        found = sqs.get_queue_attributes(QueueUrl=url["QueueUrl"], AttributeNames=["QueueArn"])
        return url["QueueUrl"], found["Attributes"]["QueueArn"]

    def make_streaming_table(self, view: str) -> tuple[str, str]:
        """Create a table with a stream of this view; returns (name, stream's ARN)."""
        name = f"t{uuid.uuid4().hex[:8]}"
        made = self.cloud.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": view},
        )
        return name, str(made["TableDescription"]["LatestStreamArn"])

    def let_topics_send(self, url: str, arn: str) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.cloud.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})

    def receive(self, url: str) -> dict[str, Any]:
        """Wait for one message of a queue."""

        def ask() -> Any:
            answer = self.cloud.client("sqs").receive_message(
                QueueUrl=url, MessageAttributeNames=["All"]
            )
            return answer.get("Messages")

        message: dict[str, Any] = wait_for(ask, "no message arrived")[0]
        return message

    def send(self, url: str, *bodies: str) -> None:
        for body in bodies:
            self.cloud.client("sqs").send_message(QueueUrl=url, MessageBody=body)

    def submit(self, name: str, event: Any) -> None:
        answer = self.client.invoke(
            FunctionName=name, InvocationType="Event", Payload=json.dumps(event)
        )
        assert answer["StatusCode"] == 202

    def seen(self, name: str) -> list[Any]:
        found: list[Any] = self.invoke(name, "asked")
        return found

    def map_queue(self, name: str, arn: str, **settings: Any) -> str:
        made = self.client.create_event_source_mapping(
            FunctionName=name, EventSourceArn=arn, **settings
        )
        return str(made["UUID"])


@pytest.fixture(scope="module")
def wires(cloud: Cloud) -> Iterator[Wires]:
    made = Wires(cloud)
    yield made
    made.close()


# --- asynchronous invocations ----------------------------------------------------


@holds(
    "Lambda",
    "Adding a dead-letter queue",
    "A failed event is tried twice more and becomes a dead letter with its three attributes",
    "partial",
    "the pauses are one and two seconds instead of minutes",
)
def test_a_failed_event_is_tried_twice_more_and_becomes_a_dead_letter(wires: Wires) -> None:
    """ "Adding a dead-letter queue": the event, with RequestID, ErrorCode and ErrorMessage;
    "How Lambda handles errors and retries with asynchronous invocation": two retries."""
    url, arn = wires.make_queue()
    name = wires.make(recording("raise ValueError('no')"), DeadLetterConfig={"TargetArn": arn})
    wires.submit(name, {"n": 1})
    message = wires.receive(url)
    attributes = {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}
    attempts = wires.seen(name)
    assert json.loads(message["Body"]) == {"n": 1}
    assert [event for _, event in attempts] == [{"n": 1}] * 3
    assert {request for request, _ in attempts} == {attributes["RequestID"]}
    assert attributes["ErrorMessage"] == "no"
    assert attributes["ErrorCode"] == "200"


@holds(
    "Lambda",
    "Capturing records of Lambda asynchronous invocations",
    "An on-failure destination gets the record of the failure",
)
def test_a_failure_destination_gets_the_record(wires: Wires) -> None:
    """ "Capturing records of Lambda asynchronous invocations": the record of a failure."""
    url, arn = wires.make_queue()
    name = wires.make(recording("raise ValueError('no')"))
    wires.client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    wires.submit(name, {"n": 2})
    record = json.loads(wires.receive(url)["Body"])
    assert record["version"] == "1.0"
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["requestContext"]["functionArn"].endswith(f":function:{name}:$LATEST")
    assert record["requestPayload"] == {"n": 2}
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert record["responsePayload"]["errorMessage"] == "no"
    assert len(wires.seen(name)) == 1


@holds(
    "Lambda",
    "Capturing records of Lambda asynchronous invocations",
    "An on-success destination gets the record, also a topic",
)
def test_a_success_destination_gets_the_record_also_through_a_topic(wires: Wires) -> None:
    """ "Capturing records of Lambda asynchronous invocations": success, Amazon SNS."""
    url, arn = wires.make_queue()
    sns = wires.cloud.client("sns")
    topic = sns.create_topic(Name=f"t{uuid.uuid4().hex[:8]}")["TopicArn"]
    wires.let_topics_send(url, arn)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    name = wires.make(recording("return {'fine': True}"))
    wires.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": topic}}
    )
    wires.submit(name, {"n": 3})
    record = json.loads(json.loads(wires.receive(url)["Body"])["Message"])
    assert record["requestContext"]["condition"] == "Success"
    assert record["responsePayload"] == {"fine": True}
    assert "functionError" not in record["responseContext"]


@holds(
    "Lambda",
    "Capturing records of Lambda asynchronous invocations",
    "A function can be a destination",
)
def test_a_function_can_be_a_destination(wires: Wires) -> None:
    """ "Capturing records of Lambda asynchronous invocations": Lambda as a destination."""
    target = wires.make(recording("return 1"))
    arn = wires.client.get_function(FunctionName=target)["Configuration"]["FunctionArn"]
    name = wires.make(recording("return 2"))
    wires.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arn}}
    )
    wires.submit(name, {"n": 4})
    ((_, record),) = wait_for(lambda: wires.seen(target), "the target was not invoked")
    assert record["requestPayload"] == {"n": 4}
    assert record["responsePayload"] == 2


@holds(
    "Lambda",
    "Capturing records of Lambda asynchronous invocations",
    "An event bus gets the record as the detail of an event",
)
def test_an_event_bus_can_be_a_destination(wires: Wires) -> None:
    """ "Capturing records of Lambda asynchronous invocations": Amazon EventBridge."""
    target = wires.make(recording("return 1"))
    arn = wires.client.get_function(FunctionName=target)["Configuration"]["FunctionArn"]
    events = wires.cloud.client("events")
    bus, rule = f"b{uuid.uuid4().hex[:8]}", f"r{uuid.uuid4().hex[:8]}"
    bus_arn = events.create_event_bus(Name=bus)["EventBusArn"]
    pattern = json.dumps({"source": ["lambda"]})
    rule_arn = events.put_rule(Name=rule, EventBusName=bus, EventPattern=pattern)["RuleArn"]
    wires.client.add_permission(
        FunctionName=target,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule_arn,
    )
    events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])
    name = wires.make(recording("raise ValueError('no')"))
    wires.client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": bus_arn}},
    )
    wires.submit(name, {"n": 6})
    ((_, event),) = wait_for(lambda: wires.seen(target), "no event arrived")
    assert event["detail-type"] == "Lambda Function Invocation Result - Failure"
    assert event["detail"]["requestPayload"] == {"n": 6}
    assert event["resources"][0].endswith(f":function:{name}:$LATEST")


@holds(
    "Lambda",
    "How Lambda handles errors and retries with asynchronous invocation",
    "Throttled events wait and run later",
    "partial",
    "events that wait are lost when the local cloud ends",
)
def test_throttled_events_wait_and_are_not_lost(wires: Wires) -> None:
    """ "How Lambda handles errors and retries with asynchronous invocation": throttling
    returns the event to the queue."""
    name = wires.make(recording("return 1"))
    wires.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    wires.submit(name, {"n": 5})
    wires.client.delete_function_concurrency(FunctionName=name)
    ((_, event),) = wait_for(lambda: wires.seen(name), "the event was lost")
    assert event == {"n": 5}


@holds(
    "Lambda",
    "Invoking Lambda functions with Amazon SNS notifications",
    "A topic invokes asynchronously, with retries",
)
def test_a_topic_invokes_asynchronously(wires: Wires) -> None:
    """ "Invoking Lambda functions with Amazon SNS notifications": asynchronous, with retries."""
    name = wires.make(recording("if len(seen.read_text().splitlines()) == 1: raise ValueError"))
    arn = wires.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    sns = wires.cloud.client("sns")
    topic = sns.create_topic(Name=f"t{uuid.uuid4().hex[:8]}")["TopicArn"]
    wires.client.add_permission(
        FunctionName=name,
        StatementId="topic",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="hello")
    wait_for(lambda: len(wires.seen(name)) == 2, "it was not tried again")
    assert {e["Records"][0]["Sns"]["Message"] for _, e in wires.seen(name)} == {"hello"}


# --- queues as event sources -------------------------------------------------------


@holds(
    "Lambda",
    "Creating and configuring an Amazon SQS event source mapping",
    "Batches are no larger than the batch size",
)
def test_batches_are_no_larger_than_the_batch_size(wires: Wires) -> None:
    """ "Creating and configuring an Amazon SQS event source mapping": batch size."""
    url, arn = wires.make_queue()
    wires.send(url, *(str(n) for n in range(7)))
    name = wires.make(recording("return None"))
    wires.map_queue(name, arn, BatchSize=3)
    wait_for(
        lambda: sum(len(e["Records"]) for _, e in wires.seen(name)) == 7, "not all were delivered"
    )
    batches = [e["Records"] for _, e in wires.seen(name)]
    assert max(map(len, batches)) <= 3
    assert sorted(r["body"] for batch in batches for r in batch) == [str(n) for n in range(7)]
    assert {r["eventSource"] for batch in batches for r in batch} == {"aws:sqs"}


@holds(
    "Lambda",
    "Using Lambda with Amazon SQS",
    "A batching window gathers messages",
    "partial",
    "a window may end up to a second late",
)
def test_a_window_gathers_messages(wires: Wires) -> None:
    """ "Using Lambda with Amazon SQS": MaximumBatchingWindowInSeconds."""
    url, arn = wires.make_queue()
    name = wires.make(recording("return None"))
    wires.map_queue(name, arn, BatchSize=10, MaximumBatchingWindowInSeconds=1)
    wires.send(url, "a", "b", "c")
    ((_, event),) = wait_for(lambda: wires.seen(name), "nothing was delivered")
    assert [r["body"] for r in event["Records"]] == ["a", "b", "c"]


@holds(
    "Lambda",
    "Using Lambda with Amazon SQS",
    "With a window a batch may have more than ten messages",
)
def test_with_a_window_batches_may_be_larger_than_ten(wires: Wires) -> None:
    """ "Using Lambda with Amazon SQS": up to 10,000 messages for standard queues."""
    url, arn = wires.make_queue()
    wires.send(url, *(str(n) for n in range(25)))
    name = wires.make(recording("return None"))
    wires.map_queue(name, arn, BatchSize=25, MaximumBatchingWindowInSeconds=1)
    ((_, event),) = wait_for(lambda: wires.seen(name), "nothing was delivered")
    assert len(event["Records"]) == 25


@holds("Lambda", "Using Lambda with Amazon SQS", "A full batch does not wait for its window")
def test_a_full_batch_does_not_wait_for_its_window(wires: Wires) -> None:
    """ "Using Lambda with Amazon SQS": a full batch ends the window."""
    url, arn = wires.make_queue()
    name = wires.make(recording("return None"))
    wires.send(url, "a", "b")
    wires.map_queue(name, arn, BatchSize=2, MaximumBatchingWindowInSeconds=300)
    ((_, event),) = wait_for(lambda: wires.seen(name), "nothing was delivered")
    assert len(event["Records"]) == 2


@holds(
    "Lambda",
    "Handling errors for an SQS event source in Lambda",
    "With ReportBatchItemFailures only the failed messages come back",
)
def test_only_the_failed_messages_come_back(wires: Wires) -> None:
    """ "Handling errors for an SQS event source in Lambda": partial batch responses."""
    url, arn = wires.make_queue(VisibilityTimeout="1")
    wires.send(url, "good", "bad", "fine")
    answer = (
        "again = len(event['Records']) == 1\n"
        "    return {'batchItemFailures': [] if again else [{'itemIdentifier': r['messageId']}"
        " for r in event['Records'] if r['body'] == 'bad']}"
    )
    name = wires.make(recording(answer))
    wires.map_queue(name, arn, FunctionResponseTypes=["ReportBatchItemFailures"])
    wait_for(lambda: len(wires.seen(name)) == 2, "nothing came back")
    bodies = [[r["body"] for r in e["Records"]] for _, e in wires.seen(name)]
    assert bodies == [["good", "bad", "fine"], ["bad"]]


@holds(
    "Lambda",
    "Handling errors for an SQS event source in Lambda",
    "A partial response that names an unknown message fails the whole batch",
)
def test_an_answer_that_names_unknown_messages_fails_the_batch(wires: Wires) -> None:
    """ "Handling errors for an SQS event source in Lambda": a bad key value is a failure."""
    url, arn = wires.make_queue(VisibilityTimeout="1")
    wires.send(url, "one")
    answer = (
        "first = len(seen.read_text().splitlines()) == 1\n"
        "    return {'batchItemFailures': [{'itemIdentifier': 'nobody'}] if first else []}"
    )
    name = wires.make(recording(answer))
    wires.map_queue(name, arn, FunctionResponseTypes=["ReportBatchItemFailures"])
    wait_for(lambda: len(wires.seen(name)) == 2, "the batch did not come back")


@holds(
    "Lambda",
    "Handling errors for an SQS event source in Lambda",
    "A failed batch comes back until the queue's redrive policy takes it",
)
def test_a_failed_batch_comes_back_and_goes_to_the_queues_dead_letters(wires: Wires) -> None:
    """ "Handling errors for an SQS event source in Lambda": the whole batch becomes visible;
    Amazon SQS Developer Guide, "Using dead-letter queues in Amazon SQS"."""
    dead_url, dead_arn = wires.make_queue()
    policy = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url, arn = wires.make_queue(VisibilityTimeout="1", RedrivePolicy=policy)
    name = wires.make(recording("raise ValueError"))
    wires.map_queue(name, arn)
    wires.send(url, "poison")
    assert wires.receive(dead_url)["Body"] == "poison"
    assert len(wires.seen(name)) == 2


@holds(
    "Lambda",
    "Configuring reserved concurrency for a function",
    "With a reserved concurrency of 1 batches run one at a time, in order",
)
def test_reserved_concurrency_of_one_keeps_the_order(wires: Wires) -> None:
    """ "Configuring reserved concurrency for a function" with "Using Lambda with Amazon SQS":
    no two batches at a time, so that messages are handled in order."""
    url, arn = wires.make_queue()
    name = wires.make(recording("import time; time.sleep(0.02)"))
    wires.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    wires.send(url, *(str(n) for n in range(10)))
    mapping = wires.map_queue(name, arn, BatchSize=1)

    def is_empty() -> bool:
        found = wires.cloud.client("sqs").get_queue_attributes(
            QueueUrl=url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )
        return set(found["Attributes"].values()) == {"0"}

    wait_for(is_empty, "not all were handled")
    wires.client.delete_event_source_mapping(UUID=mapping)
    wires.client.delete_function_concurrency(FunctionName=name)
    bodies = [e["Records"][0]["body"] for _, e in wires.seen(name)]
    assert bodies == [str(n) for n in range(10)]


@holds(
    "Lambda",
    "Using Lambda aliases in event sources and permissions policies",
    "A mapping on an alias invokes the alias",
)
def test_a_mapping_on_an_alias_invokes_the_alias(wires: Wires) -> None:
    """ "Using Lambda aliases in event sources and permissions policies"."""
    url, arn = wires.make_queue()
    source = recording("return None").replace(
        "[context.aws_request_id, event]", "[context.invoked_function_arn, event]"
    )
    name = wires.make(source)
    wires.client.publish_version(FunctionName=name)
    wires.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    wires.map_queue(f"{name}:live", arn)
    wires.send(url, "x")
    ((invoked, _),) = wait_for(lambda: wires.seen(f"{name}:live"), "it was not invoked")
    assert invoked.endswith(f":function:{name}:live")
