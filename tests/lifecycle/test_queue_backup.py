"""A queue with messages goes only by name, and its messages can be sent again from the backup."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.lifecycle.applications import Application
from tests.lifecycle.small import DEFINITION, REFUSED, SOURCE

pytestmark = pytest.mark.slow

QUEUES = """
resources:
  Dead:
    Type: AWS::SQS::Queue
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      RedrivePolicy: {deadLetterTargetArn: {"Fn::GetAtt": [Dead, Arn]}, maxReceiveCount: 2}
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: orders-1.fifo
      FifoQueue: true
"""
JOBS = QUEUES[QUEUES.index("  Jobs:") : QUEUES.index("  Orders:")]
EXTRA = REFUSED.removeprefix("\nresources:\n")


@pytest.fixture
def app(write_app: Callable[..., Application]) -> Application:
    application = write_app(DEFINITION, SOURCE)
    application.add(QUEUES)
    application.apply()
    return application


def find_queue(app: Application, logical_id: str) -> str:
    found = app.aws().cloudformation.describe_stack_resource(
        StackName="small-local-app", LogicalResourceId=logical_id
    )
    return found["StackResourceDetail"]["PhysicalResourceId"]


def receive(app: Application, queue: str) -> list[dict[str, Any]]:
    answer = app.aws().sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    )
    return list(answer.get("Messages", []))


def read_backup(app: Application, name: str) -> list[dict[str, Any]]:
    place = app.fairway("history", "--json").expect().json()["releases"][0]["backups"][name]
    bucket, _, key = place.removeprefix("s3://").partition("/")
    body = app.aws().s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def test_deleting_one_with_messages(app: Application) -> None:
    sqs, jobs = app.aws().sqs, find_queue(app, "Jobs")
    value = {"raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"}}
    for number in range(12):
        sqs.send_message(QueueUrl=jobs, MessageBody=f"job {number}", MessageAttributes=value)
    sqs.send_message(QueueUrl=jobs, MessageBody="later", DelaySeconds=600)
    app.replace(JOBS, "")
    refused = app.fairway("apply", "--yes").expect(1)
    assert "would delete Jobs (holds messages); nothing was changed" in refused.err
    assert len(receive(app, jobs)) == 10

    for message in receive(app, jobs):  # the two that the first reading left
        sqs.change_message_visibility(
            QueueUrl=jobs, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    done = app.fairway("apply", "--yes", "--delete", "Jobs").expect()
    assert "Jobs: 2 messages are backed up as s3://" in done.err
    assert "a trial restore brought all of them back" in done.err
    assert "not in it: 10 in flight, read by somebody else, 1 delayed" in done.err
    names = [url.rsplit("/", 1)[-1] for url in sqs.list_queues()["QueueUrls"]]
    assert not [name for name in names if "Jobs" in name or "trial" in name]
    lines = read_backup(app, "Jobs")
    assert {line["send"]["MessageBody"] for line in lines} == {"job 10", "job 11"}
    assert lines[0]["send"]["MessageAttributes"]["raw"]["BinaryValue"] == "AAE="


def test_a_replaced_one_with_an_order(app: Application) -> None:
    sqs, orders = app.aws().sqs, find_queue(app, "Orders")
    for group, number in (("a", 1), ("b", 1), ("a", 2), ("a", 3)):
        sqs.send_message(
            QueueUrl=orders,
            MessageBody=f"{group}{number}",
            MessageGroupId=group,
            MessageDeduplicationId=f"{group}{number}",
        )
    app.replace("orders-1.fifo", "orders-2.fifo")
    assert "--replace Orders" in app.fairway("apply", "--yes").expect(1).err
    done = app.fairway("apply", "--yes", "--replace", "Orders").expect()
    assert "Orders: 4 messages are backed up as s3://" in done.err
    fresh = find_queue(app, "Orders")
    assert fresh != orders
    assert receive(app, fresh) == []
    # Each line is what SendMessage takes: the way back that the pages tell.
    for line in read_backup(app, "Orders"):
        sqs.send_message(QueueUrl=fresh, **line["send"])
    assert [m["Body"] for m in receive(app, fresh)] == ["a1", "b1", "a2", "a3"]


def test_an_order_that_cannot_be_read_to_its_end_stays(app: Application) -> None:
    sqs, orders = app.aws().sqs, find_queue(app, "Orders")
    for number in range(12):
        sqs.send_message(
            QueueUrl=orders,
            MessageBody=f"{number}",
            MessageGroupId="a",
            MessageDeduplicationId=f"{number}",
        )
    app.replace(QUEUES[QUEUES.index("  Orders:") :], "")
    refused = app.fairway("apply", "--yes", "--delete", "Orders").expect(1)
    assert "2 messages of Orders cannot be backed up, so it was not touched" in refused.err
    assert f"aws sqs purge-queue --queue-url {orders}" in refused.err
    assert [m["Body"] for m in receive(app, orders)] == [str(number) for number in range(10)]
    # Worked off, as the hint says: the same command goes on.
    sqs.purge_queue(QueueUrl=orders)
    app.fairway("apply", "--yes", "--delete", "Orders").expect()


def test_after_a_failure_all_are_there_for_others(app: Application) -> None:
    sqs, jobs, dead = app.aws().sqs, find_queue(app, "Jobs"), find_queue(app, "Dead")
    for body in ("tried", "fresh"):
        sqs.send_message(QueueUrl=jobs, MessageBody=body)
        if body == "tried":
            (message,) = receive(app, jobs)
            sqs.change_message_visibility(
                QueueUrl=jobs, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
    app.replace(JOBS, EXTRA)
    failed = app.fairway("apply", "--yes", "--delete", "Jobs").expect(1)
    assert "bucket does not exist" in failed.err
    assert "Jobs: 2 messages are visible again, counted as read once more" in failed.err
    assert "1 of them had been read as often as the queue allows and were sent anew" in failed.err
    # Our reading took nobody's turn: both can be read, and neither is a dead letter.
    assert {m["Body"] for m in receive(app, jobs)} == {"tried", "fresh"}
    assert receive(app, dead) == []


def test_all_of_them_with_the_application(app: Application) -> None:
    """What SQS moves to the dead-letter queue while its source is read is in a backup too."""
    sqs, jobs = app.aws().sqs, find_queue(app, "Jobs")
    sqs.send_message(QueueUrl=jobs, MessageBody="spent")
    for _ in range(2):
        (message,) = receive(app, jobs)
        sqs.change_message_visibility(
            QueueUrl=jobs, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    sqs.send_message(QueueUrl=jobs, MessageBody="good")
    done = app.fairway("destroy", "--yes", "--delete", "Jobs").expect()
    assert "Jobs: 1 message is backed up" in done.err
    assert "Dead: 1 message is backed up" in done.err
    assert [line["send"]["MessageBody"] for line in read_backup(app, "Dead")] == ["spent"]
