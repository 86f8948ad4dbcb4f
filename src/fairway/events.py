"""Typed progress events: the only output of the library.

A stage is given a `Report`, a callable that takes one event. The command line
renders them; a library user may ignore or record them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Notice:
    """A plain sentence that the user should read, for example what runs only as a record."""

    text: str


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step of the route has begun; `name` is shown while it runs."""

    name: str


@dataclass(frozen=True, slots=True)
class StepAdvanced:
    """How far a step that is under way has come: `done` parts of `total`."""

    name: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step has ended well; seconds is its wall-clock duration.

    minor: of interest only while it runs.
    """

    name: str
    seconds: float
    detail: str = ""
    minor: bool = False


@dataclass(frozen=True, slots=True)
class ResourceProgress:
    """One CloudFormation event of one resource, as it happened."""

    stack: str
    logical_id: str
    resource_type: str
    status: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that the application or its cloud wrote."""

    component: str
    text: str
    level: Literal["info", "error"] = "info"
    timestamp_ms: int = 0


Event = Notice | StepStarted | StepAdvanced | StepFinished | ResourceProgress | LogLine
Report = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """Report to nobody."""
