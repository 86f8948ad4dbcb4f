"""How long a request that does nothing waits while rows are written.

    python bench/loop_pauses.py [--rows 100000]

One client writes rows, 25 a request; another asks the same cloud for something
that does nothing, every two milliseconds. Prints rows per second and the waits
of the second in milliseconds: what stops the cloud's loop shows in the highest.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import boto3
from processes import prepare_this_process

from fairway.cloud.info import CloudInfo
from fairway.cloud.launch import start_cloud, stop_cloud
from fairway.events import ignore_events

REGION = "eu-west-1"
TABLE = "rows"
_PAUSE = 0.002
_LONG = 50.0
"""Milliseconds: a wait that a user may feel."""


class Probe(threading.Thread):
    """Asks, and keeps the waits in milliseconds."""

    def __init__(self, info: CloudInfo) -> None:
        super().__init__(daemon=True)
        self.waits: list[float] = []
        self.done = threading.Event()
        self._host = info.endpoint.partition("//")[2]

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._host)
        while not self.done.wait(_PAUSE):
            began = time.perf_counter()
            connection.request("GET", "/_ministack/nothing")
            connection.getresponse().read()
            self.waits.append((time.perf_counter() - began) * 1000)


def write_rows(info: CloudInfo, count: int) -> float:
    """Write the rows one request after the other; the seconds it took."""
    client = boto3.client(
        "dynamodb",
        endpoint_url=info.endpoint,
        region_name=REGION,
        aws_access_key_id=info.access_key,
        aws_secret_access_key=info.secret_key,
    )
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    began = time.monotonic()
    for start in range(0, count, 25):
        items = [
            {"id": {"S": f"row-{n}"}, "text": {"S": f"{n:0100d}"}, "n": {"N": str(n)}}
            for n in range(start, min(start + 25, count))
        ]
        requests = [{"PutRequest": {"Item": item}} for item in items]
        client.batch_write_item(RequestItems={TABLE: requests})
    return time.monotonic() - began


def describe(waits: list[float], count: int, seconds: float) -> dict[str, float]:
    """The figures."""
    ordered = sorted(waits)

    def share(part: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 1)

    return {
        "rows_per_second": round(count / seconds),
        "requests": len(ordered),
        "p50": share(0.5),
        "p99": share(0.99),
        "p99.9": share(0.999),
        "longest": round(ordered[-1], 1),
        "over_50_ms": sum(wait > _LONG for wait in ordered),
    }


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    options = parser.parse_args()
    prepare_this_process()
    directory = Path(tempfile.mkdtemp(prefix="loop-pauses-"))
    info = start_cloud(directory / ".fairway", REGION, ignore_events)
    try:
        probe = Probe(info)
        probe.start()
        seconds = write_rows(info, options.rows)
        probe.done.set()
        probe.join()
    finally:
        stop_cloud(directory / ".fairway")
        shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(describe(probe.waits, options.rows, seconds), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
