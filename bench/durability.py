"""What durability costs: on the write path, at a restart, and while the journal is merged.

    python bench/durability.py [--rows 100000] [--rounds 30] [--requests 250]

Price: two clouds in two processes, the same but for the journal, take turns;
each round writes the same rows to both, and the price is the median of the
rounds' own: they are short, so that other work on the machine meets both sides
of a round alike. The processor time of the two processes is compared as well,
which other work hardly changes. Restart: seconds from start to the first answer with so many rows,
after SIGKILL. Pause: the longest the loop did not answer while the journal
was merged.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import multiprocessing
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import kill_load
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from kill_trials import fill_rows, list_tree
from processes import prepare_this_process

from fairway.cloud.info import CloudInfo
from fairway.cloud.launch import read_status, start_cloud, stop_cloud
from fairway.events import ignore_events

REGION = "eu-west-1"


def serve(directory: str, keep: bool, ready: Connection) -> None:
    """A cloud in this process, until the pipe closes."""
    from fairway.cloud.composition import Cloud
    from fairway.cloud.control.settings import load_settings

    async def run() -> None:
        settings = load_settings(Path(directory), REGION)
        cloud = Cloud(settings, os.environ, keep=keep)
        await cloud.start()
        ready.send((cloud.endpoint, settings.access_key, settings.secret_key))
        await asyncio.to_thread(_wait_for_end, ready)
        await cloud.stop()

    asyncio.run(run())


def _wait_for_end(pipe: Connection) -> None:
    with contextlib.suppress(EOFError):
        pipe.recv()


class Side:
    """One of the two clouds. kept: whether its journal is on."""

    def __init__(self, directory: Path, kept: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=serve, args=(str(directory), kept, child))
        self.process.start()
        endpoint, key, secret = self.pipe.recv()
        info = CloudInfo(str(directory), endpoint, REGION, "", key, secret, 0, "", 0.0, "", "")
        self.clients = kill_load.make_clients(info)
        host = endpoint.removeprefix("http://")
        self.connection = http.client.HTTPConnection(host, timeout=30)
        self.endpoint = endpoint
        self.signer = SigV4Auth(Credentials(key, secret), "dynamodb", REGION)

    def prepare(self) -> None:
        self.clients("dynamodb").create_table(
            TableName=kill_load.TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def sign(self, document: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """A PutItem ready to be sent, so that the client's own work is not measured."""
        body = json.dumps(document)
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.PutItem",
        }
        request = AWSRequest("POST", self.endpoint + "/", headers, body)
        self.signer.add_auth(request)
        return body, dict(request.headers.items())

    def write(self, start: int, count: int) -> float:
        """Seconds for so many PutItem, one after the other."""
        prepared = []
        for number in range(start, start + count):
            at = {"S": "2026-01-01T00:00:00"}
            item = {"id": {"S": f"r{number}"}, "at": at, "n": {"N": "1"}}
            prepared.append(self.sign({"TableName": kill_load.TABLE, "Item": item}))
        began = time.perf_counter()
        for body, headers in prepared:
            self.connection.request("POST", "/", body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                raise RuntimeError(text.decode())
        return time.perf_counter() - began

    def send(self, queue: str, count: int) -> float:
        """Seconds for so many times send, receive, delete."""
        client = self.clients("sqs")
        url = client.create_queue(QueueName=queue)["QueueUrl"]
        began = time.perf_counter()
        for number in range(count):
            client.send_message(QueueUrl=url, MessageBody=str(number))
            found = client.receive_message(QueueUrl=url)["Messages"][0]
            client.delete_message(QueueUrl=url, ReceiptHandle=found["ReceiptHandle"])
        return time.perf_counter() - began

    def put(self, count: int) -> float:
        """Seconds for so many objects of 1 kB and parameters."""
        began = time.perf_counter()
        for number in range(count):
            self.clients("s3").put_object(
                Bucket=kill_load.BUCKET, Key=f"k{number % 50}", Body=b"x" * 1000
            )
            self.clients("ssm").put_parameter(
                Name=f"/p/{number % 50}", Value=str(number), Type="String", Overwrite=True
            )
        return time.perf_counter() - began

    def read_processor_time(self) -> float:
        """Seconds that the cloud's process has run so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]  # proc(5): utime, stime
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.pipe.close()
        self.process.join(20)


def measure_price(folder: Path, rounds: int, requests: int) -> dict[str, Any]:
    """Seconds with the journal over seconds without it, for three kinds of writes."""
    sides = {True: Side(folder / "on", True), False: Side(folder / "off", False)}
    taken: dict[str, dict[bool, list[float]]] = {}
    spent: dict[tuple[str, bool], list[float]] = {}
    try:
        for side in sides.values():
            side.prepare()
            side.clients("s3").create_bucket(
                Bucket=kill_load.BUCKET,
                CreateBucketConfiguration={"LocationConstraint": REGION},
            )
            side.write(0, 500)
        for number in range(rounds):
            for kept in (True, False) if number % 2 else (False, True):
                side = sides[kept]
                work: dict[str, Callable[[], float]] = {
                    "PutItem": partial(side.write, number * requests, requests),
                    "send+receive+delete": partial(side.send, f"q{number}", requests // 15),
                    "PutObject+PutParameter": partial(side.put, requests // 15),
                }
                for name, run in work.items():
                    before = side.read_processor_time()
                    taken.setdefault(name, {}).setdefault(kept, []).append(run())
                    spent.setdefault((name, kept), []).append(side.read_processor_time() - before)
    finally:
        for side in sides.values():
            side.end()
    result = {}
    for name, both in taken.items():
        ratios = sorted(a / b - 1 for a, b in zip(both[True], both[False], strict=True))
        quarter = len(ratios) // 4
        result[name] = {
            "price": round(statistics.median(ratios), 3),
            "middle_half": [round(ratios[quarter], 3), round(ratios[-1 - quarter], 3)],
            "seconds_on": round(statistics.median(both[True]), 3),
            "seconds_off": round(statistics.median(both[False]), 3),
            "processor_price": round(sum(spent[name, True]) / sum(spent[name, False]) - 1, 3),
        }
    return result


def measure_restart(folder: Path, rows: int) -> dict[str, Any]:
    """Seconds to serving with so many rows, killed and started again and again."""
    info = start_cloud(folder, REGION, ignore_events)
    try:
        clients = kill_load.make_clients(info)
        clients("dynamodb").create_table(
            TableName=kill_load.TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        pauses = Pauses(info)
        fill_rows(clients, rows)
        slowest = pauses.slowest(info)
        seconds = []
        for _ in range(4):
            kill_tree(info)
            began = time.monotonic()
            info = start_cloud(folder, REGION, ignore_events)
            read_status(info)
            seconds.append(round(time.monotonic() - began, 3))
        found = kill_load.make_clients(info)("dynamodb").describe_table(TableName=kill_load.TABLE)
        files = sorted(p.name for p in (folder / "state/journal").iterdir())
        size = sum(p.stat().st_size for p in (folder / "state/journal").iterdir())
        return {
            "rows": found["Table"]["ItemCount"],
            "seconds": seconds,
            "journal_bytes": size,
            "journal_files": files,
            "slowest_answer_while_merging_ms": slowest,
        }
    finally:
        stop_cloud(folder)


class Pauses:
    """Asks a cheap question all the time, in a process of its own."""

    def __init__(self, info: CloudInfo) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=_ask_always, args=(info.endpoint, child))
        self.process.start()
        self.pipe.recv()

    def slowest(self, info: CloudInfo) -> dict[str, float]:
        """Milliseconds: the median, the 99th percentile and the slowest."""
        self.pipe.send("stop")
        found = sorted(self.pipe.recv())
        self.process.join()
        return {
            "p50": round(found[len(found) // 2] * 1000, 2),
            "p99": round(found[len(found) * 99 // 100] * 1000, 2),
            "slowest": round(found[-1] * 1000, 2),
        }


def _ask_always(endpoint: str, pipe: Connection) -> None:
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=30)
    taken = []
    pipe.send("ready")
    while not pipe.poll():
        began = time.perf_counter()
        connection.request("GET", "/_fairway/status")
        connection.getresponse().read()
        taken.append(time.perf_counter() - began)
        time.sleep(0.002)
    pipe.send(taken)


def kill_tree(info: CloudInfo) -> None:
    """SIGKILL to everything."""
    for pid in list_tree(info.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(info.pid, 0)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--requests", type=int, default=250)
    options = parser.parse_args()
    prepare_this_process()
    folder = Path(tempfile.mkdtemp(prefix="durability-"))
    try:
        document = {
            "price": measure_price(folder, options.rounds, options.requests),
            "restart": measure_restart(folder / "rows" / ".fairway", options.rows),
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(document, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
