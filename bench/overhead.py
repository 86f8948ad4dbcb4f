"""What the edge and the runtime add to a function: a no-op behind the load balancer.

    python bench/overhead.py [--seconds 10] [--json FILE]

One connection, one request after the other, so that nothing waits for anything else. The parts:
edge alone is a request that no rule matches, answered by the load balancer itself (404); runtime is
the duration in the function's REPORT lines, from handing out the event to taking the answer: the
Runtime API, awslambdaric and the handler, which does nothing; the rest is building the event,
choosing the worker and reading the answer. Goal: 1 ms at the median for all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3
import load
import report
from local_cloud import read_url, run_fairway, wait_for
from processes import prepare_this_process

DEFINITION = """
app: noop
owner: platform
region: eu-west-1
components:
  api:
    type: function
    source: src
    handler: noop.handler
  web:
    type: load-balancer
    routes: {GET /: api}
"""
HANDLER = """
ANSWER = {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "ok"}


def handler(event, context):
    return ANSWER
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    prepare_this_process()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "noop"
        (place / "src").mkdir(parents=True)
        (place / "fairway.yml").write_text(DEFINITION)
        (place / "src" / "noop.py").write_text(HANDLER)
        run_fairway(place, "up", "--detach")
        try:
            result = measure_parts(place, options.seconds)
        finally:
            run_fairway(place, "down")
    rows = [["one connection, ms", "p50", "p99"]]
    rows += [[name, f"{p['p50_ms']:.2f}", f"{p['p99_ms']:.2f}"] for name, p in result.items()]
    report.print_table(rows)
    whole = result["no-op through the load balancer"]["p50_ms"]
    print(f"overhead of edge and runtime at the median: {whole:.2f} ms (goal: 1 ms or less)")
    document = {"machine": report.describe_machine(), "parts": result}
    print(report.write_json("overhead", document, options.json))


def measure_parts(place: Path, seconds: float) -> dict[str, dict[str, Any]]:
    """The whole, and its parts; milliseconds."""
    url = read_url(place)
    wait_for(url, "GET", "/")
    edge = measure(f"{url}/nothing-here", seconds)
    if list(edge["statuses"]) != ["404"]:
        raise SystemExit(f"the edge alone answered {edge['statuses']}")
    since = int(time.time() * 1000)
    whole = measure(f"{url}/", seconds)
    if list(whole["statuses"]) != ["200"]:
        raise SystemExit(f"the no-op answered {whole['statuses']}")
    durations = sorted(read_durations(place, since))
    runtime = {
        "p50_ms": statistics.median(durations),
        "p99_ms": durations[int(len(durations) * 0.99)],
        "requests": len(durations),
    }
    return {
        "edge alone": edge,
        "runtime and a handler that does nothing": runtime,
        "no-op through the load balancer": whole,
    }


def measure(url: str, seconds: float) -> dict[str, Any]:
    """A closed loop on one connection."""
    options = argparse.Namespace(
        url=url, method="GET", connections=1, seconds=seconds, warm_up=2.0, timeout=10.0, expect=""
    )
    return asyncio.run(load.measure(options))


def read_durations(place: Path, since: int) -> list[float]:
    """The function's own durations from its REPORT lines since a time in epoch milliseconds."""
    cloud = json.loads((place / ".fairway" / "cloud.json").read_text())
    session = boto3.Session(cloud["access_key"], cloud["secret_key"], None, cloud["region"])
    logs = session.client("logs", endpoint_url=cloud["endpoint"])
    group = next(g["logGroupName"] for g in logs.describe_log_groups()["logGroups"])
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
    texts = (event["message"] for page in pages for event in page["events"])
    found = (re.search(r"^REPORT .*?\tDuration: ([0-9.]+) ms", text) for text in texts)
    return [float(match[1]) for match in found if match]


if __name__ == "__main__":
    main()
