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


class NotRestorable(Exception):
    """A time that a table cannot be restored to; the text says why."""


def patch_recovery(history: History, clock: Callable[[], float] = time.time) -> None:
    """Restore tables from the journal, and say from when on that is possible."""
    from ministack.services import dynamodb

    recovery = Recovery(dynamodb, history, clock)
    dynamodb._update_continuous_backups = recovery.update_backups
    dynamodb._describe_continuous_backups = recovery.describe_backups
    dynamodb._restore_table_to_point_in_time = recovery.restore_table


class Recovery:
    """Operations of ministack's module `dynamodb`, around its own of the same names.

    history: the rows of before. clock: seconds since the epoch.
    """

    def __init__(self, dynamodb: Any, history: History, clock: Callable[[], float]) -> None:
        self._dynamodb = dynamodb
        self._history = history
        self._clock = clock
        self._update = dynamodb._update_continuous_backups
        self._describe = dynamodb._describe_continuous_backups
        self._restore = dynamodb._restore_table_to_point_in_time

    def update_backups(self, data: Request) -> Any:
        """UpdateContinuousBackups; what it enables says since when."""
        name = self._dynamodb._normalize_table_name(data.get("TableName"))
        settings = self._dynamodb._pitr_settings
        before = settings.get(name)
        answer = self._update(data)
        if answer[0] == 200 and settings.get(name):
            settings[name] = before or self._clock()
        return answer

    def describe_backups(self, data: Request) -> Any:
        """DescribeContinuousBackups, with the times between which a table can be restored."""
        name = self._dynamodb._normalize_table_name(data.get("TableName"))
        answer = self._describe(data)
        since = self._find_earliest(name)
        if since is None:
            return answer
        told = self._dynamodb.json.loads(answer[2])
        shown = told["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        latest = int(self._clock())
        shown |= {"EarliestRestorableDateTime": since, "LatestRestorableDateTime": latest}
        return self._dynamodb.json_response(told)

    def restore_table(self, data: Request) -> Any:
        """RestoreTableToPointInTime; the rows of now are ministack's to copy."""
        name = data.get("SourceTableName") or data.get("SourceTableArn") or ""
        name = self._dynamodb._normalize_table_name(name)
        target, tables = data.get("TargetTableName"), self._dynamodb._tables
        if not target or target in tables or name not in tables:
            return self._restore(data)  # it says what is wrong
        if not self._dynamodb._pitr_settings.get(name):
            text = f"Point in time recovery is not enabled for table '{name}'"
            return self._refuse("PointInTimeRecoveryUnavailableException", text)
        if data.get("UseLatestRestorableTime") or data.get("RestoreDateTime") is None:
            return self._restore(data)
        try:
            items = self._read_items(name, float(data["RestoreDateTime"]))  # before any is made
        except NotRestorable as error:
            return self._refuse("InvalidRestoreTimeException", str(error))
        answer = self._restore(data)
        if answer[0] == 200:
            made = tables[target]
            made["items"] = items
            self._dynamodb._items_replaced(made)
        return answer

    def _read_items(self, table: str, asked: float) -> Any:
        """The rows of a table at a time, as ministack holds them. Raises NotRestorable."""
        from ministack.core import persistence

        since, now = self._find_earliest(table), self._clock()
        rows = None
        if since is not None and since <= asked <= now:
            group = encode_name(str(self._dynamodb._tables[table]["TableArn"]))
            try:
                rows = self._history.read_group((STORE, group), int(asked * 1000))
            except Unreadable as damaged:
                text = f"The journal file {damaged} is damaged, so that moment cannot be told"
                raise NotRestorable(text) from damaged
        if rows is None:
            raise NotRestorable(word_refusal(asked, since, now))
        return fill_items(rows, persistence._json_object_hook)

    def _find_earliest(self, table: str) -> int | None:
        """The first second that a table can be restored to; None where there is none."""
        setting, begin = self._dynamodb._pitr_settings.get(table), self._history.find_earliest()
        if not setting or begin is None:
            return None
        record = self._dynamodb._tables.get(table) or {}
        # A state of before says only that it is enabled.
        since = float(record.get("CreationDateTime") or 0) if setting is True else float(setting)
        return -int(-max(since, begin / 1000, self._clock() - LONGEST) // 1)

    def _refuse(self, code: str, text: str) -> Any:
        return self._dynamodb.error_response_json(code, text, 400)


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
