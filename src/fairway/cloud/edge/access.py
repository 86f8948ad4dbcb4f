"""What the edge tells of every request it answered; access logs and metrics are made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fairway.cloud.edge.model import Request


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """One answered request.

    time: epoch seconds at which the request was complete. source: listener ARN or
    API id. request: None when it was refused before it could be read. target: the
    function's ARN, target_group and target_status when one was invoked.
    seconds: whole handling; target_seconds: the invocation alone. sizes in bytes,
    bodies only. rule_priority: 0 for the default rule. error_reason: a code of
    the page "Access logs for your Application Load Balancer", section "Error
    reason codes". route: an HTTP API's route key.
    """

    time: float
    source: str
    client: tuple[str, int]
    request: Request | None
    status: int
    seconds: float
    received_bytes: int
    sent_bytes: int
    target: str | None = None
    target_group: str | None = None
    target_status: int | None = None
    target_seconds: float | None = None
    rule_priority: int | None = None
    action: str | None = None
    redirect_url: str | None = None
    error_reason: str | None = None
    trace_id: str | None = None
    request_id: str | None = None
    route: str | None = None


RecordAccess = Callable[[AccessRecord], None]


def record_nothing(record: AccessRecord) -> None:
    """Record nowhere."""
