"""What the tests of metrics and alarms ask of CloudWatch. watch: a client of it."""

from __future__ import annotations

import time
from typing import Any

from tests.waiting import wait_for


def read_metric(
    watch: Any, namespace: str, name: str, statistic: str = "Sum", **dimensions: str
) -> float | None:
    """One statistic of the last hour, or None without values."""
    now = time.time()
    query = {
        "Id": "q",
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": name,
                "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions.items()],
            },
            "Period": 3600,
            "Stat": statistic,
        },
    }
    found = watch.get_metric_data(MetricDataQueries=[query], StartTime=now - 3600, EndTime=now + 60)
    values = found["MetricDataResults"][0]["Values"]
    if not values:
        return None
    return sum(values) if statistic in ("Sum", "SampleCount") else max(values)


def find_alarm(watch: Any, name: str) -> dict[str, Any]:
    """An alarm as it is described."""
    found: dict[str, Any] = watch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    return found


def wait_judged(watch: Any, name: str) -> dict[str, Any]:
    """An alarm, once it was looked at."""

    def ask() -> Any:
        found = find_alarm(watch, name)
        return found if found["StateValue"] != "INSUFFICIENT_DATA" else None

    found: dict[str, Any] = wait_for(ask, f"{name} got no state")
    return found
