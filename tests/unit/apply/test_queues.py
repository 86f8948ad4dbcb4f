"""Queues: read to the end, kept as they are, tried, and let go of without harm."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from tests.unit.apply.fakes import FakeS3
from tests.unit.apply.queue_fake import FakeQueue, FakeSqs

from fairway.apply.backup import BackingUp, Backup, find_filled, free_held, order_backups
from fairway.apply.queues import (
    describe_message,
    dump_lines,
    free_messages,
    hold_messages,
    load_lines,
)
from fairway.apply.stateful import QUEUE, Endangered, find_endangered
from fairway.apply.store import Store
from fairway.aws import Aws
from fairway.errors import DeploymentFailed
from fairway.plan.model import Action, Change, Plan, StackPlan
from fairway.plan.waiting import Pace


class FakeAws:
    def __init__(self) -> None:
        self.s3 = FakeS3()
        self.sqs = FakeSqs()

    def make_queue(self, name: str = "jobs", **attributes: str) -> str:
        return self.sqs.create_queue(name, attributes)["QueueUrl"]

    def send(self, queue: str, *bodies: str, **more: Any) -> None:
        for body in bodies:
            entry = {"Id": "0", "MessageBody": body, **more}
            self.sqs.send_message_batch(queue, [entry])

    @property
    def aws(self) -> Aws:
        return cast("Aws", self)

    def find(self, queue: str) -> FakeQueue:
        return self.sqs.find(queue)

    def list_visible(self, queue: str) -> list[str]:
        return [m.send["MessageBody"] for m in self.find(queue).messages if not m.hidden]


@pytest.fixture
def fake() -> FakeAws:
    return FakeAws()


def endanger(url: str, name: str = "jobs", action: Action = Action.DELETE) -> Endangered:
    change = Change(name, QUEUE, "", action, physical_id=url, keeps_old=action is Action.REPLACE)
    return Endangered(
        name, "delete" if action is Action.DELETE else "replace", change, "messages", True
    )


def back_up(
    fake: FakeAws, url: str, *, try_restore: bool = True, action: Action = Action.DELETE
) -> Backup:
    store = Store(fake.aws, "artifacts")
    way = BackingUp(store, "shop-prod-7", Pace(first=0, longest=0), try_restore)
    backup = way.back_up(endanger(url, action=action))
    assert backup is not None
    return backup


def read_backup(fake: FakeAws, backup: Backup) -> list[dict[str, Any]]:
    key = backup.place.removeprefix("s3://artifacts/")
    return load_lines(fake.s3.objects[key])


def test_all_that_waits_is_kept_in_the_order_it_was_sent(fake: FakeAws) -> None:
    url = fake.make_queue()
    bodies = [f"job {n}" for n in range(23)]
    fake.send(url, *bodies)
    backup = back_up(fake, url)
    assert backup.place == "s3://artifacts/backups/shop-prod-7/jobs.jsonl"
    assert (backup.count, backup.tried) == (23, True)
    # The fake's clock runs backwards, so that what counts is when it was sent.
    assert [line["send"]["MessageBody"] for line in read_backup(fake, backup)] == bodies[::-1]
    assert fake.list_visible(url) == []
    assert len(fake.find(url).messages) == 23
    assert [u for u in fake.sqs.deleted if "jobs-trial-" in u] == fake.sqs.deleted != []


def test_everything_that_belongs_to_a_message_is_kept(fake: FakeAws) -> None:
    url = fake.make_queue("orders.fifo", FifoQueue="true")
    values = {
        "kind": {"DataType": "String", "StringValue": "päkki"},
        "raw": {"DataType": "Binary.gz", "BinaryValue": b"\x00\xff\n"},
    }
    system = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-2"}}
    body = 'line\nbreak\u2028and "quotes"'
    fake.send(
        url,
        body,
        MessageAttributes=values,
        MessageGroupId="a",
        MessageDeduplicationId="once",
        MessageSystemAttributes=system,
    )
    backup = back_up(fake, url)
    assert backup.tried
    (line,) = read_backup(fake, backup)
    assert line["send"]["MessageBody"] == body
    assert line["send"]["MessageAttributes"]["raw"] == {
        "DataType": "Binary.gz",
        "BinaryValue": "AP8K",
    }
    assert line["send"]["MessageGroupId"] == "a"
    assert line["send"]["MessageDeduplicationId"] == "once"
    assert line["send"]["MessageSystemAttributes"] == system
    assert str(backup).startswith("jobs: 1 message is backed up as s3://artifacts/")
    assert str(backup).endswith(", and a trial restore brought it back")


def test_what_cannot_be_read_is_told(fake: FakeAws) -> None:
    url = fake.make_queue()
    fake.send(url, "busy", "later", "here")
    fake.find(url).messages[0].hidden = True
    fake.find(url).messages[1].delayed = True
    backup = back_up(fake, url)
    assert backup.count == 1
    assert backup.besides == "1 in flight, read by somebody else, 1 delayed"
    assert "; not in it: 1 in flight" in str(backup)


def test_what_a_killed_apply_read_is_pointed_to(fake: FakeAws) -> None:
    url = fake.make_queue()
    fake.send(url, "one")
    key = "backups/shop-prod-6/jobs.jsonl"
    fake.s3.objects[key] = dump_lines(hold_messages(fake.aws, url).describe())
    assert f"(see also s3://artifacts/{key})" in back_up(fake, url).besides


def test_a_group_hands_out_no_more_than_its_first(fake: FakeAws) -> None:
    url = fake.make_queue("orders.fifo", FifoQueue="true")
    for n in range(14):
        fake.send(url, f"a{n}", MessageGroupId="a", MessageDeduplicationId=f"a{n}")
    for n in range(3):
        fake.send(url, f"b{n}", MessageGroupId="b", MessageDeduplicationId=f"b{n}")
    with pytest.raises(DeploymentFailed, match="4 messages of jobs cannot be backed up") as refused:
        back_up(fake, url)
    assert refused.value.hint is not None
    assert refused.value.hint.endswith(f"`aws sqs purge-queue --queue-url {url}`")
    assert len(fake.list_visible(url)) == 17
    assert fake.s3.objects == {}
    # One that stays in the account beside the new one loses nothing.
    backup = back_up(fake, url, action=Action.REPLACE)
    kept = [line["send"]["MessageBody"] for line in read_backup(fake, backup)]
    assert kept == [*(f"a{n}" for n in range(10)), "b0", "b1", "b2"]
    assert backup.tried
    assert backup.besides == (
        "4 that came meanwhile or were not handed out, behind others of their group"
    )


def test_a_queue_with_more_than_may_be_in_flight(fake: FakeAws) -> None:
    url = fake.make_queue()
    fake.send(url, *(str(n) for n in range(30)))
    fake.find(url).limit = 25
    assert back_up(fake, url).besides == "5 that came meanwhile or were not handed out"


def test_a_queue_that_is_sent_to_without_end_is_not_read_without_end(fake: FakeAws) -> None:
    url = fake.make_queue()
    fake.send(url, "first")
    receive = fake.sqs.receive_message

    class Busy(FakeSqs):
        def receive_message(self, **given: Any) -> dict[str, Any]:  # type: ignore[override]
            fake.send(url, *(str(n) for n in range(10)))
            return receive(**given)

    busy = Busy()
    busy.queues = fake.sqs.queues
    fake.sqs = busy
    held = hold_messages(fake.aws, url)
    assert 1000 < len(held.messages) < 1100
    assert held.left > 0


def test_after_a_failure_others_can_read_again(fake: FakeAws) -> None:
    url = fake.make_queue()
    fake.send(url, *(str(n) for n in range(12)))
    backup = back_up(fake, url)
    assert free_held(fake.aws, [backup], failed=False) == []
    assert fake.list_visible(url) == []
    assert free_held(fake.aws, [backup], failed=True) == [
        "jobs: 12 messages are visible again, counted as read once more"
    ]
    assert len(fake.list_visible(url)) == 12


def test_a_queue_that_stays_beside_the_new_one_is_let_go_of(fake: FakeAws) -> None:
    url = fake.make_queue()
    fake.send(url, "one")
    way = BackingUp(Store(fake.aws, "artifacts"), "shop-prod-7", Pace(first=0), False)
    backup = way.back_up(endanger(url, action=Action.REPLACE))
    assert backup is not None
    (told,) = free_held(fake.aws, [backup], failed=False)
    assert told.startswith("jobs: 1 message is visible again")
    assert fake.list_visible(url) == ["one"]


def test_a_queue_that_is_gone_has_nothing_to_let_go_of(fake: FakeAws) -> None:
    url = fake.make_queue()
    fake.send(url, "one")
    backup = back_up(fake, url)
    fake.sqs.delete_queue(url)
    assert free_held(fake.aws, [backup], failed=True) == []


def make_with_dead_letters(fake: FakeAws, most: int, **attributes: str) -> tuple[str, str]:
    end = ".fifo" if attributes else ""
    dead = fake.make_queue(f"dead{end}", **attributes)
    arn = fake.find(dead).attributes["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": most})
    return fake.make_queue(f"jobs{end}", RedrivePolicy=policy, **attributes), dead


def test_our_reading_does_not_make_a_message_a_dead_letter(fake: FakeAws) -> None:
    url, dead = make_with_dead_letters(fake, 2)
    fake.send(url, "tried once", "fresh")
    fake.find(url).messages[0].receives = 1
    backup = back_up(fake, url)
    (told,) = free_held(fake.aws, [backup], failed=True)
    assert "1 of them had been read as often as the queue allows and were sent anew" in told
    again = fake.sqs.receive_message(url, 10, 30)["Messages"]
    assert sorted(m["Body"] for m in again) == ["fresh", "tried once"]
    assert fake.list_visible(dead) == []


def test_in_a_fifo_queue_the_order_comes_first(fake: FakeAws) -> None:
    url, _ = make_with_dead_letters(fake, 1, FifoQueue="true")
    fake.send(url, "one", MessageGroupId="a", MessageDeduplicationId="1")
    told = free_messages(fake.aws, hold_messages(fake.aws, url))
    assert "the next reading moves them to its dead-letter queue" in told
    assert fake.list_visible(url) == ["one"]


def test_a_dead_letter_queue_is_read_after_its_own(fake: FakeAws) -> None:
    url, dead = make_with_dead_letters(fake, 1)
    both = [endanger(dead, "dead"), endanger(url)]
    assert [e.name for e in order_backups(fake.aws, both)] == ["jobs", "dead"]


def test_a_dead_letter_queue_that_reading_fills_is_found(fake: FakeAws) -> None:
    url, dead = make_with_dead_letters(fake, 1)
    fake.send(url, "spent", "good")
    fake.find(url).messages[0].receives = 1
    changes = tuple(endanger(u, n).change for u, n in ((url, "jobs"), (dead, "dead")))
    stack = StackPlan("shop-prod-app", None, None, {}, changes)
    plan = Plan("shop", "prod", "eu-west-1", None, (stack,), (), compared=True)
    before = find_endangered(plan, fake.aws)
    assert [e.name for e in before] == ["jobs"]
    back_up(fake, url)
    after = find_endangered(plan, fake.aws)
    assert [e.name for e in find_filled(after, before)] == ["dead"]


def test_a_trial_that_gives_back_other_messages_stops_it(fake: FakeAws) -> None:
    url = fake.make_queue()
    fake.send(url, "one", "two")

    class Forgetful(FakeSqs):
        def send_message_batch(
            self, QueueUrl: str, Entries: list[dict[str, Any]]
        ) -> dict[str, Any]:
            return super().send_message_batch(QueueUrl, Entries[:1])

    forgetful = Forgetful()
    forgetful.queues = fake.sqs.queues
    fake.sqs = forgetful
    with pytest.raises(DeploymentFailed, match="did not give back the messages"):
        back_up(fake, url)
    assert sorted(fake.list_visible(url)) == ["one", "two"]
    assert [name for name in fake.sqs.queues if "trial" in name] == []


def test_a_name_that_is_as_long_as_can_be(fake: FakeAws) -> None:
    url = fake.make_queue("q" * 75 + ".fifo", FifoQueue="true")
    fake.send(url, "one", MessageGroupId="a", MessageDeduplicationId="1")
    assert back_up(fake, url).tried


def test_lines_are_one_a_message() -> None:
    message = {"MessageId": "1", "ReceiptHandle": "r", "Body": "a\nb\u2028c", "Attributes": {}}
    body = dump_lines([describe_message(message)] * 2)
    assert body.count(b"\n") == 2
    assert [line["send"]["MessageBody"] for line in load_lines(body)] == ["a\nb\u2028c"] * 2
