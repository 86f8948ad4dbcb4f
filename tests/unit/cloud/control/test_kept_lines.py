"""A function that writes without end does not fill the memory with its log."""

from __future__ import annotations

from typing import Any

from fairway.cloud.control.emulator import KEPT_LINES, bound_lines


def make_group(*streams: list[int]) -> dict[str, Any]:
    made = {
        str(number): {"events": [{"timestamp": at, "message": str(at)} for at in times]}
        for number, times in enumerate(streams)
    }
    return {"streams": made}


def list_times(group: dict[str, Any]) -> list[int]:
    kept = [e["timestamp"] for s in group["streams"].values() for e in s["events"]]
    return sorted(kept)


def test_a_group_below_the_bound_is_left_alone() -> None:
    group = make_group(list(range(2 * KEPT_LINES)))
    bound_lines(group)
    assert len(list_times(group)) == 2 * KEPT_LINES


def test_the_newest_lines_stay_whatever_their_stream() -> None:
    size = 2 * KEPT_LINES + 2
    group = make_group(list(range(0, size, 2)), list(range(1, size, 2)))
    bound_lines(group)
    assert list_times(group) == list(range(size - KEPT_LINES, size))


def test_a_stream_without_lines_left_is_gone() -> None:
    group = make_group([0, 1, 2], list(range(10, 10 + 2 * KEPT_LINES)))
    bound_lines(group)
    assert list(group["streams"]) == ["1"]
