"""A backup of what a plan takes away, made first; where it is asked for, its restore is tried."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from fairway.apply.queues import (
    HIDDEN_SECONDS,
    Held,
    dump_lines,
    find_dead_letters,
    free_messages,
    free_quietly,
    hold_messages,
    load_lines,
    read_attributes,
    try_lines,
)
from fairway.apply.stateful import QUEUE, Endangered
from fairway.apply.store import Store
from fairway.aws import Aws, explain_client_error
from fairway.errors import DeploymentFailed
from fairway.plan.waiting import Pace

_LONGEST_NAME = 255  # "Naming rules": a table's name
_LONGEST_QUEUE = 80  # "Amazon SQS standard queue quotas": a queue's name
_ONE = {"rows": "row", "objects": "object", "messages": "message"}


@dataclass(frozen=True)
class Backup:
    """A finished backup. place: its ARN, or where it lies in the artifact bucket.

    count: how many rows, objects or messages it has; tried: whether they were restored and
    compared. besides: what is not in it, in words. held: messages that are hidden meanwhile.
    old_stays: whether what was backed up stays in the account all the same.
    """

    name: str
    place: str
    count: int
    what: str
    tried: bool
    besides: str = ""
    held: Held | None = field(default=None, repr=False, compare=False)
    old_stays: bool = False

    def __str__(self) -> str:
        are = f"{_ONE[self.what]} is" if self.count == 1 else f"{self.what} are"
        text = f"{self.name}: {self.count} {are} backed up as {self.place}"
        if self.tried and self.count:
            back = "it" if self.count == 1 else "all of them"
            text += f", and a trial restore brought {back} back"
        return f"{text}; not in it: {self.besides}" if self.besides else text


@dataclass(frozen=True)
class BackingUp:
    """How backups are made. label: part of their names. try_restore: into a scratch resource."""

    store: Store
    label: str
    pace: Pace
    try_restore: bool

    def back_up(self, endangered: Endangered) -> Backup | None:
        """Back one resource up; None when there is no way to. Raises DeploymentFailed."""
        from botocore.exceptions import ClientError

        make = _MAKERS.get(endangered.change.resource_type)
        if make is None:
            return None
        try:
            return make(self, endangered)
        except ClientError as error:
            raise DeploymentFailed(
                f"{endangered.name} could not be backed up, so it was not touched: "
                f"{explain_client_error(error)}",
                hint="`fairway policy deploy` prints what the credentials must be allowed",
            ) from error

    @property
    def aws(self) -> Aws:
        """The clients."""
        return self.store.aws


def free_held(aws: Aws, backups: Collection[Backup], *, failed: bool) -> list[str]:
    """Make messages visible again where their queue stays; what became of them, in words.

    failed: whether the apply was, so that queues which were to go stay too.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    told = []
    for backup in backups:
        if backup.held is None or not (failed or backup.old_stays):
            continue
        try:
            became = free_messages(aws, backup.held)
        except (ClientError, BotoCoreError, DeploymentFailed) as error:
            became = (
                f"messages stay hidden for up to {HIDDEN_SECONDS // 60} minutes: "
                f"{explain_client_error(error)}"
            )
        if became:
            told.append(f"{backup.name}: {became}")
    return told


def order_backups(aws: Aws, endangered: Sequence[Endangered]) -> list[Endangered]:
    """In the order to back them up in: dead-letter queues after those that they are for.

    Reading a queue makes SQS move what was read too often before; it is to be in a backup still.
    """
    queues = {e.name: _read_queue(aws, e) for e in endangered if e.change.resource_type == QUEUE}
    targets = {find_dead_letters(attributes) for attributes in queues.values()} - {""}
    return sorted(endangered, key=lambda e: queues.get(e.name, {}).get("QueueArn") in targets)


def find_filled(found: Collection[Endangered], before: Collection[Endangered]) -> list[Endangered]:
    """Queues that hold something only since others were read. found: what is endangered now."""
    known = {e.change.physical_id for e in before}
    return [
        e for e in found if e.change.resource_type == QUEUE and e.change.physical_id not in known
    ]


def _read_queue(aws: Aws, endangered: Endangered) -> dict[str, str]:
    return read_attributes(aws, endangered.change.physical_id or "")


def _back_up_table(way: BackingUp, endangered: Endangered) -> Backup:
    table, dynamodb = endangered.change.physical_id or "", way.aws.dynamodb
    before = _count_rows(way.aws, table)
    arn = dynamodb.create_backup(TableName=table, BackupName=f"fairway-{way.label}")[
        "BackupDetails"
    ]["BackupArn"]
    _wait(
        way,
        lambda: (
            dynamodb.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"][
                "BackupStatus"
            ]
            == "AVAILABLE"
        ),
    )
    if way.try_restore:
        between = sorted((before, _count_rows(way.aws, table)))
        restored = _try_restore(way, table, arn)
        if not between[0] <= restored <= between[1]:
            raise DeploymentFailed(
                f"the backup of {endangered.name} gave back {restored} of {before} rows, so the "
                "table was not touched",
                hint="run the same command again; if it repeats, please report it",
            )
    return Backup(endangered.name, arn, before, "rows", way.try_restore)


def _try_restore(way: BackingUp, table: str, arn: str) -> int:
    """Restore into a scratch table, count its rows, and remove it."""
    dynamodb = way.aws.dynamodb
    scratch = _name_trial(table, arn, _LONGEST_NAME)
    dynamodb.restore_table_from_backup(TargetTableName=scratch, BackupArn=arn)
    try:
        _wait(
            way,
            lambda: dynamodb.describe_table(TableName=scratch)["Table"]["TableStatus"] == "ACTIVE",
        )
        return _count_rows(way.aws, scratch)
    finally:
        dynamodb.delete_table(TableName=scratch)


def _name_trial(name: str, place: str, longest: int, end: str = "") -> str:
    """A name of the same beginning, so that what may be done with the one may with the other."""
    suffix = f"-trial-{hashlib.sha256(place.encode()).hexdigest()[:8]}{end}"
    return name.removesuffix(end)[: longest - len(suffix)] + suffix


def _count_rows(aws: Aws, table: str) -> int:
    pages = aws.dynamodb.get_paginator("scan").paginate(TableName=table, Select="COUNT")
    return sum(page["Count"] for page in pages)


def _back_up_bucket(way: BackingUp, endangered: Endangered) -> Backup:
    """Copy the objects (their current versions) beside the releases."""
    bucket, s3 = endangered.change.physical_id or "", way.aws.s3
    place = f"backups/{way.label}/{bucket}/"
    count = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            key = place + item["Key"]
            s3.copy({"Bucket": bucket, "Key": item["Key"]}, way.store.bucket, key)
            size = s3.head_object(Bucket=way.store.bucket, Key=key)["ContentLength"]
            if size != item["Size"]:
                raise DeploymentFailed(
                    f"the backup of {item['Key']} in {endangered.name} has {size} of "
                    f"{item['Size']} bytes, so the bucket was not touched",
                    hint="run the same command again",
                )
            count += 1
    return Backup(
        endangered.name, f"s3://{way.store.bucket}/{place}", count, "objects", tried=False
    )


def _back_up_queue(way: BackingUp, endangered: Endangered) -> Backup:
    """Keep what waits as JSON, a message a line; it stays hidden until the queue is gone."""
    url = endangered.change.physical_id or ""
    held = hold_messages(way.aws, url)
    try:
        _require_whole(endangered, held, url)
        return _keep_messages(way, endangered, held, url.rsplit("/", 1)[-1])
    except BaseException:
        free_quietly(way.aws, held)
        raise


def _require_whole(endangered: Endangered, held: Held, url: str) -> None:
    """Raise DeploymentFailed for an order that cannot be read to its end, and would go with it."""
    if not held.is_fifo or not held.left or endangered.change.keeps_old:
        return
    what = "1 message" if held.left == 1 else f"{held.left} messages"
    raise DeploymentFailed(
        f"{what} of {endangered.name} cannot be backed up, so it was not touched: SQS hands them "
        "out only when others of their group are gone",
        hint="let the queue be worked off, then run the same command again; if they may be lost: "
        f"`aws sqs purge-queue --queue-url {url}`",
    )


def _keep_messages(way: BackingUp, endangered: Endangered, held: Held, queue: str) -> Backup:
    key, body = f"backups/{way.label}/{queue}.jsonl", dump_lines(held.describe())
    if not way.store.create(key, body):
        raise DeploymentFailed(
            f"s3://{way.store.bucket}/{key} is there already, so {endangered.name} was not touched",
            hint="run the same command again",
        )
    if way.try_restore and held.messages:
        stored = way.store.read(key)
        scratch = _name_trial(queue, key, _LONGEST_QUEUE, ".fifo" if held.is_fifo else "")
        lines = load_lines(stored.body if stored else b"")
        if len(lines) != len(held.messages) or not try_lines(
            way.aws, scratch, held, lines, way.pace
        ):
            raise DeploymentFailed(
                f"the backup of {endangered.name} did not give back the messages that went in, "
                "so the queue was not touched",
                hint="run the same command again; if it repeats, please report it",
            )
    return Backup(
        endangered.name,
        f"s3://{way.store.bucket}/{key}",
        len(held.messages),
        "messages",
        way.try_restore,
        _tell_besides(held, _find_earlier(way, key) if held.before.in_flight else ""),
        held,
        endangered.change.keeps_old,
    )


def _find_earlier(way: BackingUp, key: str) -> str:
    """The last backup of the same queue, by an apply that was killed and hides messages still."""
    begin, end = f"backups/{way.label.rpartition('-')[0]}-", f"/{key.rpartition('/')[2]}"
    aged = way.store.list_aged(begin)
    found = sorted((at, k) for k, at in aged.items() if k.endswith(end) and k != key)
    return f"s3://{way.store.bucket}/{found[-1][1]}" if found else ""


def _tell_besides(held: Held, earlier: str) -> str:
    """What the queue has, or had, beside what was read. earlier: where some of it may be."""
    why = ", behind others of their group" if held.is_fifo else ""
    busy = "in flight, read by somebody else"
    parts = [
        (held.before.in_flight, f"{busy} (see also {earlier})" if earlier else busy),
        (held.before.delayed, "delayed"),
        (held.left, f"that came meanwhile or were not handed out{why}"),
    ]
    return ", ".join(f"{count} {what}" for count, what in parts if count)


def _wait(way: BackingUp, holds: Callable[[], bool]) -> None:
    for _ in way.pace.beats():
        if holds():
            return


_MAKERS: dict[str, Callable[[BackingUp, Endangered], Backup]] = {
    "AWS::DynamoDB::GlobalTable": _back_up_table,
    "AWS::DynamoDB::Table": _back_up_table,
    "AWS::S3::Bucket": _back_up_bucket,
    QUEUE: _back_up_queue,
}
