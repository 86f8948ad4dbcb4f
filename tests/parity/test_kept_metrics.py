"""Metrics and alarms over the death of the whole cloud."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, Cloud
from tests.parity.metrics import find_alarm, read_metric, wait_judged
from tests.parity.templates import ROLE, function, template
from tests.parity.test_durability import kill, open_cloud
from tests.waiting import wait_until

from fairway.cloud.launch import stop_cloud

pytestmark = pytest.mark.slow

SOURCE = "def handler(event, context):\n    return 'ran'\n"
SPACE = "shop"


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".fairway"
    stop_cloud(tmp_path / ".fairway")


def count_invocations(cloud: Cloud, name: str) -> float | None:
    return read_metric(cloud.client("cloudwatch"), "AWS/Lambda", "Invocations", FunctionName=name)


def watch(cloud: Cloud, name: str, threshold: float) -> Any:
    """Make an alarm on what was published, and wait for its state."""
    client = cloud.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName=name,
        Namespace=SPACE,
        MetricName="orders",
        Statistic="Sum",
        Period=3600,
        EvaluationPeriods=1,
        Threshold=threshold,
        ComparisonOperator="GreaterThanThreshold",
    )
    return wait_judged(client, name)


def read_journal(directory: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in (directory / "state/journal").glob("*.log"))


def count_written(directory: Path) -> int:
    """Invocations that the journal's last record of each minute counts."""
    records = re.findall(rb'"Invocations"[^\n]*\tm(\d+)\t\[(\d+),', read_journal(directory))
    return sum(int(count) for count in dict(records).values())


@holds(
    "CloudWatch",
    "Amazon CloudWatch concepts",
    "Metrics of services and the states of alarms outlive the death of the whole local cloud",
    "partial",
    "the last fifteen seconds of measurements may be lost",
)
def test_metrics_and_alarms_survive_a_kill(directory: Path) -> None:
    cloud = open_cloud(directory)
    cloud.make_bucket(BUCKET)
    made = template({"Role": ROLE, "F": function(BUCKET, cloud.upload(SOURCE))})
    assert cloud.deploy("kept", made) == "CREATE_COMPLETE", cloud.failures("kept")
    name = cloud.resource("kept", "F")
    for _ in range(3):
        cloud.client("lambda").invoke(FunctionName=name)
    order = {"MetricName": "orders", "Value": 7.0, "Timestamp": time.time() - 180}
    cloud.client("cloudwatch").put_metric_data(Namespace=SPACE, MetricData=[order])
    before = watch(cloud, "busy", 5)
    assert (before["StateValue"], count_invocations(cloud, name)) == ("ALARM", 3.0)
    wait_until(lambda: count_written(directory) == 3, "what was measured in the journal")
    wait_until(
        lambda: b'"StateValue":"ALARM"' in read_journal(directory), "the alarm in the journal"
    )
    kill(cloud)
    cloud = open_cloud(directory)
    assert count_invocations(cloud, name) == 3.0
    cloud.client("lambda").invoke(FunctionName=name)
    assert count_invocations(cloud, name) == 4.0
    assert watch(cloud, "calm", 500)["StateValue"] == "OK"  # so all alarms have been looked at
    after = find_alarm(cloud.client("cloudwatch"), "busy")
    assert (after["StateValue"], after["StateReason"]) == ("ALARM", before["StateReason"])
