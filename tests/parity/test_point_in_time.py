"""Point-in-time recovery: rows as they were at a second, in a new table."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import Cloud
from tests.parity.test_durability import kill, open_cloud
from tests.waiting import wait_until

from fairway.cloud.launch import stop_cloud

pytestmark = pytest.mark.slow

PAGE = "Point-in-time backups for DynamoDB"


class Ledger:
    """A table, and its past."""

    def __init__(self, cloud: Cloud, *, protected: bool = True) -> None:
        self.client = cloud.client("dynamodb")
        self.name = f"l{uuid.uuid4().hex[:8]}"
        self.client.create_table(
            TableName=self.name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        if protected:
            self.protect(True)

    def protect(self, enabled: bool) -> None:
        self.client.update_continuous_backups(
            TableName=self.name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": enabled},
        )

    def put(self, key: str, value: str) -> None:
        item = {"id": {"S": key}, "value": {"S": value}, "bytes": {"B": value.encode()}}
        self.client.put_item(TableName=self.name, Item=item)

    def delete(self, key: str) -> None:
        self.client.delete_item(TableName=self.name, Key={"id": {"S": key}})

    def restore(self, at: int | None = None) -> dict[str, str]:
        """The rows of a new table that was restored to a second, or to now."""
        target = f"r{uuid.uuid4().hex[:8]}"
        when: dict[str, Any] = {"UseLatestRestorableTime": True}
        if at is not None:
            when = {"RestoreDateTime": datetime.fromtimestamp(at, UTC)}
        self.client.restore_table_to_point_in_time(
            SourceTableName=self.name, TargetTableName=target, **when
        )
        self.client.get_waiter("table_exists").wait(TableName=target)
        return self.read(target)

    def read(self, table: str) -> dict[str, str]:
        items = self.client.scan(TableName=table, ConsistentRead=True)["Items"]
        assert all(item["bytes"]["B"] == item["value"]["S"].encode() for item in items)
        return {item["id"]["S"]: item["value"]["S"] for item in items}

    def describe(self) -> dict[str, Any]:
        found = self.client.describe_continuous_backups(TableName=self.name)
        return dict(found["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"])


def pass_second() -> int:
    """Wait until a whole second, which is returned, lies behind all that was done before.

    By a tenth of a second and more: moments are known no better.
    """
    at = int(time.time() + 0.3) + 1
    wait_until(lambda: time.time() > at + 0.2, "the next second")
    return at


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".fairway"
    stop_cloud(tmp_path / ".fairway")


@holds(
    "DynamoDB",
    PAGE,
    "A table is restored to any second of its past, as a new table, also after a kill",
    "partial",
    "the past is as long as 64 MB of changes, and known to a tenth of a second; the new table "
    "is there at once",
)
def test_a_table_is_restored_to_a_second(directory: Path) -> None:
    cloud = open_cloud(directory)
    ledger = Ledger(cloud)
    ledger.put("a", "1")
    ledger.put("b", "1")
    first = pass_second()
    ledger.put("a", "2")
    ledger.delete("b")
    second = pass_second()
    ledger.put("c", "3")
    for key in ("a", "c"):
        ledger.delete(key)
    assert ledger.restore(first) == {"a": "1", "b": "1"}
    assert ledger.restore(second) == {"a": "2"}
    assert ledger.restore() == {}
    kill(cloud)
    ledger.client = open_cloud(directory).client("dynamodb")
    assert ledger.restore(first) == {"a": "1", "b": "1"}
    restored = ledger.restore(second)
    assert restored == {"a": "2"}


@holds("DynamoDB", PAGE, "A restored table is kept like any other")
def test_a_restored_table_survives(directory: Path) -> None:
    cloud = open_cloud(directory)
    ledger = Ledger(cloud)
    ledger.put("a", "1")
    at = pass_second()
    ledger.put("a", "2")
    ledger.client.restore_table_to_point_in_time(
        SourceTableName=ledger.name,
        TargetTableName="again",
        RestoreDateTime=datetime.fromtimestamp(at, UTC),
    )
    kill(cloud)
    ledger.client = open_cloud(directory).client("dynamodb")
    assert ledger.read("again") == {"a": "1"}
    assert ledger.read(ledger.name) == {"a": "2"}


@holds(
    "DynamoDB", "RestoreTableToPointInTime", "A time outside of the table's past is refused with it"
)
def test_a_time_that_cannot_be_reached_is_refused(cloud: Cloud) -> None:
    ledger = Ledger(cloud)
    ledger.put("a", "1")
    since = pass_second()
    told = ledger.describe()
    earliest = told["EarliestRestorableDateTime"].timestamp()
    assert since - 5 < earliest <= since
    assert abs(told["LatestRestorableDateTime"].timestamp() - time.time()) < 60
    for asked in (earliest - 60, time.time() + 3600):
        with pytest.raises(ClientError) as refused:
            ledger.restore(int(asked))
        assert refused.value.response["Error"]["Code"] == "InvalidRestoreTimeException"
        assert "EarliestRestorableDateTime" in refused.value.response["Error"]["Message"]


@holds("DynamoDB", PAGE, "The past begins when recovery is enabled, and ends when it is disabled")
def test_recovery_must_be_enabled(cloud: Cloud) -> None:
    ledger = Ledger(cloud, protected=False)
    ledger.put("a", "1")
    before = pass_second()
    with pytest.raises(ClientError, match="PointInTimeRecoveryUnavailableException"):
        ledger.restore()
    ledger.protect(True)
    enabled = pass_second()
    with pytest.raises(ClientError, match="InvalidRestoreTimeException"):
        ledger.restore(before - 1)
    ledger.put("a", "2")
    assert ledger.restore(enabled) == {"a": "1"}
    ledger.protect(True)
    assert ledger.restore(enabled) == {"a": "1"}
    ledger.protect(False)
    assert "EarliestRestorableDateTime" not in ledger.describe()
    with pytest.raises(ClientError, match="PointInTimeRecoveryUnavailableException"):
        ledger.restore(enabled)


def test_a_damaged_journal_is_never_restored_from(directory: Path) -> None:
    ledger = Ledger(open_cloud(directory))
    ledger.put("a", "before")
    first = pass_second()
    ledger.put("b", "other")
    pass_second()
    ledger.put("a", "damaged")
    second = pass_second()
    (segment,) = (
        path for path in (directory / "state/journal").glob("*.log") if spoil(path, b"damaged")
    )
    with pytest.raises(ClientError, match="InvalidRestoreTimeException") as refused:
        ledger.restore(second)
    assert f"{segment.name} is damaged" in refused.value.response["Error"]["Message"]
    assert ledger.client.list_tables()["TableNames"] == [ledger.name]
    assert ledger.restore(first) == {"a": "before"}


def spoil(path: Path, word: bytes) -> bool:
    """Change a word where it stands; whether it does."""
    place = path.read_bytes().find(word)
    if place >= 0:
        with path.open("r+b") as file:
            file.seek(place)
            file.write(word.upper())
    return place >= 0
