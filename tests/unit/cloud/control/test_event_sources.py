"""Which messages of a batch failed, and when a batch is due."""

from __future__ import annotations

import pytest

from fairway.cloud.control.event_sources import BatchWindows, gather_batch, read_failures
from fairway.cloud.control.function_patches import check_environment, make_target

IDS = ["a", "b", "c"]


def item(name: object) -> dict[str, object]:
    return {"itemIdentifier": name}


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        (None, set()),
        ("", set()),
        ({}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": [item("b")]}, {"b"}),
        ('{"batchItemFailures": [{"itemIdentifier": "c"}]}', {"c"}),
        ({"batchItemFailures": [item("")]}, {"a", "b", "c"}),
        ({"batchItemFailures": [item(None)]}, {"a", "b", "c"}),
        ({"batchItemFailures": [{"wrong": "a"}]}, {"a", "b", "c"}),
        ({"batchItemFailures": [item("nobody")]}, {"a", "b", "c"}),
        ({"batchItemFailures": "a"}, {"a", "b", "c"}),
        ("no json", {"a", "b", "c"}),
        ([1], {"a", "b", "c"}),
    ],
)
def test_partial_batch_responses(body: object, failed: set[str]) -> None:
    """Page "Handling errors for an SQS event source in Lambda": success and failure conditions."""
    assert read_failures(body, IDS) == failed


def test_a_window_ends_by_time_or_by_a_full_batch() -> None:
    """Page "Using Lambda with Amazon SQS": batching behavior."""
    now = [100.0]
    windows = BatchWindows(lambda: now[0])
    mapping = {"UUID": "m", "BatchSize": 5, "MaximumBatchingWindowInSeconds": 10}
    assert not windows.is_due(mapping, 1)
    now[0] = 109.0
    assert not windows.is_due(mapping, 4)
    assert windows.is_due(mapping, 5)
    assert not windows.is_due(mapping, 1)  # a new window began
    now[0] = 119.0
    assert windows.is_due(mapping, 1)


def test_batches_are_gathered_ten_at_a_time_up_to_the_payload_limit() -> None:
    """Page "Using Lambda with Amazon SQS": batch size up to 10,000, payload 6 MB."""
    asked: list[int] = []

    def receive_small(count: int) -> list[dict[str, object]]:
        asked.append(count)
        return [{"body": "x"}] * min(count, 27 - 10 * (len(asked) - 1))

    assert len(gather_batch(receive_small, 25)) == 25
    assert asked == [10, 10, 5]
    large = [{"body": "x" * 250_000}] * 10
    assert len(gather_batch(lambda _: large, 1000)) == 20
    assert gather_batch(lambda _: [], 10) == []


def test_without_a_window_everything_is_due_at_once() -> None:
    windows = BatchWindows(lambda: 0.0)
    assert windows.is_due({"UUID": "m", "BatchSize": 5}, 1)


def test_environments_are_limited() -> None:
    """Page "Lambda quotas": 4 KB in all, as JSON."""
    assert check_environment({"A": "x" * (4096 - len('{"A":""}'))}) is None
    assert "exceeded the 4KB limit" in str(check_environment({"A": "x" * 4096}))
    refused = str(check_environment({"AWS_REGION": "x", "_HANDLER": "y"}))
    assert refused.endswith("AWS_REGION, _HANDLER")


def test_targets_of_qualifiers() -> None:
    base = "arn:aws:lambda:eu-west-1:000000000000:function:f"
    config = {"FunctionArn": base, "FunctionName": "f"}
    record = {
        "config": config,
        "versions": {"2": {"config": {**config, "DeadLetterConfig": {"TargetArn": "q"}}}},
        "aliases": {"live": {"FunctionVersion": "2"}},
    }
    plain, live = make_target(record, "$LATEST"), make_target(record, "live")
    assert (plain.arn, plain.version, plain.settings.dead_letter) == (base, "$LATEST", "")
    assert (live.arn, live.version, live.settings.dead_letter) == (f"{base}:live", "2", "q")
