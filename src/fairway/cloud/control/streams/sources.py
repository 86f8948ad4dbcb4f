"""Shards read from ministack's stores; positions are sequence numbers, so trimming moves none."""

from __future__ import annotations

import base64
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fairway.cloud.control.streams.model import Entry, Record, Shard

DYNAMODB_SHARD = "shardId-00000000000000000000-00000000"
"""ministack's streams of tables have one shard."""

_BEFORE_ALL = ""


@dataclass(frozen=True, slots=True)
class StoredShard:
    """A shard whose records are a list in order. Implements `model.Shard`."""

    name: str
    records: list[Record]
    order_of: Callable[[Record], str]
    time_of: Callable[[Record], float]
    make_entry: Callable[[Record], Entry]

    def read(self, after: str, limit: int) -> list[Entry]:
        """Up to `limit` entries behind a sequence number."""
        start = bisect_right(self.records, after, key=self.order_of) if after else 0
        return [self.make_entry(record) for record in self.records[start : start + limit]]

    def find_start(self, position: str, timestamp: float) -> str:
        """Where a new mapping begins ("CreateEventSourceMapping", StartingPosition)."""
        if position == "LATEST":
            return self.order_of(self.records[-1]) if self.records else _BEFORE_ALL
        if position == "AT_TIMESTAMP":
            start = bisect_left(self.records, timestamp, key=self.time_of)
            return self.order_of(self.records[start - 1]) if start else _BEFORE_ALL
        return _BEFORE_ALL


def list_shards(stream: str, role: str) -> Iterator[Shard]:
    """The shards of a stream by its ARN; none when it does not exist. role: of the function."""
    service = stream.split(":")[2]
    if service == "dynamodb":
        yield from _list_table_shards(stream)
    elif service == "kinesis":
        yield from _list_kinesis_shards(stream, role)


def _list_table_shards(stream: str) -> Iterator[Shard]:
    from ministack.services import dynamodb

    _, _, _, region, account, resource = stream.split(":", 5)
    name = resource.split("/")[1]
    table = dynamodb._tables.get_scoped(account, region, name)
    if table is None or table.get("LatestStreamArn") != stream:
        return
    dynamodb._trim_stream_records(name, account_id=account, region=region)
    records = dynamodb._live_stream_records(name, account, region)
    yield StoredShard(
        DYNAMODB_SHARD, records, _order_of_change, _time_of_change, _make_change_entry
    )


def _order_of_change(record: Record) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def _time_of_change(record: Record) -> float:
    return float(record["dynamodb"]["ApproximateCreationDateTime"])


def _make_change_entry(record: Record) -> Entry:
    key = json.dumps(record["dynamodb"].get("Keys"), sort_keys=True, default=str)
    return Entry(_order_of_change(record), key, _time_of_change(record), record)


def _list_kinesis_shards(stream: str, role: str) -> Iterator[Shard]:
    from ministack.services import kinesis

    _, _, _, region, account, resource = stream.split(":", 5)
    found = kinesis._streams.get_scoped(account, region, resource.partition("/")[2])
    if found is None or found.get("StreamARN") != stream or found["StreamStatus"] != "ACTIVE":
        return
    for name, shard in list(found["shards"].items()):
        yield StoredShard(
            name,
            shard["records"],
            _order_of_data,
            _time_of_data,
            _KinesisEntries(name, stream, region, role),
        )


def _order_of_data(record: Record) -> str:
    return str(record["SequenceNumber"])


def _time_of_data(record: Record) -> float:
    return float(record["ApproximateArrivalTimestamp"])


@dataclass(frozen=True, slots=True)
class _KinesisEntries:
    """Makes events of records: page "Using Lambda with Amazon Kinesis Data Streams"."""

    shard: str
    stream: str
    region: str
    role: str

    def __call__(self, record: Record) -> Entry:
        order = _order_of_data(record)
        event = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record["PartitionKey"],
                "sequenceNumber": order,
                "data": _encode_data(record["Data"]),
                "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{self.shard}:{order}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": self.role,
            "awsRegion": self.region,
            "eventSourceARN": self.stream,
        }
        return Entry(order, str(record["PartitionKey"]), _time_of_data(record), event)


def _encode_data(data: Any) -> str:
    """Base64, as ministack stores most records already."""
    if isinstance(data, bytes):
        return base64.b64encode(data).decode()
    return str(data)
