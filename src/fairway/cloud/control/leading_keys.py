"""The condition key dynamodb:LeadingKeys, which ministack does not set: a policy on it allowed all.

Amazon DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access
control": the partition key values that a request names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

Request = dict[str, Any]
FindKey = Callable[[str], str | None]
"""The name of a table's partition key; None when there is no such table."""


def list_leading_keys(request: Request, find_key: FindKey) -> list[str]:
    """The partition key values of a DynamoDB request's body, in order."""
    found = []
    for table, part in _list_parts(request):
        key = find_key(table)
        if key is not None:
            found += [text for text in _read_values(part, key) if text is not None]
    return found


def _list_parts(request: Request) -> Iterator[tuple[str, Request]]:
    """Each table's name with what addresses rows of it."""
    if "TableName" in request:
        yield str(request["TableName"]), request
    for table, asked in (request.get("RequestItems") or {}).items():
        if isinstance(asked, dict):  # BatchGetItem
            for key in asked.get("Keys") or []:
                yield table, {"Key": key}
            continue
        for one in asked:  # BatchWriteItem
            for part in one.values():
                yield table, part
    for one in request.get("TransactItems") or []:
        for part in one.values():
            yield str(part.get("TableName")), part


def _read_values(part: Request, key: str) -> Iterator[str | None]:
    for member in ("Key", "Item"):
        if key in (part.get(member) or {}):
            yield _read_scalar(part[member][key])
    names = part.get("ExpressionAttributeNames") or {}
    values = part.get("ExpressionAttributeValues") or {}
    expression = str(part.get("KeyConditionExpression") or "")
    for name, value in re.findall(r"([#\w.-]+)\s*=\s*(:\w+)", expression):
        if names.get(name, name) == key:
            yield _read_scalar(values.get(value))
    condition = (part.get("KeyConditions") or {}).get(key) or {}
    for value in condition.get("AttributeValueList") or []:
        yield _read_scalar(value)


def _read_scalar(value: Any) -> str | None:
    if not isinstance(value, dict) or not value:
        return None
    return str(next(iter(value.values())))
