"""Kill trials: SIGKILL at a random moment under mixed load, and nothing acknowledged is lost.

    python bench/kill_trials.py --trials 200 --seed 1

One cloud lives through all trials. In each, actors write to a table, queues, a
bucket, parameters, secrets and a stack, call a function and send it events;
then one process of the tree, or all of it, is killed; then every acknowledged
write is looked for, and every accepted event's effect. Prints losses,
duplicates and the seconds from start to serving.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kill_load
from kill_load import BUCKET, EFFECTS, KEYS, REGION, TABLE, Callers, Clients, Ledger, Messages
from processes import list_processes, prepare_this_process

from fairway.cloud.info import CloudInfo, read_start
from fairway.cloud.launch import find_cloud, read_status, start_cloud, stop_cloud
from fairway.events import ignore_events

VICTIMS = ("tree", "tree", "tree", "cloud", "supervisor", "worker")
HANDLER = """
import time
def handler(event, context):
    time.sleep(0.15)
    return {"statusCode": 200, "body": "done"}
"""
WRITER = """
import boto3, json
table = boto3.resource("dynamodb").Table("effects")
def handler(event, context):
    if "Records" in event:
        event = json.loads(event["Records"][0]["Sns"]["Message"])
    name = event["row"]
    if event["fails"] and "Item" not in table.get_item(Key={"id": "tried-" + name}):
        table.put_item(Item={"id": "tried-" + name})
        raise ValueError("the first attempt fails")
    table.put_item(Item={"id": name})
"""


@dataclass
class Outcome:
    """What all trials together showed."""

    trials: int = 0
    acknowledged: int = 0
    events: int = 0
    wrong: list[str] = field(default_factory=list)
    duplicates: int = 0
    restarts: list[float] = field(default_factory=list)
    victims: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_refusal: float = 0.0
    notices: Counter[str] = field(default_factory=Counter)


class Trials:
    """The cloud, what it must hold, and the dice."""

    def __init__(self, directory: Path, seed: int, rows: int) -> None:
        self.directory = directory
        self.random = random.Random(seed)
        self.outcome = Outcome()
        self.rows, self.objects, self.settings = Ledger(), Ledger(), Ledger()
        self.queues: dict[str, Messages.Ledger] = {}
        self.events: set[str] = set()
        self.extra_rows = rows

    def start(self) -> CloudInfo:
        began = time.monotonic()
        info = start_cloud(self.directory, REGION, ignore_events)
        read_status(info)
        self.outcome.restarts.append(time.monotonic() - began)
        return info

    def prepare(self, info: CloudInfo) -> None:
        clients = kill_load.make_clients(info)
        for name in (TABLE, EFFECTS):
            clients("dynamodb").create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        fill_rows(clients, self.extra_rows)
        clients("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        for number in range(2):
            url = clients("sqs").create_queue(QueueName=f"trials{number}")["QueueUrl"]
            self.queues[url] = Messages.Ledger()
        for number in range(KEYS):
            clients("secretsmanager").create_secret(Name=f"secret-{number}", SecretString="first")
        self.url = deploy_function(clients)
        self.topic = deploy_writer(clients)

    def run_one(self, info: CloudInfo) -> CloudInfo:
        """One trial; the cloud that runs after it."""
        actors = self._make_actors(kill_load.make_clients(info))
        for actor in actors:
            actor.start()
        time.sleep(self.random.uniform(0.15, 0.7))
        victim = self.random.choice(VICTIMS)
        before = list_tree(info.pid)
        kill(info, victim, self.random)
        if victim == "worker":
            time.sleep(0.4)
        for actor in actors:
            actor.stopping.set()
        for actor in actors:
            actor.join(20)
            self._count(actor)
        info = self._come_back(info, victim, before)
        clients = kill_load.make_clients(info)
        self._check(clients, victim)
        for notice in read_status(info)["notices"]:
            self.outcome.notices[notice["text"][:60]] += 1
        self.outcome.trials += 1
        self.outcome.victims[victim] += 1
        return info

    def _make_actors(self, clients: Clients) -> list[kill_load.Actor]:
        def seed() -> int:
            return self.random.getrandbits(32)

        actors: list[kill_load.Actor] = [
            kill_load.Rows(number, seed(), clients, self.rows) for number in range(2)
        ]
        actors += [Messages(url, seed(), clients, own) for url, own in self.queues.items()]
        actors.append(kill_load.Objects(seed(), clients, self.objects))
        actors.append(kill_load.Settings(seed(), clients, self.settings))
        actors.append(kill_load.Stacks(seed(), clients))
        actors.append(Callers(self.url, seed(), clients))
        actors.append(kill_load.Events(self.topic, seed(), clients, self.events))
        return actors

    def _count(self, actor: kill_load.Actor) -> None:
        self.outcome.acknowledged += actor.done
        if isinstance(actor, kill_load.Events):
            self.outcome.events += actor.done
        if isinstance(actor, Callers):
            self.outcome.statuses += actor.statuses
            self.outcome.slowest_refusal = max(self.outcome.slowest_refusal, actor.slowest)

    def _come_back(self, info: CloudInfo, victim: str, before: Iterable[int]) -> CloudInfo:
        if victim == "worker":
            return info
        if victim == "cloud":  # its supervisor starts it again
            return wait_for_answer(self.directory)
        if victim == "supervisor":
            wait_for_end(before)
        return self.start()

    def _check(self, clients: Clients, victim: str) -> None:
        wrong = self.rows.check("row", kill_load.read_rows(clients))
        wrong += self.objects.check("object", kill_load.read_objects(clients))
        wrong += self.settings.check("setting", kill_load.read_settings(clients))
        wrong += kill_load.check_stack(clients)
        wrong += kill_load.check_events(clients, self.events)
        for url, ledger in self.queues.items():
            missing, twice = kill_load.drain(clients, url, ledger)
            wrong += missing
            self.outcome.duplicates += twice
        self.outcome.wrong += [f"trial {self.outcome.trials} ({victim}): {w}" for w in wrong]


def fill_rows(clients: Clients, count: int) -> None:
    """Rows that are only there, for the start to have something to read."""
    for start in range(0, count, 25):
        numbers = range(start, min(start + 25, count))
        requests = [
            {"PutRequest": {"Item": {"id": {"S": f"row-{n}"}, "text": {"S": f"{n:0100d}"}}}}
            for n in numbers
        ]
        clients("dynamodb").batch_write_item(RequestItems={TABLE: requests})


def deploy_function(clients: Clients) -> str:
    """A function behind an HTTP API; its address."""
    arn = make_function(clients, "trials", HANDLER, "apigateway.amazonaws.com")
    gateway = clients("apigatewayv2")
    api = gateway.create_api(Name="trials", ProtocolType="HTTP")
    integration = gateway.create_integration(
        ApiId=api["ApiId"],
        IntegrationType="AWS_PROXY",
        IntegrationUri=arn,
        PayloadFormatVersion="2.0",
    )["IntegrationId"]
    gateway.create_route(
        ApiId=api["ApiId"], RouteKey="$default", Target=f"integrations/{integration}"
    )
    gateway.create_stage(ApiId=api["ApiId"], StageName="$default", AutoDeploy=True)
    return str(gateway.get_api(ApiId=api["ApiId"])["ApiEndpoint"]) + "/"


def deploy_writer(clients: Clients) -> str:
    """A function that writes a row for each event, behind a topic; the topic."""
    arn = make_function(clients, kill_load.WRITER, WRITER, "sns.amazonaws.com")
    topic = str(clients("sns").create_topic(Name="trials")["TopicArn"])
    clients("sns").subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    return topic


def make_function(clients: Clients, name: str, source: str, caller: str) -> str:
    """A function with a role that may use tables, which a service may invoke; its ARN."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("handler.py", source)
    trust = {"Version": "2012-10-17", "Statement": []}
    role = clients("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    allowed = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
    clients("iam").put_role_policy(
        RoleName=name,
        PolicyName="tables",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    arn = clients("lambda").create_function(
        FunctionName=name,
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Role=role["Role"]["Arn"],
        Handler="handler.handler",
        Timeout=10,
        Code={"ZipFile": buffer.getvalue()},
    )["FunctionArn"]
    clients("lambda").add_permission(
        FunctionName=name, StatementId="all", Action="lambda:InvokeFunction", Principal=caller
    )
    return str(arn)


def kill(info: CloudInfo, victim: str, dice: random.Random) -> None:
    """SIGKILL to one process of the tree, or to all of them."""
    tree = list_tree(info.pid)
    cloud = [pid for pid, parent in tree.items() if parent == info.pid]
    below = [pid for pid in tree if pid != info.pid and pid not in cloud]
    chosen = {
        "tree": list(tree),
        "cloud": cloud,
        "supervisor": [info.pid],
        "worker": [dice.choice(below)] if below else [],
    }[victim]
    for pid in chosen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if victim == "tree":
        for pid in chosen:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def list_tree(root: int) -> dict[int, int]:
    """Living processes from a root down, each with its parent; nothing when the root is gone."""
    parents = {p.pid: p.parent for p in list_processes() if read_start(p.pid) is not None}
    found = {root: 0} if root in parents else {}
    grown = True
    while grown:
        more = {c: p for c, p in parents.items() if p in found and c not in found}
        found |= more
        grown = bool(more)
    return found


def wait_for_end(pids: Iterable[int]) -> None:
    """Without its supervisor a cloud ends by itself, in order."""
    deadline = time.monotonic() + 15
    while any(read_start(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)


def wait_for_answer(directory: Path) -> CloudInfo:
    """The cloud after its supervisor has started it again."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        info = find_cloud(directory)
        with contextlib.suppress(Exception):
            if info is not None:
                kill_load.make_clients(info)("dynamodb").list_tables()
                return info
        time.sleep(0.02)
    raise TimeoutError("the supervisor did not start the cloud again")


def run(directory: Path, trials: int, seed: int, rows: int) -> Outcome:
    """All trials on one cloud."""
    running = Trials(directory, seed, rows)
    info = running.start()
    try:
        running.prepare(info)
        for number in range(trials):
            info = running.run_one(info)
            if (number + 1) % 10 == 0:
                sys.stderr.write(f"{number + 1} trials, {len(running.outcome.wrong)} wrong\n")
    finally:
        stop_cloud(directory)
    return running.outcome


def describe(outcome: Outcome) -> dict[str, Any]:
    """The figures."""
    restarts = sorted(outcome.restarts[1:]) or [0.0]
    return {
        "trials": outcome.trials,
        "victims": dict(outcome.victims),
        "acknowledged": outcome.acknowledged,
        "events": outcome.events,
        "losses": len(outcome.wrong),
        "duplicates": outcome.duplicates,
        "restart_seconds": {
            "median": round(statistics.median(restarts), 3),
            "slowest": round(restarts[-1], 3),
        },
        "function_answers": {str(k): v for k, v in sorted(outcome.statuses.items())},
        "slowest_refusal_seconds": round(outcome.slowest_refusal, 3),
        "notices": dict(outcome.notices.most_common(8)),
        "wrong": outcome.wrong,
    }


def main() -> int:
    """Print the figures; the exit code says whether nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=0, help="rows that are there besides")
    parser.add_argument("--directory", type=Path, help="kept afterwards; default: a temporary one")
    options = parser.parse_args()
    prepare_this_process()
    directory = options.directory or Path(tempfile.mkdtemp(prefix="kill-trials-"))
    try:
        outcome = run(directory / ".fairway", options.trials, options.seed, options.rows)
    finally:
        if options.directory is None:
            shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(describe(outcome), indent=1))
    return 1 if outcome.wrong or outcome.duplicates else 0


if __name__ == "__main__":
    sys.exit(main())
