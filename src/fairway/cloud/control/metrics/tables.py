"""AWS/DynamoDB: requests, their latency and what went wrong with them.

Page "DynamoDB Metrics and dimensions". Consumed capacity is left out: what a request
consumes is known only where it asks for it, and working it out for each write would
cost the write path more than it tells.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from fairway.cloud.control.metrics.funnel import Counted, Funnel
from fairway.cloud.control.metrics.measure import Measure, measure_repeated
from fairway.cloud.control.metrics.store import Metric, MetricStore, name_dimensions

_NAMESPACE = "AWS/DynamoDB"
_TABLE = re.compile(rb'"TableName"\s*:\s*"(?:arn:[^"/]*/)?([^"]+)"')
_COUNT = re.compile(rb'"Count"\s*:\s*(\d+)')
_OPERATIONS = frozenset(
    {
        "PutItem",
        "GetItem",
        "UpdateItem",
        "DeleteItem",
        "Query",
        "Scan",
        "BatchGetItem",
        "BatchWriteItem",
        "TransactGetItems",
        "TransactWriteItems",
        "ExecuteStatement",
    }
)


class _Asked(NamedTuple):
    """Requests with the same end. error: DynamoDB's code, or ""."""

    table: str
    operation: str
    status: int
    error: str
    counted: bool


class TableMetrics:
    """Counts requests for rows."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._asked: Funnel[_Asked] = Funnel(expand_asked, clock)

    def note(self, operation: str, body: bytes, status: int, answer: bytes, spent: float) -> None:
        """Count one request. spent: milliseconds."""
        if operation not in _OPERATIONS:
            return
        table = _TABLE.search(body)
        name = table[1].decode("utf-8", "replace") if table else ""
        error = ""
        if status >= 400:
            error = next((code for code in _ERRORS if code.encode() in answer[:300]), "other")
        rows = _COUNT.search(answer, max(0, len(answer) - 4096)) if status < 400 else None
        has_rows = operation in ("Query", "Scan") and rows is not None
        shape = _Asked(name, operation, status, error, has_rows)
        self._asked.note(shape, spent, float(rows[1]) if has_rows and rows else 0.0)

    def flush(self, store: MetricStore) -> None:
        """Put what was counted into the store."""
        self._asked.flush(store)


_ERRORS = {
    "ConditionalCheckFailedException": "ConditionalCheckFailedRequests",
    "ProvisionedThroughputExceededException": "ThrottledRequests",
    "ThrottlingException": "ThrottledRequests",
    "TransactionConflictException": "TransactionConflict",
}


def expand_asked(shape: _Asked, measures: tuple[Measure, ...]) -> Iterator[Counted]:
    """The metrics of requests with the same end."""
    spent, rows = measures
    many = measure_repeated(1.0, spent.count)
    both = name_dimensions({"TableName": shape.table, "Operation": shape.operation})
    if shape.status < 400:
        yield Metric(_NAMESPACE, "SuccessfulRequestLatency", both), "Milliseconds", spent
        if shape.counted:
            yield Metric(_NAMESPACE, "ReturnedItemCount", both), "Count", rows
        return
    if shape.status >= 500:
        yield Metric(_NAMESPACE, "SystemErrors", both), "Count", many
        return
    named = _ERRORS.get(shape.error)
    if named is None:
        yield Metric(_NAMESPACE, "UserErrors"), "Count", many
    elif named == "ThrottledRequests":
        yield Metric(_NAMESPACE, named, both), "Count", many
    else:
        own = name_dimensions({"TableName": shape.table})
        yield Metric(_NAMESPACE, named, own), "Count", many


def patch_tables(metrics: TableMetrics) -> None:
    """DynamoDB tells of every request that it answered."""
    from ministack.services import dynamodb

    original = dynamodb.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: Any
    ) -> Any:
        begun = time.perf_counter()
        answer = await original(method, path, headers, body, query)
        spent = (time.perf_counter() - begun) * 1000
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        text = answer[2] if isinstance(answer[2], bytes) else b""
        metrics.note(operation, body, answer[0], text, spent)
        return answer

    dynamodb.handle_request = handle_request
