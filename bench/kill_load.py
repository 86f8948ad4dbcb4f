"""The mixed load of the kill trials: actors that know what must be there afterwards.

Each actor owns its keys, so the last acknowledged value of each is known. What
was under way at the kill has not been acknowledged: then the old outcome and
the new one are both right, and nothing else is.
"""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fairway.cloud.info import CloudInfo

REGION = "eu-west-1"
TABLE = "trials"
BUCKET = "trials"
EFFECTS = "effects"
WRITER = "writer"
KEYS = 6
NOTHING = None
Clients = Callable[[str], Any]
Missing = list[str]


_SERVICES = ("dynamodb", "sqs", "s3", "ssm", "secretsmanager", "cloudformation", "lambda", "sns")
_session = boto3.session.Session()


def make_clients(info: CloudInfo) -> Clients:
    """Clients that try once, so that an error is seen; made now, not while time is measured."""
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = _session.client(
                service,
                endpoint_url=info.endpoint,
                region_name=REGION,
                aws_access_key_id=info.access_key,
                aws_secret_access_key=info.secret_key,
                config=Config(
                    retries={"total_max_attempts": 1},
                    read_timeout=10,
                    connect_timeout=5,
                    max_pool_connections=20,
                    s3={"addressing_style": "path"},
                ),
            )
        return made[service]

    for service in _SERVICES:
        client(service)
    return client


class Actor(threading.Thread):
    """Works until the first error or until told to stop."""

    def __init__(self, seed: int, clients: Clients) -> None:
        super().__init__(daemon=True)
        self.random = random.Random(seed)
        self.clients = clients
        self.stopping = threading.Event()
        self.done = 0
        self.error: Exception | None = None

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self.act()
                self.done += 1
            except (BotoCoreError, ClientError, OSError) as error:
                self.error = error
                return

    def act(self) -> None:
        raise NotImplementedError


class Ledger:
    """Per key: the values that may be there."""

    def __init__(self) -> None:
        self.allowed: dict[str, set[Any]] = {}

    def begin(self, key: str, value: Any) -> None:
        self.allowed[key] = self.allowed.get(key, {NOTHING}) | {value}

    def end(self, key: str, value: Any) -> None:
        self.allowed[key] = {value}

    def check(self, name: str, found: dict[str, Any]) -> Missing:
        """What differs; what was found is the truth of the next trial."""
        wrong = []
        for key, allowed in self.allowed.items():
            value = found.get(key, NOTHING)
            if value not in allowed:
                wrong.append(f"{name} {key}: {value!r} instead of {sorted(map(str, allowed))}")
            self.allowed[key] = {value}
        wrong += [f"{name} {key}: never written" for key in found.keys() - self.allowed.keys()]
        return wrong


class Rows(Actor):
    """DynamoDB: put, update, delete, batch, transaction."""

    def __init__(self, number: int, seed: int, clients: Clients, ledger: Ledger) -> None:
        super().__init__(seed, clients)
        self.prefix = f"w{number}-"
        self.ledger = ledger

    def act(self) -> None:
        table = self.clients("dynamodb")
        kind = self.random.choice(["put", "put", "update", "update", "delete", "batch", "transact"])
        count = 3 if kind in ("batch", "transact") else 1
        keys = self.random.sample([f"{self.prefix}{n}" for n in range(KEYS)], count)
        value = NOTHING if kind == "delete" else str(self.random.getrandbits(48))
        for key in keys:
            self.ledger.begin(key, value)
        items = [{"id": {"S": key}, "v": {"S": str(value)}} for key in keys]
        if kind == "put":
            table.put_item(TableName=TABLE, Item=items[0])
        elif kind == "delete":
            table.delete_item(TableName=TABLE, Key={"id": {"S": keys[0]}})
        elif kind == "update":
            table.update_item(
                TableName=TABLE,
                Key={"id": {"S": keys[0]}},
                UpdateExpression="SET v = :v",
                ExpressionAttributeValues={":v": {"S": str(value)}},
            )
        elif kind == "batch":
            requests = [{"PutRequest": {"Item": item}} for item in items]
            table.batch_write_item(RequestItems={TABLE: requests})
        else:
            table.transact_write_items(
                TransactItems=[{"Put": {"TableName": TABLE, "Item": item}} for item in items]
            )
        for key in keys:
            self.ledger.end(key, value)


class Messages(Actor):
    """SQS: send, receive, delete."""

    def __init__(self, url: str, seed: int, clients: Clients, ledger: Messages.Ledger) -> None:
        super().__init__(seed, clients)
        self.url = url
        self.ledger = ledger

    class Ledger:
        """Bodies that must be there once, and bodies of which nobody was told."""

        def __init__(self) -> None:
            self.certain: set[str] = set()
            self.open: set[str] = set()
            self.deleted: set[str] = set()

    def act(self) -> None:
        queue, ledger = self.clients("sqs"), self.ledger
        if self.random.random() < 0.6:
            bodies = [
                str(self.random.getrandbits(48)) for _ in range(self.random.choice([1, 1, 3]))
            ]
            ledger.open.update(bodies)
            if len(bodies) == 1:
                queue.send_message(QueueUrl=self.url, MessageBody=bodies[0])
            else:
                entries = [{"Id": str(n), "MessageBody": b} for n, b in enumerate(bodies)]
                queue.send_message_batch(QueueUrl=self.url, Entries=entries)
            ledger.open.difference_update(bodies)
            ledger.certain.update(bodies)
            return
        answer = queue.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=2, VisibilityTimeout=1
        )
        for message in answer.get("Messages", [])[:1]:
            body = message["Body"]
            ledger.certain.discard(body)
            ledger.open.add(body)
            queue.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            ledger.open.discard(body)
            ledger.deleted.add(body)


def drain(clients: Clients, url: str, ledger: Messages.Ledger) -> tuple[Missing, int]:
    """Take everything out of a queue: what is wrong, and how many came twice."""
    found: Counter[str] = Counter()
    queue = clients("sqs")
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        answer = queue.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60, WaitTimeSeconds=0
        )
        messages = answer.get("Messages", [])
        for message in messages:
            found[message["Body"]] += 1
            queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        left = queue.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        if not messages and not any(map(int, left.values())):
            break
        if not messages:
            time.sleep(0.05)  # those received before the kill reappear after a second
    wrong = [f"queue: {body} lost" for body in ledger.certain - found.keys()]
    wrong += [f"queue: {body} deleted, but there" for body in ledger.deleted & found.keys()]
    known = ledger.certain | ledger.open | ledger.deleted
    wrong += [f"queue: {body} never sent" for body in found.keys() - known]
    twice = sum(count - 1 for count in found.values())
    ledger.certain, ledger.open, ledger.deleted = set(), set(), set()
    return wrong, twice


class Objects(Actor):
    """S3: put with metadata that says the same as the body; delete."""

    def __init__(self, seed: int, clients: Clients, ledger: Ledger) -> None:
        super().__init__(seed, clients)
        self.ledger = ledger

    def act(self) -> None:
        key = f"folder/{self.random.randrange(KEYS)}"
        if self.random.random() < 0.15:
            self.ledger.begin(key, NOTHING)
            self.clients("s3").delete_object(Bucket=BUCKET, Key=key)
            self.ledger.end(key, NOTHING)
            return
        value = str(self.random.getrandbits(48))
        self.ledger.begin(key, value)
        body = (value * self.random.choice([1, 1000])).encode()
        self.clients("s3").put_object(Bucket=BUCKET, Key=key, Body=body, Metadata={"value": value})
        self.ledger.end(key, value)


def read_objects(clients: Clients) -> dict[str, str]:
    """Every object's value; body, metadata and checksum must agree on it."""
    found = {}
    s3 = clients("s3")
    for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        answer = s3.get_object(Bucket=BUCKET, Key=item["Key"])
        body, value = answer["Body"].read().decode(), answer["Metadata"]["value"]
        whole = body.replace(value, "") == "" and len(body) == item["Size"]
        found[item["Key"]] = value if whole else f"torn: {value} with {body[:20]}"
    return found


class Settings(Actor):
    """SSM parameters and Secrets Manager secrets."""

    def __init__(self, seed: int, clients: Clients, ledger: Ledger) -> None:
        super().__init__(seed, clients)
        self.ledger = ledger

    def act(self) -> None:
        number, value = self.random.randrange(KEYS), str(self.random.getrandbits(48))
        if self.random.random() < 0.7:
            key = f"/trials/{number}"
            self.ledger.begin(key, value)
            self.clients("ssm").put_parameter(Name=key, Value=value, Type="String", Overwrite=True)
        else:
            key = f"secret-{number}"
            self.ledger.begin(key, value)
            self.clients("secretsmanager").put_secret_value(SecretId=key, SecretString=value)
        self.ledger.end(key, value)


def read_settings(clients: Clients) -> dict[str, str]:
    """Every parameter and secret."""
    found = {}
    for page in clients("ssm").get_paginator("get_parameters_by_path").paginate(Path="/trials"):
        found |= {p["Name"]: p["Value"] for p in page["Parameters"]}
    secrets = clients("secretsmanager")
    for number in range(KEYS):
        key = f"secret-{number}"
        value = secrets.get_secret_value(SecretId=key)["SecretString"]
        if value != "first":
            found[key] = value
    return found


def read_rows(clients: Clients) -> dict[str, str]:
    """Every row that the load wrote."""
    pages = clients("dynamodb").get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
    return {i["id"]["S"]: i["v"]["S"] for page in pages for i in page["Items"] if "v" in i}


class Events(Actor):
    """Asynchronous invocations of a function that writes a row for each, fails at first, or both.

    Accepted directly or through a topic. What was accepted must have its row in the end.
    """

    def __init__(self, topic: str, seed: int, clients: Clients, ledger: set[str]) -> None:
        super().__init__(seed, clients)
        self.topic = topic
        self.ledger = ledger

    def act(self) -> None:
        name = f"event-{self.random.getrandbits(48)}"
        event = json.dumps({"row": name, "fails": self.random.random() < 0.2})
        if self.random.random() < 0.7:
            self.clients("lambda").invoke(
                FunctionName=WRITER, InvocationType="Event", Payload=event.encode()
            )
        else:
            self.clients("sns").publish(TopicArn=self.topic, Message=event)
        self.ledger.add(name)


def check_events(clients: Clients, ledger: set[str], seconds: float = 30.0) -> Missing:
    """Every accepted event has its effect, at least once, some time after the restart."""
    deadline = time.monotonic() + seconds
    while missing := ledger - read_effects(clients):
        if time.monotonic() > deadline:
            return [f"event: {name} was accepted and had no effect" for name in sorted(missing)]
        time.sleep(0.05)
    ledger.clear()
    return []


def read_effects(clients: Clients) -> set[str]:
    """The rows that events have written."""
    pages = clients("dynamodb").get_paginator("scan").paginate(TableName=EFFECTS)
    return {item["id"]["S"] for page in pages for item in page["Items"]}


class Callers(Actor):
    """A slow function behind an HTTP API: answers, and what came instead of one."""

    def __init__(self, url: str, seed: int, clients: Clients) -> None:
        super().__init__(seed, clients)
        self.url = url
        self.statuses: Counter[int] = Counter()
        self.slowest = 0.0

    def act(self) -> None:
        began = time.monotonic()
        try:
            with urllib.request.urlopen(self.url, timeout=10) as answer:
                self.statuses[answer.status] += 1
        except urllib.error.HTTPError as error:
            self.statuses[error.code] += 1
            self.slowest = max(self.slowest, time.monotonic() - began)


class Stacks(Actor):
    """CloudFormation: create, update and delete one stack again and again."""

    NAME = "trials-stack"

    def act(self) -> None:
        client = self.clients("cloudformation")
        status = read_stack(self.clients)
        if status is None:
            client.create_stack(StackName=self.NAME, TemplateBody=_template(2))
        elif "ROLLBACK" in status and not status.startswith("UPDATE"):
            client.delete_stack(StackName=self.NAME)
        elif self.random.random() < 0.5:
            template = _template(self.random.randrange(1, 5))
            try:
                client.update_stack(StackName=self.NAME, TemplateBody=template)
            except ClientError as error:
                if "No updates" not in str(error):
                    raise
        else:
            client.delete_stack(StackName=self.NAME)
        while (read_stack(self.clients) or "").endswith("_IN_PROGRESS"):
            if self.stopping.is_set():
                return


def _template(count: int) -> str:
    table = {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        },
    }
    queues = {f"Queue{n}": {"Type": "AWS::SQS::Queue"} for n in range(count)}
    return json.dumps({"Resources": {"Table": table, **queues}})


def read_stack(clients: Clients) -> str | None:
    """The stack's status, or None when there is none."""
    try:
        found = clients("cloudformation").describe_stacks(StackName=Stacks.NAME)
    except ClientError:
        return None
    return str(found["Stacks"][0]["StackStatus"])


def check_stack(clients: Clients) -> Missing:
    """The stack comes to rest, and what it says it has is exactly what is there."""
    deadline = time.monotonic() + 10.0
    while (status := read_stack(clients) or "").endswith("_IN_PROGRESS"):
        if time.monotonic() > deadline:
            return [f"stack: still {status}"]
        time.sleep(0.02)
    said: set[str] = set()
    if status:
        rows = clients("cloudformation").describe_stack_resources(StackName=Stacks.NAME)
        said = {r["PhysicalResourceId"].rpartition("/")[2] for r in rows["StackResources"]}
    tables = clients("dynamodb").list_tables()["TableNames"]
    queues = clients("sqs").list_queues().get("QueueUrls", [])
    there = {n for n in [*tables, *(q.rpartition("/")[2] for q in queues)] if "stack-" in n}
    if status == "ROLLBACK_COMPLETE":
        said = set()  # its resources are deleted; AWS lists them still
    wrong = [f"stack {status}: {name} is gone" for name in said - there]
    return wrong + [f"stack {status}: {name} is nobody's" for name in there - said]
