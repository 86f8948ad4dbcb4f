"""What a stream's mapping is told and what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Record = dict[str, Any]

FOREVER = -1
"""Of a limit: none. Page "CreateEventSourceMapping": the default for streams."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a shard. order: its sequence number. key: what keeps its order.

    at: epoch seconds of its arrival. record: as a function gets it.
    """

    order: str
    key: str
    at: float
    record: Record


class Shard(Protocol):
    """One shard of a stream, oldest record first."""

    @property
    def name(self) -> str:
        """The shard's id."""

    def read(self, after: str, limit: int) -> list[Entry]:
        """Up to `limit` entries behind a sequence number; "" is before the first one."""

    def find_start(self, position: str, timestamp: float) -> str:
        """Where a new mapping begins: TRIM_HORIZON, LATEST or AT_TIMESTAMP."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A mapping's settings, with Lambda's defaults for streams ("CreateEventSourceMapping")."""

    uuid: str
    function: str
    stream: str
    batch_size: int = 100
    window: float = 0.0
    retries: int = FOREVER
    max_age: int = FOREVER
    bisect: bool = False
    lanes: int = 1
    reports_failures: bool = False
    on_failure: str = ""
    start: str = "LATEST"
    start_time: float = 0.0


def read_settings(mapping: Mapping[str, Any]) -> Settings:
    """A mapping's settings from its record."""

    def number(name: str, default: int) -> int:
        value = mapping.get(name)
        return default if value is None else int(value)

    targets = mapping.get("DestinationConfig") or {}
    return Settings(
        uuid=str(mapping["UUID"]),
        function=str(mapping["FunctionArn"]),
        stream=str(mapping["EventSourceArn"]),
        batch_size=number("BatchSize", 100),
        window=float(number("MaximumBatchingWindowInSeconds", 0)),
        retries=number("MaximumRetryAttempts", FOREVER),
        max_age=number("MaximumRecordAgeInSeconds", FOREVER),
        bisect=str(mapping.get("BisectBatchOnFunctionError")).lower() == "true",
        lanes=max(1, min(10, number("ParallelizationFactor", 1))),
        reports_failures="ReportBatchItemFailures" in (mapping.get("FunctionResponseTypes") or ()),
        on_failure=str((targets.get("OnFailure") or {}).get("Destination") or ""),
        start=str(mapping.get("StartingPosition") or "LATEST"),
        start_time=float(mapping.get("StartingPositionTimestamp") or 0.0),
    )
