"""Lanes and positions of stream mappings, with a fake function and a fake clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from fairway.cloud.control.durable.rows import Rows
from fairway.cloud.control.journal_format import Content
from fairway.cloud.control.streams.lane import choose_lane, format_time
from fairway.cloud.control.streams.mappings import check_mapping, complete_mapping
from fairway.cloud.control.streams.model import Entry, read_settings
from fairway.cloud.control.streams.poller import STORE, Followed, StreamPoller
from fairway.cloud.control.streams.sources import StoredShard
from fairway.cloud.functions.model import (
    Invocation,
    PayloadTooLarge,
    TooManyRequests,
    UnknownFunction,
)

QUEUE = "arn:aws:sqs:eu-west-1:000000000000:q"
STREAM = "arn:aws:dynamodb:eu-west-1:000000000000:table/t/stream/1"
Answer = Invocation | Exception
Handler = Callable[[list[str]], Answer]


def fine(_: list[str]) -> Answer:
    return Invocation("id", b"null")


def failing(*bad: str) -> Handler:
    def handler(batch: list[str]) -> Answer:
        wrong = set(bad) & set(batch)
        return Invocation("id", b"{}", error="Unhandled" if wrong else None)

    return handler


class World:
    """A stream of numbered records, a mapping and a function that answers by its batch."""

    def __init__(self, handler: Handler = fine, **mapping: Any) -> None:
        self.mapping = {
            "UUID": "m",
            "FunctionArn": "f",
            "EventSourceArn": STREAM,
            "StartingPosition": "TRIM_HORIZON",
            **mapping,
        }
        self.handler = handler
        self.records: list[dict[str, Any]] = []
        self.batches: list[list[str]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.waited: list[float] = []
        self.now = 1000.0
        self.enabled = True
        self.positions = Rows(STORE)

    def write(self, *names: str, key: str = "k") -> None:
        for name in names:
            order = f"{len(self.records) + 1:05d}"
            self.records.append({"order": order, "name": name, "key": key, "at": self.now})

    def follow(self) -> Iterator[Followed]:
        if self.enabled:
            shard = StoredShard(
                "shard", self.records, lambda r: r["order"], lambda r: r["at"], make_entry
            )
            yield Followed(self.mapping, read_settings(self.mapping), [shard], lambda r: r)

    async def invoke(self, arn: str, payload: bytes) -> Invocation:
        batch = [record["name"] for record in json.loads(payload)["Records"]]
        self.batches.append(batch)
        answer = self.handler(batch)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def deliver(
        self, arn: str, body: str, _: Mapping[str, tuple[str, str]], sender: str
    ) -> None:
        assert sender == "f"
        self.told.append((arn, json.loads(body)))

    async def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def make_poller(self) -> StreamPoller:
        return StreamPoller(
            follow=self.follow,
            invoke=self.invoke,
            deliver=self.deliver,
            report=lambda text: self.told.append((text, {})),
            positions=self.positions,
            clock=lambda: self.now,
            wait=self.wait,
        )

    def run(self, spins: int = 200) -> World:
        """Poll, and let everything that is not held settle."""

        async def play() -> None:
            poller = self.make_poller()
            for _ in range(spins):
                poller.poll()
                await asyncio.sleep(0)
            await poller.close()

        asyncio.run(asyncio.wait_for(play(), 10))
        return self

    @property
    def place(self) -> list[str]:
        found: list[str] = self.positions.get("m/shard")
        return found


def make_entry(record: dict[str, Any]) -> Entry:
    return Entry(record["order"], record["key"], record["at"], record)


def test_batches_come_in_order_and_move_the_position() -> None:
    world = World(BatchSize=2)
    world.write("a", "b", "c")
    world.run()
    assert world.batches == [["a", "b"], ["c"]]
    assert world.place == ["00003"]
    assert world.mapping["LastProcessingResult"] == "OK"
    assert world.run().batches == [["a", "b"], ["c"]]


def test_a_failing_batch_holds_its_shard_and_is_never_given_up_by_default() -> None:
    world = World(failing("a"))
    world.write("a", "b")
    world.run(40)
    assert len(world.batches) > 5
    assert {tuple(batch) for batch in world.batches} == {("a", "b")}
    assert world.place == [""]
    assert world.waited[:6] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert world.mapping["LastProcessingResult"] == "PROBLEM: Function call failed"


@pytest.mark.parametrize("refusal", [TooManyRequests("busy"), UnknownFunction("f")])
def test_what_did_not_run_costs_no_attempt(refusal: Exception) -> None:
    answers: list[Answer] = [refusal, refusal, Invocation("id", b"")]
    world = World(lambda _: answers.pop(0), MaximumRetryAttempts=0)
    world.write("a")
    world.run()
    assert len(world.batches) == 3
    assert world.place == ["00001"]


def test_records_beyond_their_age_are_discarded_and_told() -> None:
    """Page "Retain discarded batch records for a DynamoDB event source in Lambda"."""
    destination = {"OnFailure": {"Destination": QUEUE}}
    world = World(failing("old"), MaximumRecordAgeInSeconds=60, DestinationConfig=destination)
    world.write("old", "older")
    world.now += 59
    world.write("young")
    world.run()
    assert world.batches[0] == ["old", "older", "young"]
    assert world.batches[-1] == ["young"]
    ((target, record),) = world.told
    place = record["DDBStreamBatchInfo"]
    assert (target, place["batchSize"], place["endSequenceNumber"]) == (QUEUE, 2, "00002")
    assert world.place == ["00003"]


def test_a_destination_that_is_gone_is_told_and_the_stream_goes_on() -> None:
    destination = {"OnFailure": {"Destination": QUEUE}}
    world = World(failing("a"), MaximumRetryAttempts=0, BatchSize=1, DestinationConfig=destination)

    async def refuse(*_: Any) -> None:
        raise ValueError("no such queue")

    world.deliver = refuse  # type: ignore[method-assign]
    world.write("a", "b")
    world.run()
    assert world.batches == [["a"], ["b"]]
    assert world.told == [
        (f"Discarded records of {STREAM} could not be sent to {QUEUE}: no such queue", {})
    ]


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (b"", 0),
        (b"null", 0),
        (b"{}", 0),
        (b'{"batchItemFailures": []}', 0),
        (b'{"batchItemFailures": null}', 0),
        (b'{"batchItemFailures": [{"itemIdentifier": "00002"}]}', 2),
        (b'{"batchItemFailures": [{"itemIdentifier": "00003"}, {"itemIdentifier": "00002"}]}', 2),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', 3),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', 3),
        (b'{"batchItemFailures": [{"wrong": "00002"}]}', 3),
        (b'{"batchItemFailures": ["00002"]}', 3),
        (b'{"batchItemFailures": 1}', 3),
        (b"no json", 3),
        (b"[1]", 3),
    ],
)
def test_partial_answers(answer: bytes, failed: int) -> None:
    """failed: how many of three records come again."""
    answers = [Invocation("id", answer), Invocation("id", b"")]
    world = World(
        lambda _: answers.pop(0),
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumRetryAttempts=1,
    )
    world.write("a", "b", "c")
    world.run()
    assert [len(batch) for batch in world.batches] == [3, failed] if failed else [3]
    assert world.place == ["00003"]


def test_bisecting_at_a_reported_record_costs_no_retry() -> None:
    def report(batch: list[str]) -> Answer:
        bad = [n for n in batch if n.startswith("bad")]
        items = [{"itemIdentifier": f"{int(n[3:]):05d}"} for n in bad]
        return Invocation("id", json.dumps({"batchItemFailures": items}).encode())

    world = World(
        report,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=0,
    )
    world.write("a", "bad2", "c", "d")
    world.run()
    assert world.batches == [["a", "bad2", "c", "d"], ["bad2", "c", "d"], ["bad2"], ["c", "d"]]


def test_lanes_share_a_shard_by_key() -> None:
    world = World(ParallelizationFactor=3)
    keys = [f"key{n}" for n in range(9)]
    for number in range(4):
        for key in keys:
            world.write(f"{key}/{number}", key=key)
    world.run()
    for batch in world.batches:
        assert len({choose_lane(name.partition("/")[0], 3) for name in batch}) == 1
    names = [name for batch in world.batches for name in batch]
    assert sorted(names) == sorted(record["name"] for record in world.records)
    assert world.place == ["00036"] * 3


def test_another_number_of_lanes_skips_nothing() -> None:
    world = World(ParallelizationFactor=2)
    world.positions.set("m/shard", ["00001", "00003"])
    world.write("a", "b", "c", "d", key="x")
    world.mapping["ParallelizationFactor"] = 1
    world.run()
    assert world.batches == [["b", "c", "d"]]


def test_positions_survive_and_a_deleted_mapping_leaves_none() -> None:
    world = World()
    world.write("a")
    world.run()
    lines: list[bytes] = []
    world.positions.collect(lines)
    content = Content()
    content.apply(b"\n".join(lines) + b"\n")

    again = World(StartingPosition="LATEST")
    again.positions.restore(content.groups)
    again.write("a", "b")
    assert again.run().batches == [["b"]]
    again.make_poller().forget("m")
    assert again.positions.list_keys() == []


def test_a_disabled_mapping_stops_and_goes_on_where_it_was() -> None:
    world = World(failing("a"))
    world.write("a")
    world.run(10)
    world.enabled = False
    count = len(world.batches)
    assert len(world.run().batches) == count
    world.enabled, world.handler = True, fine
    assert world.run().batches[-1] == ["a"]


@pytest.mark.parametrize(
    ("position", "batches"),
    [
        ("LATEST", [["new"]]),
        ("TRIM_HORIZON", [["a", "b", "new"]]),
        ("AT_TIMESTAMP", [["b", "new"]]),
    ],
)
def test_where_a_mapping_begins(position: str, batches: list[list[str]]) -> None:
    world = World(StartingPosition=position, StartingPositionTimestamp=1500.0)
    world.write("a")
    world.now = 1500.0
    world.write("b")
    (followed,) = world.follow()
    world.make_poller().place(followed.settings, followed.shards)
    world.write("new")
    assert world.run().batches == batches


def test_a_window_waits_for_a_full_batch() -> None:
    world = World(MaximumBatchingWindowInSeconds=30, BatchSize=2)
    world.write("a")

    async def play() -> None:
        poller = world.make_poller()
        poller.poll()
        await asyncio.sleep(0)
        assert world.batches == []
        world.now += 30
        poller.poll()
        await asyncio.sleep(0)
        assert world.batches == [["a"]]
        world.write("b", "c", "d")
        for _ in range(5):
            poller.poll()
            await asyncio.sleep(0)
        await poller.close()

    asyncio.run(asyncio.wait_for(play(), 10))
    assert world.batches == [["a"], ["b", "c"]]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"StartingPosition": None}, "StartingPosition is required"),
        ({"StartingPosition": "AT_TIMESTAMP"}, "Unsupported starting position"),
        ({"ParallelizationFactor": 11}, "ParallelizationFactor must be between 1 and 10"),
        ({"MaximumRetryAttempts": -2}, "between -1 and 10000"),
        ({"TumblingWindowInSeconds": 5}, "no tumbling windows"),
    ],
)
def test_what_lambda_refuses(wrong: dict[str, Any], word: str) -> None:
    asked = {"EventSourceArn": STREAM, "StartingPosition": "LATEST"}
    assert check_mapping(asked) is None
    assert word in (check_mapping({**asked, **wrong}) or "")


def test_defaults_are_those_of_streams() -> None:
    mapping: dict[str, Any] = {"BatchSize": 7}
    complete_mapping(mapping, {"StartingPositionTimestamp": "5"})
    assert mapping["BatchSize"] == 7
    assert mapping["MaximumRetryAttempts"] == -1
    assert mapping["StartingPositionTimestamp"] == 5.0
    assert format_time(1573690429.717) == "2019-11-14T00:13:49.717Z"


def test_a_broken_mapping_does_not_hold_the_others() -> None:
    world, broken = World(), World(UUID="broken")

    def refuse(_: list[dict[str, Any]]) -> list[dict[str, Any]]:
        raise ValueError("a filter that cannot be read")

    def follow() -> Iterator[Followed]:
        for found in broken.follow():
            yield Followed(found.mapping, found.settings, found.shards, refuse)
        yield from world.follow()

    async def play() -> None:
        poller = StreamPoller(
            follow=follow,
            invoke=world.invoke,
            deliver=world.deliver,
            report=lambda text: None,
            positions=world.positions,
        )
        poller.poll()
        await asyncio.sleep(0)
        await poller.close()

    broken.write("x")
    world.write("a")
    asyncio.run(asyncio.wait_for(play(), 10))
    assert world.batches == [["a"]]


def test_nothing_new_begins_when_a_batch_ends_while_the_poller_stops() -> None:
    world = World(BatchSize=1)
    world.write("a", "b")

    async def play() -> None:
        poller = world.make_poller()
        poller.poll()
        await asyncio.sleep(0)  # the first batch is done, and nobody was told yet
        assert world.batches == [["a"]]
        await poller.close()
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(play(), 10))
    assert world.batches == [["a"]]


def test_a_batch_stays_within_what_an_invocation_takes() -> None:
    world = World()
    world.write("a", "b", key="k" * 3_000_000)
    world.write("c")
    world.run()
    assert world.batches == [["a"], ["b", "c"]]


def test_a_record_that_no_invocation_takes_is_given_up_like_one_that_fails() -> None:
    world = World(
        lambda batch: PayloadTooLarge("too large") if "a" in batch else fine(batch),
        BatchSize=1,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": QUEUE}},
    )
    world.write("a", "b")
    world.run()
    assert world.batches == [["a"], ["a"], ["b"]]
    ((where, record),) = world.told
    assert (where, record["requestContext"]["condition"]) == (QUEUE, "RetryAttemptsExhausted")


def test_text_that_no_function_can_read_does_not_hold_the_stream() -> None:
    world = World(BatchSize=1)
    world.write("half \ud800", "b")
    world.run()
    assert world.batches == [["half ?"], ["b"]]
