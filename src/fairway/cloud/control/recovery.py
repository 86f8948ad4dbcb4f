"""Point-in-time recovery of tables: a new table with the rows of an earlier moment.

ministack copies the rows of now, whichever time is asked for. Pages
"RestoreTableToPointInTime" and "Point-in-time backups for DynamoDB".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from fairway.cloud.control.durable.records import encode_name
from fairway.cloud.control.durable.tables import STORE, fill_items
from fairway.cloud.control.history import ROOM, History, Unreadable

Request = Mapping[str, Any]

LONGEST = 35 * 24 * 3600
"""Seconds that AWS keeps the changes of a table."""


def patch_recovery(history: History, clock: Callable[[], float] = time.time) -> None:
    """Restore tables from the journal, and say from when on that is possible."""
    from ministack.core import persistence
    from ministack.services import dynamodb

    update, describe = dynamodb._update_continuous_backups, dynamodb._describe_continuous_backups
    restore = dynamodb._restore_table_to_point_in_time

    def update_backups(data: Request) -> Any:
        name = dynamodb._normalize_table_name(data.get("TableName"))
        before = dynamodb._pitr_settings.get(name)
        answer = update(data)
        if answer[0] == 200 and dynamodb._pitr_settings.get(name):
            dynamodb._pitr_settings[name] = before or clock()  # so that it says since when
        return answer

    def describe_backups(data: Request) -> Any:
        name = dynamodb._normalize_table_name(data.get("TableName"))
        answer = describe(data)
        since = find_earliest(dynamodb, history, name, clock())
        if since is None:
            return answer
        told = dynamodb.json.loads(answer[2])
        shown = told["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        shown |= {"EarliestRestorableDateTime": since, "LatestRestorableDateTime": int(clock())}
        return dynamodb.json_response(told)

    def restore_table(data: Request) -> Any:
        name = data.get("SourceTableName") or data.get("SourceTableArn") or ""
        name = dynamodb._normalize_table_name(name)
        target = data.get("TargetTableName")
        if not target or target in dynamodb._tables or name not in dynamodb._tables:
            return restore(data)
        if not dynamodb._pitr_settings.get(name):
            code = "PointInTimeRecoveryUnavailableException"
            text = f"Point in time recovery is not enabled for table '{name}'"
            return dynamodb.error_response_json(code, text, 400)
        if data.get("UseLatestRestorableTime") or data.get("RestoreDateTime") is None:
            return restore(data)
        asked = float(data["RestoreDateTime"])
        since = find_earliest(dynamodb, history, name, clock())
        rows, text = None, ""
        if since is not None and since <= asked <= clock():
            group = encode_name(str(dynamodb._tables[name]["TableArn"]))
            try:
                rows = history.read_group((STORE, group), int(asked * 1000))
            except Unreadable as damaged:
                text = f"The journal file {damaged} is damaged, so that moment cannot be told"
        if rows is None:
            text = text or word_refusal(asked, since, clock())
            return dynamodb.error_response_json("InvalidRestoreTimeException", text, 400)
        items = fill_items(rows, persistence._json_object_hook)  # before anything is made
        answer = restore(data)
        if answer[0] == 200:
            made = dynamodb._tables[target]
            made["items"] = items
            dynamodb._items_replaced(made)
        return answer

    dynamodb._update_continuous_backups = update_backups
    dynamodb._describe_continuous_backups = describe_backups
    dynamodb._restore_table_to_point_in_time = restore_table


def find_earliest(dynamodb: Any, history: History, table: str, now: float) -> int | None:
    """The first second that a table can be restored to; None where there is none."""
    setting, begin = dynamodb._pitr_settings.get(table), history.find_earliest()
    if not setting or begin is None:
        return None
    record = dynamodb._tables.get(table) or {}
    # A state of before says only that it is enabled.
    since = float(record.get("CreationDateTime") or 0) if setting is True else float(setting)
    return -int(-max(since, begin / 1000, now - LONGEST) // 1)


def word_refusal(asked: float, since: int | None, now: float) -> str:
    """Why a time cannot be restored."""
    if since is None:
        return "There is no time yet that the table can be restored to"
    return (
        f"RestoreDateTime {_stamp(asked)} must be between the EarliestRestorableDateTime "
        f"{_stamp(since)} and the LatestRestorableDateTime {_stamp(now)}. The local cloud keeps "
        f"{ROOM // 1_000_000} MB of changes for this, whatever their age."
    )


def _stamp(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
