"""Streams of tables and Kinesis data streams as event sources of functions.

Titles in quotation marks are pages of the AWS Lambda Developer Guide.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.parity.cases import holds
from tests.parity.conftest import Cloud
from tests.parity.test_function_events import Wires, recording
from tests.parity.test_functions import refusal
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

FAIL_ON_BAD = """
    bad = [r for r in event["Records"] if r["dynamodb"]["Keys"]["id"]["S"].startswith("bad")]
    if bad:
        raise ValueError("bad")"""
REPORT_BAD = """
    return {"batchItemFailures": [
        {"itemIdentifier": r["dynamodb"]["SequenceNumber"]}
        for r in event["Records"] if r["dynamodb"]["Keys"]["id"]["S"].startswith("bad")]}"""
DISCARDED = "Retain discarded batch records for a DynamoDB event source in Lambda"
BATCHING = "Process DynamoDB records with Lambda"
PARTIAL = "Configuring partial batch response with DynamoDB and Lambda"


class Streams(Wires):
    """Functions with streams in front of them."""

    def map_stream(self, name: str, stream: str, **settings: Any) -> str:
        return self.map_queue(
            name, stream, **{"StartingPosition": "TRIM_HORIZON", "BatchSize": 10, **settings}
        )

    def feed(self, answer: str = "pass") -> Fed:
        """A function that answers so, and a table for it."""
        return Fed(self, answer)


class Fed:
    """A function, and the table whose stream it is to be given."""

    def __init__(self, streams: Streams, answer: str) -> None:
        self.streams = streams
        self.table, self.stream = streams.make_streaming_table("NEW_AND_OLD_IMAGES")
        self.name = streams.make(recording(answer))

    def put(self, *names: str) -> None:
        for name in names:
            item = {"id": {"S": name}}
            self.streams.cloud.client("dynamodb").put_item(TableName=self.table, Item=item)

    def map(self, **settings: Any) -> None:
        self.streams.map_stream(self.name, self.stream, **settings)

    def batches(self) -> list[list[str]]:
        """The keys of each batch that the function got."""
        return [
            [record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]]
            for _, event in self.streams.seen(self.name)
        ]

    def wait_for(self, last: str) -> list[list[str]]:
        """Wait until a batch ended with this key."""

        def ask() -> Any:
            found = self.batches()
            return found if last in {batch[-1] for batch in found} else None

        found: list[list[str]] = wait_for(ask, f"no batch ends with {last}")
        return found


@pytest.fixture(scope="module")
def streams(cloud: Cloud) -> Iterator[Streams]:
    made = Streams(cloud)
    yield made
    made.close()


@holds(
    "Lambda", BATCHING, "From TRIM_HORIZON a function gets what the stream held before, in order"
)
def test_trim_horizon_begins_with_the_oldest_record(streams: Streams) -> None:
    fed = streams.feed()
    fed.put("a", "b", "c", "d", "e")
    fed.map(BatchSize=2)
    found = fed.wait_for("e")
    assert [key for batch in found for key in batch] == ["a", "b", "c", "d", "e"]
    assert max(map(len, found)) == 2


@holds("Lambda", BATCHING, "From LATEST a function gets only what comes after the mapping was made")
def test_latest_begins_behind_the_newest_record(streams: Streams) -> None:
    fed = streams.feed()
    fed.put("before")
    fed.map(StartingPosition="LATEST")
    fed.put("after")
    assert fed.wait_for("after") == [["after"]]


@holds("Lambda", BATCHING, "A batch window gathers records until it ends or the batch is full")
def test_a_window_gathers_records(streams: Streams) -> None:
    fed = streams.feed()
    fed.map(BatchSize=4, MaximumBatchingWindowInSeconds=60)
    fed.put("a", "b", "c")
    assert fed.batches() == []
    fed.put("d")
    assert fed.wait_for("d") == [["a", "b", "c", "d"]]


@holds(
    "Lambda",
    "Control which events Lambda sends to your function",
    "Records that match no filter are not given to the function and do not hold the stream",
)
def test_a_filter_drops_records(streams: Streams) -> None:
    fed = streams.feed()
    pattern = {"dynamodb": {"Keys": {"id": {"S": [{"prefix": "yes"}]}}}}
    fed.map(FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]})
    fed.put("no1", "yes1", "no2")
    fed.wait_for("yes1")
    fed.put("no3", "yes2")
    found = fed.wait_for("yes2")
    assert [key for batch in found for key in batch] == ["yes1", "yes2"]


@holds(
    "Lambda",
    DISCARDED,
    "A failing batch is tried again as often as the mapping says, then its place goes to the "
    "on-failure destination, and the stream goes on",
    "partial",
    "pauses between attempts begin at 0.2 seconds; AWS does not tell its own",
)
def test_a_failed_batch_is_retried_then_discarded_and_told(streams: Streams) -> None:
    url, arn = streams.make_queue()
    fed = streams.feed(FAIL_ON_BAD)
    fed.put("bad1", "bad2")
    fed.map(
        BatchSize=2,
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    record = json.loads(streams.receive(url)["Body"])
    fed.put("good")
    found = fed.wait_for("good")
    assert found == [["bad1", "bad2"]] * 3 + [["good"]]
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["functionArn"].endswith(f":function:{fed.name}")
    assert record["responseContext"]["functionError"] == "Unhandled"
    place = record["DDBStreamBatchInfo"]
    assert (place["batchSize"], place["streamArn"]) == (2, fed.stream)
    assert place["startSequenceNumber"] < place["endSequenceNumber"]
    assert "Records" not in record


@holds(
    "Lambda",
    BATCHING,
    "With BisectBatchOnFunctionError a failed batch is split until one record is left",
)
def test_bisecting_isolates_the_bad_record(streams: Streams) -> None:
    fed = streams.feed(FAIL_ON_BAD)
    fed.put("a", "b", "bad", "d")
    fed.map(BatchSize=4, BisectBatchOnFunctionError=True, MaximumRetryAttempts=0)
    found = fed.wait_for("d")
    fed.put("e")
    found = fed.wait_for("e")
    assert found == [["a", "b", "bad", "d"], ["a", "b"], ["bad", "d"], ["bad"], ["d"], ["e"]]


@holds(
    "Lambda",
    PARTIAL,
    "The lowest reported sequence number is the checkpoint: from there it is retried",
)
def test_a_partial_failure_retries_from_the_checkpoint(streams: Streams) -> None:
    fed = streams.feed(REPORT_BAD)
    fed.put("a", "b", "bad", "d")
    fed.map(
        BatchSize=4,
        MaximumRetryAttempts=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    fed.wait_for("d")
    fed.put("e")
    found = fed.wait_for("e")
    assert found == [["a", "b", "bad", "d"], ["bad", "d"], ["e"]]


@holds("Lambda", PARTIAL, "An item without a known sequence number fails the whole batch")
def test_an_unknown_sequence_number_fails_the_batch(streams: Streams) -> None:
    fed = streams.feed('return {"batchItemFailures": [{"itemIdentifier": ""}]}')
    fed.put("a", "b")
    fed.map(
        MaximumRetryAttempts=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    found = wait_for(lambda: len(fed.batches()) > 1 and fed.batches(), "no retry")
    assert found[:2] == [["a", "b"]] * 2


@holds("Lambda", DISCARDED, "A record within MaximumRecordAgeInSeconds is tried and not discarded")
def test_a_young_record_is_not_discarded(streams: Streams) -> None:
    url, arn = streams.make_queue()
    fed = streams.feed(FAIL_ON_BAD)
    fed.put("bad")
    fed.map(
        MaximumRecordAgeInSeconds=60,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    wait_for(fed.batches, "it was not tried")
    mapping = streams.client.list_event_source_mappings(FunctionName=fed.name)
    assert mapping["EventSourceMappings"][0]["MaximumRecordAgeInSeconds"] == 60
    assert mapping["EventSourceMappings"][0]["MaximumRetryAttempts"] == -1
    assert "Messages" not in streams.cloud.client("sqs").receive_message(QueueUrl=url)


@holds("Lambda", BATCHING, "A mapping on a stream must say where it begins")
def test_a_starting_position_is_required(streams: Streams) -> None:
    fed = streams.feed()
    wanted = {"FunctionName": fed.name, "EventSourceArn": fed.stream}
    answer = refusal(lambda: streams.client.create_event_source_mapping(**wanted))
    assert answer["Error"]["Code"] == "InvalidParameterValueException"
    made = streams.client.create_event_source_mapping(**wanted, StartingPosition="LATEST")
    assert (made["BatchSize"], made["ParallelizationFactor"]) == (100, 1)


class Kinesis:
    """One stream with its records."""

    def __init__(self, cloud: Cloud, shards: int) -> None:
        self.client = cloud.client("kinesis")
        self.name = f"s{uuid.uuid4().hex[:8]}"
        self.client.create_stream(StreamName=self.name, ShardCount=shards)

        def describe() -> Any:
            found = self.client.describe_stream_summary(StreamName=self.name)
            summary = found["StreamDescriptionSummary"]
            return summary if summary["StreamStatus"] == "ACTIVE" else None

        self.arn = wait_for(describe, "the stream is not active")["StreamARN"]

    def put(self, key: str, *texts: str) -> None:
        for text in texts:
            self.client.put_record(StreamName=self.name, PartitionKey=key, Data=text.encode())


def texts(streams: Streams, name: str) -> list[list[str]]:
    return [
        [base64.b64decode(r["kinesis"]["data"]).decode() for r in event["Records"]]
        for _, event in streams.seen(name)
    ]


@holds(
    "Lambda",
    "Process Amazon Kinesis Data Streams records with Lambda",
    "With a parallelization factor batches run side by side and each partition key keeps its order",
)
def test_lanes_keep_the_order_of_a_key(streams: Streams) -> None:
    stream = Kinesis(streams.cloud, 1)
    name = streams.make(recording("pass"))
    for number in range(6):
        for key in ("x", "y", "z"):
            stream.put(key, f"{key}{number}")
    streams.map_stream(name, stream.arn, BatchSize=2, ParallelizationFactor=4)
    wanted = {f"{key}{n}" for key in ("x", "y", "z") for n in range(6)}

    def ask() -> Any:
        found = [text for batch in texts(streams, name) for text in batch]
        return found if set(found) >= wanted else None

    found = wait_for(ask, "records are missing")
    assert len(found) == len(wanted)
    for key in ("x", "y", "z"):
        assert [text for text in found if text[0] == key] == [f"{key}{n}" for n in range(6)]


@holds(
    "Lambda",
    "Process Amazon Kinesis Data Streams records with Lambda",
    "AT_TIMESTAMP begins with the first record after a time; a failed shard holds no other",
)
def test_a_failing_shard_holds_only_itself(streams: Streams) -> None:
    stream = Kinesis(streams.cloud, 2)
    stream.put("early", "early")
    time.sleep(0.01)  # records are stamped in milliseconds
    since = time.time()
    name = streams.make(
        recording(
            'import base64\n    if "bad" in str([base64.b64decode(r["kinesis"]["data"]) '
            'for r in event["Records"]]):\n        raise ValueError("bad")'
        )
    )
    streams.map_stream(
        name, stream.arn, StartingPosition="AT_TIMESTAMP", StartingPositionTimestamp=since
    )
    shards = {stream.client.put_record(StreamName=stream.name, PartitionKey=str(n), Data=b"-")
              ["ShardId"]: str(n) for n in range(12)}  # fmt: skip
    first, second = shards.values()
    stream.put(first, "bad")
    wait_for(lambda: "bad" in str(texts(streams, name)), "the bad record did not come")
    stream.put(second, "good")
    wait_for(lambda: "good" in str(texts(streams, name)), "the other shard is held")
    assert "early" not in str(texts(streams, name))
