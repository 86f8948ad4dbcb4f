"""What else an answer acknowledged and a SIGKILL of everything must not take away."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.parity.cases import holds
from tests.parity.test_durability import kill, open_cloud
from tests.parity.test_functions import TRUST, zipped
from tests.waiting import wait_for

from fairway.cloud.launch import stop_cloud

pytestmark = pytest.mark.slow

# Keeps every event in a file; fails while there is no file "open".
HANDLER = """
import json, pathlib
folder = pathlib.Path({folder!r})
def handler(event, context):
    with (folder / "seen").open("a") as file:
        file.write(json.dumps([context.aws_request_id, event]) + "\\n")
    if not (folder / "open").exists():
        raise ValueError("closed")
"""


class Killed:
    """A cloud that can be killed and comes back, and a function that fails until it is opened."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cloud = open_cloud(directory / ".fairway")

    def kill(self) -> None:
        kill(self.cloud)
        self.cloud = open_cloud(self.directory / ".fairway")

    def client(self, service: str) -> Any:
        return self.cloud.client(service)

    def open(self) -> None:
        (self.directory / "open").touch()

    def seen(self) -> list[Any]:
        file = self.directory / "seen"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def make_function(self, **settings: Any) -> str:
        role = self.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        allowed = {"Effect": "Allow", "Action": ["sqs:*", "dynamodb:*"], "Resource": "*"}
        self.client("iam").put_role_policy(
            RoleName="r",
            PolicyName="p",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
        )
        made = self.client("lambda").create_function(
            FunctionName="f",
            Runtime="python3.11",
            Handler="handler.handler",
            Role=role["Role"]["Arn"],
            Code={"ZipFile": zipped({"handler.py": HANDLER.format(folder=str(self.directory))})},
            **settings,
        )
        return str(made["FunctionArn"])

    def make_queue(self) -> tuple[str, str]:
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def make_table(self, **settings: Any) -> str:
        made = self.client("dynamodb").create_table(
            TableName="rows",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            **settings,
        )
        return str(made["TableDescription"].get("LatestStreamArn"))


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Killed]:
    made = Killed(tmp_path)
    yield made
    stop_cloud(tmp_path / ".fairway")


@holds(
    "Lambda",
    "Invoking a Lambda function asynchronously",
    "An event that was accepted runs after a kill, and its outcome reaches the destination",
)
def test_an_accepted_event_runs_after_a_kill(killed: Killed) -> None:
    url, queue = killed.make_queue()
    killed.make_function()
    client = killed.client("lambda")
    client.put_function_event_invoke_config(
        FunctionName="f", DestinationConfig={"OnSuccess": {"Destination": queue}}
    )
    client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    accepted = [
        client.invoke(FunctionName="f", InvocationType="Event", Payload=json.dumps({"n": n}))
        for n in range(3)
    ]
    killed.kill()
    assert killed.seen() == []
    killed.open()
    killed.client("lambda").delete_function_concurrency(FunctionName="f")
    wait_for(lambda: len(killed.seen()) >= 3, "the events did not run")
    # ministack adds an id of its own behind the event's
    ids = {answer["ResponseMetadata"]["RequestId"].split(",")[0] for answer in accepted}
    assert {request for request, _ in killed.seen()} == ids
    assert sorted(event["n"] for _, event in killed.seen()) == [0, 1, 2]
    told = set()

    def ask() -> bool:
        found = killed.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in found.get("Messages", []):
            told.add(json.loads(message["Body"])["requestContext"]["requestId"])
        return told == ids

    wait_for(ask, "a destination was not told")


def test_attempts_before_a_kill_count_and_topics_and_buckets_lose_nothing(killed: Killed) -> None:
    """An event through a topic and one through a bucket: two attempts each, then a kill."""
    arn = killed.make_function()
    sns, s3 = killed.client("sns"), killed.client("s3")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    s3.create_bucket(
        Bucket="kept-objects", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    for principal in ("sns.amazonaws.com", "s3.amazonaws.com"):
        killed.client("lambda").add_permission(
            FunctionName="f",
            StatementId=principal.split(".")[0],
            Action="lambda:InvokeFunction",
            Principal=principal,
        )
    notify = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="kept-objects", NotificationConfiguration={"LambdaFunctionConfigurations": [notify]}
    )
    sns.publish(TopicArn=topic, Message="hello")
    s3.put_object(Bucket="kept-objects", Key="k", Body=b"x")
    killed.kill()
    killed.open()

    def ask() -> bool:
        sources = {
            record.get("EventSource") or record.get("eventSource")
            for _, event in killed.seen()
            for record in event["Records"]
        }
        return sources == {"aws:sns", "aws:s3"}

    wait_for(ask, "an event did not come")


@holds(
    "DynamoDB",
    "TransactWriteItems",
    "A ClientRequestToken that was used makes the same request a success without effect, "
    "also after a kill",
)
def test_a_request_token_survives(killed: Killed) -> None:
    killed.make_table()
    update = {
        "TableName": "rows",
        "Key": {"id": {"S": "a"}},
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    request = {"TransactItems": [{"Update": update}], "ClientRequestToken": str(uuid.uuid4())}
    killed.client("dynamodb").transact_write_items(**request)
    killed.kill()
    dynamodb = killed.client("dynamodb")
    dynamodb.transact_write_items(**request)
    assert dynamodb.get_item(TableName="rows", Key=update["Key"])["Item"]["n"] == {"N": "1"}


@holds(
    "S3",
    "Uploading and copying objects using multipart upload",
    "Parts that were uploaded make the object, also after a kill",
)
def test_an_upload_goes_on_after_a_kill(killed: Killed) -> None:
    s3 = killed.client("s3")
    s3.create_bucket(
        Bucket="kept-objects", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    part = b"x" * 5_242_880
    target = {"Bucket": "kept-objects", "Key": "folder/k"}
    upload = {**target, "UploadId": s3.create_multipart_upload(**target)["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"wrong")
    first = s3.upload_part(**upload, PartNumber=1, Body=part)["ETag"]
    killed.kill()
    s3 = killed.client("s3")
    second = s3.upload_part(**upload, PartNumber=2, Body=b"end")["ETag"]
    listed = s3.list_parts(**upload)["Parts"]
    assert [(each["PartNumber"], each["ETag"]) for each in listed] == [(1, first), (2, second)]
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    killed.kill()
    s3 = killed.client("s3")
    assert s3.get_object(**target)["Body"].read() == part + b"end"
    assert s3.list_multipart_uploads(Bucket="kept-objects").get("Uploads", []) == []
    again = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert again["ETag"] == done["ETag"]
    assert list((killed.directory / ".fairway/state/uploads").glob("*")) == []


@holds(
    "DynamoDB",
    "Change data capture for DynamoDB Streams",
    "What a stream holds survives a kill, and a mapping goes on behind what it had done",
)
def test_streams_and_their_mappings_go_on(killed: Killed) -> None:
    specification = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    stream = killed.make_table(StreamSpecification=specification)
    killed.make_function()
    killed.client("lambda").create_event_source_mapping(
        FunctionName="f", EventSourceArn=stream, StartingPosition="TRIM_HORIZON", BatchSize=1
    )

    def keys() -> list[str]:
        return [event["Records"][0]["dynamodb"]["Keys"]["id"]["S"] for _, event in killed.seen()]

    killed.open()
    killed.client("dynamodb").put_item(TableName="rows", Item={"id": {"S": "done"}})
    wait_for(lambda: keys() == ["done"], "the first record did not come")
    (killed.directory / "open").unlink()
    for name in ("a", "b"):
        killed.client("dynamodb").put_item(TableName="rows", Item={"id": {"S": name}})
    wait_for(lambda: keys().count("a") > 1, "the second record was not tried again")
    killed.kill()
    killed.open()
    wait_for(lambda: keys()[-1] == "b", "what waited did not come")
    assert keys().count("done") == 1
    client = killed.client("dynamodbstreams")
    shards = client.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    iterator = client.get_shard_iterator(
        StreamArn=stream, ShardId=shards[0]["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = client.get_records(ShardIterator=iterator)["Records"]
    assert [r["dynamodb"]["NewImage"]["id"]["S"] for r in records] == ["done", "a", "b"]


@holds(
    "Kinesis",
    "PutRecord",
    "A record that was acknowledged survives a kill",
)
def test_a_data_stream_keeps_its_records(killed: Killed) -> None:
    kinesis = killed.client("kinesis")
    kinesis.create_stream(StreamName="s", ShardCount=1)

    def is_active() -> bool:
        found = killed.client("kinesis").describe_stream_summary(StreamName="s")
        return bool(found["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE")

    wait_for(is_active, "the stream is not active")
    numbers = [
        kinesis.put_record(StreamName="s", PartitionKey="k", Data=text)["SequenceNumber"]
        for text in (b"one", b"\xff\x00")
    ]
    killed.kill()
    kinesis = killed.client("kinesis")
    numbers.append(
        kinesis.put_record(StreamName="s", PartitionKey="k", Data=b"three")["SequenceNumber"]
    )
    shard = kinesis.list_shards(StreamName="s")["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(
        StreamName="s", ShardId=shard, ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert [record["SequenceNumber"] for record in records] == numbers == sorted(numbers)
    assert [record["Data"] for record in records] == [b"one", b"\xff\x00", b"three"]


def test_a_fifo_queue_drops_a_duplicate_after_a_kill(killed: Killed) -> None:
    """Page "Using the message deduplication ID in Amazon SQS": for five minutes."""
    sqs = killed.client("sqs")
    url = sqs.create_queue(QueueName="q.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    message = {"MessageBody": "1", "MessageGroupId": "g", "MessageDeduplicationId": "d"}
    sqs.send_message(QueueUrl=url, **message)
    received = sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)["Messages"]
    killed.kill()
    sqs = killed.client("sqs")
    sqs.send_message(QueueUrl=url, **message)
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert [found[name] for name in names] == ["0", "1"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"])
