"""A backup of what a plan takes away, made first; where it is asked for, its restore is tried."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from fairway.apply.stack_operation import Pace
from fairway.apply.stateful import Endangered
from fairway.apply.store import Store
from fairway.aws import Aws, explain_client_error
from fairway.errors import DeploymentFailed

_LONGEST_NAME = 255  # "Naming rules": a table's name


@dataclass(frozen=True)
class Backup:
    """A finished backup. place: its ARN, or where its objects lie in the artifact bucket.

    count: how many rows or objects it has; tried: whether they were restored and counted.
    """

    name: str
    place: str
    count: int
    what: str
    tried: bool

    def __str__(self) -> str:
        tried = ", and a trial restore brought all of them back" if self.tried else ""
        return f"{self.name}: {self.count} {self.what} are backed up as {self.place}{tried}"


@dataclass(frozen=True)
class BackingUp:
    """How backups are made. label: part of their names. try_restore: into a scratch table."""

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
                hint="the credentials need dynamodb:CreateBackup and the like, or s3:GetObject",
            ) from error

    @property
    def aws(self) -> Aws:
        """The clients."""
        return self.store.aws


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
    suffix = f"-trial-{hashlib.sha256(arn.encode()).hexdigest()[:8]}"
    scratch = table[: _LONGEST_NAME - len(suffix)] + suffix
    dynamodb.restore_table_from_backup(TargetTableName=scratch, BackupArn=arn)
    try:
        _wait(
            way,
            lambda: dynamodb.describe_table(TableName=scratch)["Table"]["TableStatus"] == "ACTIVE",
        )
        return _count_rows(way.aws, scratch)
    finally:
        dynamodb.delete_table(TableName=scratch)


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


def _wait(way: BackingUp, holds: Callable[[], bool]) -> None:
    for _ in way.pace.beats():
        if holds():
            return


_MAKERS: dict[str, Callable[[BackingUp, Endangered], Backup]] = {
    "AWS::DynamoDB::GlobalTable": _back_up_table,
    "AWS::DynamoDB::Table": _back_up_table,
    "AWS::S3::Bucket": _back_up_bucket,
}
