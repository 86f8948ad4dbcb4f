"""A stack that is changed again and again does not drag all its events along."""

from __future__ import annotations

from typing import Any

from fairway.cloud.control.patches import KEPT_EVENTS, bound_events


def make_operation(status: str, resources: int) -> list[dict[str, Any]]:
    """The events of one operation on a stack, oldest first."""
    names = ["stack", *(f"r{number}" for number in range(resources)), "stack"]
    return [
        {
            "StackName": "stack",
            "LogicalResourceId": name,
            "ResourceStatus": f"{status}_{'IN_PROGRESS' if place == 0 else 'COMPLETE'}",
        }
        for place, name in enumerate(names)
    ]


def test_the_newest_stay() -> None:
    updates = [make_operation("UPDATE", 3) for _ in range(KEPT_EVENTS)]
    events = [event for update in updates for event in update]
    newest = events[-KEPT_EVENTS:]
    bound_events(events)
    assert events == newest


def test_the_last_operation_stays_whole() -> None:
    last = make_operation("UPDATE", 3 * KEPT_EVENTS)
    events = [*make_operation("CREATE", 5), *last]
    bound_events(events)
    assert events == last


def test_few_are_left_alone() -> None:
    events = [*make_operation("CREATE", 5), *make_operation("UPDATE", 5)]
    before = list(events)
    bound_events(events)
    assert events == before
