"""Hours of mixed load on one local cloud: does it stay as it was, and leave nothing behind?

    python bench/endurance.py --minutes 60 [--rate 20] [--json FILE]

The timestamp application runs under `fairway up`. Requests arrive in an open loop; AWS clients call
its table, a bucket, a queue and the function (asynchronously) beside them; once a minute the code
is edited, every fifth time the definition, which deploys it anew. What is written is deleted again,
so that all that could grow is what is not let go.

Every ten seconds: memory (PSS: shared pages are counted once), processes and descriptors of the
cloud's whole tree. Flat means: the last tenth of the samples is on average within 10 % of the
second tenth; the first one is the warm-up. At the end `up` is interrupted, and no process, no
temporary file and no lock may be left.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import itertools
import json
import os
import re
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.config
import report
from local_cloud import EXAMPLE, PATIENCE, list_tree, read_pss, serving, wait_for
from open_loop import Account, mix_reads_and_writes, run_open_loop
from processes import end_descendants, prepare_this_process

SAMPLE_EVERY = 10.0
EDIT_EVERY = 60.0
SWEEP_EVERY = 20.0
ROWS_KEPT = 200
TOLERANCE = 0.10
AWS_SHARE = 0.2
"""Of the rate: calls of AWS clients; the rest are requests to the load balancer."""


def main() -> None:
    options = parse_options()
    prepare_this_process()
    before = set(Path("/tmp").iterdir())
    with tempfile.TemporaryDirectory(prefix="endurance-", dir=options.scratch) as scratch:
        place, temporary = make_application(Path(scratch))
        os.environ["TMPDIR"] = str(temporary)
        try:
            result = asyncio.run(endure(place, options))
        finally:
            killed = end_descendants()
        result["left"] = {
            "processes": killed,
            "temporary_files": sorted(str(p.relative_to(scratch)) for p in list_temporary(place)),
            "lock_is_held": is_locked(place / ".fairway" / "cloud.lock"),
        }
        appeared = set(Path("/tmp").iterdir()) - before - {Path(scratch)}
        result["appeared_in_tmp_meanwhile"] = sorted(map(str, appeared))  # other programs' too
    result = {"machine": report.describe_machine(), "minutes": options.minutes, **result}
    failures = judge(result)
    print_result(result)
    print(report.write_json("endurance", {**result, "failures": failures}, options.json))
    if failures:
        sys.exit("\n".join(failures))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=20, help="requests and calls a second")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--scratch", type=Path, help="where the application is made")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def make_application(scratch: Path) -> tuple[Path, Path]:
    """The timestamp application, and an empty directory for TMPDIR."""
    place, temporary = scratch / "timestamps", scratch / "tmp"
    temporary.mkdir()
    shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns(".fairway", "__pycache__"))
    return place, temporary


async def endure(place: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The whole run: start, load with changes, end."""
    seconds = options.minutes * 60
    with serving(place) as up:
        url = await asyncio.to_thread(find_url, place)
        await asyncio.to_thread(wait_for, url, "POST", "/app")
        aws = Aws(place)
        account, samples = Account(), Samples(place, up.process.pid)
        changes = Changes(place, url, aws)
        over = threading.Event()
        beside = [
            asyncio.create_task(asyncio.to_thread(repeat, over, SAMPLE_EVERY, samples.take)),
            asyncio.create_task(asyncio.to_thread(repeat, over, EDIT_EVERY, changes.make_next)),
            asyncio.create_task(asyncio.to_thread(repeat, over, SWEEP_EVERY, aws.sweep)),
            asyncio.create_task(
                asyncio.to_thread(repeat, over, 1 / (options.rate * AWS_SHARE), aws.call_next)
            ),
        ]
        await run_open_loop(
            url,
            users=options.users,
            rate=options.rate * (1 - AWS_SHARE),
            seconds=seconds,
            choose=mix_reads_and_writes,
            account=account,
        )
        over.set()
        await asyncio.gather(*beside)
    return {
        "requests": account.describe(),
        "calls": dict(aws.calls),
        "edits": changes.edits,
        "deployments": changes.deployments,
        "changes_not_served": changes.failures,
        "up_says_last": up.log.read_text()[-2000:].splitlines(),
        "slowest_change_seconds": round(max(changes.took, default=0), 2),
        "samples": samples.taken,
    }


def repeat(over: threading.Event, every: float, work: Any) -> None:
    """Do something at fixed intervals until the end; it does not catch up."""
    while not over.wait(every):
        work()


def find_url(place: Path) -> str:
    """Wait for the first deployment, and where the load balancer listens after it."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        ports = place / ".fairway" / "ports.json"
        found = json.loads(ports.read_text()) if ports.exists() else {}
        for name, port in found.items():
            if name.endswith("/Web"):
                return f"http://127.0.0.1:{port}"
        time.sleep(0.1)
    raise SystemExit("the application was not deployed")


class Aws:
    """Calls of AWS clients to the application's table, bucket and queue, one kind after another."""

    def __init__(self, place: Path) -> None:
        cloud = json.loads((place / ".fairway" / "cloud.json").read_text())
        session = boto3.Session(cloud["access_key"], cloud["secret_key"], None, cloud["region"])
        calm = botocore.config.Config(retries={"total_max_attempts": 1}, proxies={})
        options = {"endpoint_url": cloud["endpoint"], "config": calm}
        self.lambdas = session.client("lambda", **options)
        self.objects = session.client("s3", **options)
        self.queues = session.client("sqs", **options)
        tables = session.resource("dynamodb", **options)
        self.table = next(t for t in tables.tables.all() if "Entries" in t.name)
        self.bucket = "endurance"
        self.objects.create_bucket(
            Bucket=self.bucket,
            CreateBucketConfiguration={"LocationConstraint": cloud["region"]},
        )
        self.queue = self.queues.create_queue(QueueName="endurance")["QueueUrl"]
        self.function = next(
            f["FunctionName"]
            for f in self.lambdas.list_functions()["Functions"]
            if "-Api-" in f["FunctionName"]
        )
        self.calls: Counter[str] = Counter()
        self._number = itertools.count()

    def call_next(self) -> None:
        """One call; which one goes by turns."""
        number = next(self._number)
        name = f"object {number // 8 % 50}"
        key = {"uniqueId": f"endurance {number // 8 % 50}", "timeStamp": "0"}
        bucket, queue, table = self.bucket, self.queue, self.table
        kinds: tuple[tuple[str, Callable[[], object]], ...] = (
            ("put", lambda: self.objects.put_object(Bucket=bucket, Key=name, Body=b"x" * 20_000)),
            ("get", lambda: self.objects.get_object(Bucket=bucket, Key=name)["Body"].read()),
            ("send", lambda: self.queues.send_message(QueueUrl=queue, MessageBody=name)),
            ("put row", lambda: table.put_item(Item={**key, "text": "y" * 500})),
            ("get row", lambda: table.get_item(Key=key)),
            ("delete", lambda: self.objects.delete_object(Bucket=bucket, Key=name)),
            ("receive", self._receive),
            ("invoke", self._invoke),
        )
        kind, call = kinds[number % len(kinds)]
        try:
            call()
            self.calls[kind] += 1
        except Exception as error:  # counted, and told at the end
            self.calls[f"{kind} failed: {type(error).__name__}: {error}"[:200]] += 1

    def _receive(self) -> None:
        received = self.queues.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        for message in received.get("Messages", []):
            handle = message["ReceiptHandle"]
            self.queues.delete_message(QueueUrl=self.queue, ReceiptHandle=handle)

    def _invoke(self) -> None:
        event = json.dumps({"httpMethod": "GET", "path": "/", "headers": {}})
        self.lambdas.invoke(
            FunctionName=self.function, InvocationType="Event", Payload=event.encode()
        )

    def sweep(self) -> None:
        """Delete rows, the oldest first, but for the newest few."""
        rows = self.table.scan(ProjectionExpression="uniqueId, #t", ExpressionAttributeNames={
            "#t": "timeStamp"})["Items"]  # fmt: skip
        rows.sort(key=lambda row: row["timeStamp"])
        with self.table.batch_writer() as batch:
            for row in rows[:-ROWS_KEPT]:
                batch.delete_item(Key=row)


class Changes:
    """Edits of the code and of the definition, each waited for until it is served."""

    def __init__(self, place: Path, url: str, aws: Aws) -> None:
        self._place, self._url, self._aws = place, url, aws
        self.edits = self.deployments = 0
        self.took: list[float] = []
        self.failures: list[str] = []

    def make_next(self) -> None:
        """The next change."""
        began = time.monotonic()
        is_edit = (self.edits + self.deployments) % 5 < 4
        try:
            if is_edit:
                self.edits += 1
                self._edit()
            else:
                self.deployments += 1
                self._deploy()
        except SystemExit as error:  # the run goes on: what else goes wrong shall be seen too
            self.failures.append(f"change {len(self.took)}: {error}")
        self.took.append(time.monotonic() - began)

    def _edit(self) -> None:
        handler = self._place / "src" / "timestamps.py"
        welcome = f"edit {self.edits}"
        handler.write_text(re.sub(r'WELCOME = ".*"', f'WELCOME = "{welcome}"', handler.read_text()))
        wait_for(self._url, "GET", "/", welcome)

    def _deploy(self) -> None:
        definition = self._place / "fairway.yml"
        memory = 128 + 64 * ((self.deployments + 1) % 2)
        text = re.sub(r"memory: \d+MB", f"memory: {memory}MB", definition.read_text(), count=1)
        definition.write_text(text)
        deadline = time.monotonic() + PATIENCE
        ask = self._aws.lambdas.get_function_configuration
        while ask(FunctionName=self._aws.function)["MemorySize"] != memory:
            if time.monotonic() > deadline:
                raise SystemExit("a change of the definition was not deployed")
            time.sleep(0.1)


class Samples:
    """Memory, processes and descriptors of the cloud, and the memory of `up`."""

    def __init__(self, place: Path, up: int) -> None:
        self._supervisor = json.loads((place / ".fairway" / "cloud.json").read_text())["pid"]
        self._up = up
        self._began = time.monotonic()
        self.taken: list[dict[str, Any]] = []

    def take(self) -> None:
        """One sample."""
        tree = list_tree(self._supervisor)
        self.taken.append(
            {
                "at": round(time.monotonic() - self._began, 1),
                "mib": round(sum(map(read_pss, tree)) / 1024, 1),
                "cloud_mib": round(read_pss(tree[1]) / 1024, 1) if len(tree) > 1 else 0.0,
                "up_mib": round(read_pss(self._up) / 1024, 1),
                "processes": len(tree),
                "descriptors": sum(map(count_descriptors, tree)),
            }
        )


def count_descriptors(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def list_temporary(place: Path) -> list[Path]:
    """What is left where only running processes keep something, and half-written files."""
    state = place / ".fairway" / "state"
    found = [p for folder in (state / "tmp", state / "scratch", place.parent / "tmp")
             for p in folder.rglob("*")]  # fmt: skip
    published = place / ".fairway" / "cloud.json"
    return found + list((place / ".fairway").glob(".*.json.*")) + [published] * published.exists()


def is_locked(lock: Path) -> bool:
    """Whether a process still has the directory."""
    with lock.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def compare_tenths(samples: list[dict[str, Any]], key: str) -> tuple[float, float]:
    """The means of the second and of the last tenth."""
    size = max(1, len(samples) // 10)
    values = [float(sample[key]) for sample in samples]
    return statistics.mean(values[size : 2 * size] or values), statistics.mean(values[-size:])


def judge(result: dict[str, Any]) -> list[str]:
    """What is not as it should be, as sentences."""
    failures = []
    samples = result["samples"]
    for key in ("mib", "descriptors", "processes"):
        early, late = compare_tenths(samples, key)
        if late > early * (1 + TOLERANCE):
            failures.append(f"{key} grew from {early:.1f} to {late:.1f}")
    if result["requests"]["errors"]:
        failures.append(f"requests failed: {result['requests']['errors_by_kind']}")
    failures += [f"{kind} ({n} times)" for kind, n in result["calls"].items() if "failed" in kind]
    failures += result["changes_not_served"]
    failures += [f"left behind: {what}: {found}" for what, found in result["left"].items() if found]
    return failures


def print_result(result: dict[str, Any]) -> None:
    rows = [["what", "second tenth", "last tenth", "most"]]
    for name, key in (
        ("memory of the tree, MiB", "mib"),
        ("memory of the cloud's process, MiB", "cloud_mib"),
        ("memory of `fairway up`, MiB", "up_mib"),
        ("processes", "processes"),
        ("descriptors", "descriptors"),
    ):
        early, late = compare_tenths(result["samples"], key)
        most = max(sample[key] for sample in result["samples"])
        rows.append([name, f"{early:.1f}", f"{late:.1f}", f"{most:.1f}"])
    report.print_table(rows)
    print({k: v for k, v in result.items() if k not in ("samples", "machine")})


if __name__ == "__main__":
    main()
