"""DynamoDB: definitions with the service's other records, items one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from fairway.cloud.control.durable.records import (
    clear,
    decode_many,
    encode_name,
    put,
    remove,
)
from fairway.cloud.control.durable.stores import Encode, State
from fairway.cloud.control.journal_format import Groups

STORE = b"dynamodb.items"
DERIVED = frozenset({"items", "_index_members", "ItemCount", "TableSizeBytes"})
_STORES = (
    "tags",
    "ttl_settings",
    "pitr_settings",
    "kinesis_destinations",
    "contributor_insights",
    "backups",
    "resource_policies",
    "exports",
    "imports",
)

Table = dict[str, Any]


class Tables:
    """Follows every item of every table.

    The emulator stores and removes items in three functions; they are wrapped,
    and note which item after it changed. The value is read when it is written,
    so that an item written twice in one request is one record.
    """

    def __init__(self, dynamodb: Any, encode: Encode, hook: Any) -> None:
        self._dynamodb = dynamodb
        self._encode = encode
        self._hook = hook
        self._pending: dict[tuple[int, str, str], Table] = {}
        self._replaced: dict[int, Table] = {}
        self._known: dict[str, Table] = {}
        self._groups: dict[int, tuple[Table, bytes]] = {}

    def install(self, written: bool = True) -> None:
        """Wrap the functions that change items. written: the tables that exist are."""
        if written:
            tables = dict.values(self._dynamodb._tables._data)
            self._known = {str(table["TableArn"]): table for table in tables}
        set_item, remove_item = self._dynamodb._set_item, self._dynamodb._remove_item
        items_replaced = self._dynamodb._items_replaced
        pending, replaced = self._pending, self._replaced

        def set_and_note(table: Table, partition: str, sort: str, item: Any) -> Any:
            old = set_item(table, partition, sort, item)
            pending[(id(table), partition, sort)] = table
            return old

        def remove_and_note(table: Table, partition: str, sort: str) -> Any:
            old = remove_item(table, partition, sort)
            if old is not None:
                pending[(id(table), partition, sort)] = table
            return old

        def replaced_and_note(table: Table) -> None:
            items_replaced(table)
            replaced[id(table)] = table

        self._dynamodb._set_item = set_and_note
        self._dynamodb._remove_item = remove_and_note
        self._dynamodb._items_replaced = replaced_and_note

    def read(self) -> State:
        """The service's state without items."""
        tables = type(self._dynamodb._tables)()
        for key, table in list(self._dynamodb._tables._data.items()):
            tables._data[key] = {n: v for n, v in table.items() if n not in DERIVED}
        return {"tables": tables, **{n: getattr(self._dynamodb, f"_{n}") for n in _STORES}}

    def collect_tables(self, lines: list[bytes]) -> None:
        """Drop the items of tables that are gone, write those of tables that are new."""
        current = {str(t["TableArn"]): t for t in list(dict.values(self._dynamodb._tables._data))}
        for arn in self._known.keys() - current.keys():
            lines.append(clear(STORE, encode_name(arn)))
        for arn, table in current.items():
            if self._known.get(arn) is not table:
                self._replaced[id(table)] = table
        self._known = current
        self._groups.clear()

    def collect(self, lines: list[bytes]) -> None:
        """Add a record for every changed item. Call `collect_tables` first when it is due."""
        while self._replaced:
            self._rewrite(lines, self._replaced.popitem()[1])
        while self._pending:
            (_, partition, sort), table = self._pending.popitem()
            group = self._group_of(table)
            if group is None:
                continue  # the table is gone, and its items with it
            item = table["items"].get(partition, {}).get(sort)
            key = encode_name([partition, sort])
            if item is None:
                lines.append(remove(STORE, group, key))
            else:
                lines.append(put(STORE, group, key, self._encode(item).encode()))

    @property
    def has_pending(self) -> bool:
        """Whether `collect` has something to write."""
        return bool(self._pending or self._replaced)

    def _group_of(self, table: Table) -> bytes | None:
        found = self._groups.get(id(table))
        if found is None or found[0] is not table:
            arn = str(table["TableArn"])
            if self._known.get(arn) is not table:
                return None
            found = self._groups[id(table)] = (table, encode_name(arn))
        return found[1]

    def _rewrite(self, lines: list[bytes], table: Table) -> None:
        group = self._group_of(table)
        if group is None:
            return
        lines.append(clear(STORE, group))
        for partition, rows in list(table["items"].items()):
            for sort, item in list(rows.items()):
                key = encode_name([partition, sort])
                lines.append(put(STORE, group, key, self._encode(item).encode()))

    def fill(self, state: State, groups: Groups) -> None:
        """Put the kept items into the tables of a state that is about to be restored."""
        for table in dict.values(getattr(state.get("tables"), "_data", {})):
            rows = groups.get((STORE, encode_name(str(table["TableArn"]))), {})
            table["items"] = fill_items(rows, self._hook)
            table["ItemCount"] = len(rows)
            table["TableSizeBytes"] = len(rows) * 200  # as the emulator estimates it


def fill_items(rows: dict[bytes, bytes], hook: Callable[[Any], Any]) -> dict[str, dict[str, Any]]:
    """A table's items by partition and sort key."""
    items: dict[str, dict[str, Any]] = defaultdict(dict)
    # Only bytes need the hook, which makes parsing much slower.
    tagged = any(b'"__bytes__"' in value for value in rows.values())
    values = decode_many(rows.values(), hook if tagged else None)
    for (partition, sort), item in zip(decode_many(rows), values, strict=True):
        items[partition][sort] = item
    return items
