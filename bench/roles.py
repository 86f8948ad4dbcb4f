"""What roles cost on the write path: PutItem signed by a role, with and without the checks.

    python bench/roles.py [--rounds 60] [--requests 120] [--json FILE] [--profile]

Two clouds in two processes, the same but that one checks neither signature nor
policy, take turns, a fraction of a second each, so that what else the machine does meets both.
`check` is the median over the rounds of the difference of their medians, in
microseconds; `price` that of the quotients, less one. `put_item` is the AWS call
alone: PutItem signed by a role whose policy is the one a function with one table
gets. `post` is the write path of the deployed timestamp application, `POST /app`
through load balancer, function and table. --profile prints where the time of the
checks of PutItem goes instead.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import http.client
import json
import multiprocessing
import os
import pstats
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import boto3
import report
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from local_cloud import EXAMPLE, run_fairway
from processes import prepare_this_process

REGION = "eu-west-1"
TABLE = "rows"
ACCOUNT = "000000000000"
TRUST = {
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"},
    ]
}


def serve(directory: str, checks: bool, profiles: bool, pipe: Connection) -> None:
    """A cloud in this process, until the pipe closes."""
    from fairway.cloud.composition import Cloud
    from fairway.cloud.control.settings import load_settings

    async def run() -> None:
        settings = load_settings(Path(directory), REGION)
        cloud = Cloud(settings, os.environ)
        await cloud.start()
        if not checks:
            stop_checking()
        ports = [listener["local_port"] for listener in cloud.describe()["listeners"]]
        pipe.send((cloud.endpoint, settings.access_key, settings.secret_key, ports))
        await asyncio.to_thread(_wait_for_end, pipe)
        profile = cProfile.Profile()
        if profiles:
            pipe.send("profiling")
            profile.enable()
            await asyncio.to_thread(_wait_for_end, pipe)
            profile.disable()
            pstats.Stats(profile).sort_stats("cumulative").print_stats("control|iam_|sigv4")
        await cloud.stop()

    asyncio.run(run())


def stop_checking() -> None:
    """Let everybody do everything, on either way to a handler."""
    import ministack.app
    from ministack.core import iam_evaluator

    ministack.app.AUTH = False
    for name in ("enforce", "pin_signed_request", "pin_request_caller", "pin_signed_body"):
        setattr(iam_evaluator, name, lambda *asked, **more: None)


def _wait_for_end(pipe: Connection) -> None:
    with contextlib.suppress(EOFError):
        pipe.recv()


class Side:
    """One of the two clouds."""

    def __init__(self, directory: Path, checks: bool, profiles: bool = False) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, child = context.Pipe()
        self.process = context.Process(target=serve, args=(str(directory), checks, profiles, child))
        self.process.start()
        child.close()  # so that a cloud that does not start ends the waiting
        self.endpoint, self._key, self._secret, self.ports = self.pipe.recv()

    def measure(self, start: int, count: int) -> list[float]:
        """Seconds of each of so many writes, one after the other; start: of their numbers."""
        raise NotImplementedError

    def end(self) -> None:
        self.pipe.close()
        self.process.join(20)


class Posting(Side):
    """A cloud with the timestamp application deployed."""

    def measure(self, start: int, count: int) -> list[float]:
        taken = []
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=30)
        for _ in range(count):
            began = time.perf_counter()
            connection.request("POST", "/app")
            answer = connection.getresponse()
            text = answer.read()
            taken.append(time.perf_counter() - began)
            if answer.status != 200:
                raise RuntimeError(text.decode())
        connection.close()
        return taken


class Putting(Side):
    """A cloud with a table and a session of a role that may write to it."""

    def __init__(self, directory: Path, checks: bool, profiles: bool = False) -> None:
        super().__init__(directory, checks, profiles)
        self.connection = http.client.HTTPConnection(
            self.endpoint.removeprefix("http://"), timeout=30
        )
        self._prepare()

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self._key,
            aws_secret_access_key=self._secret,
        )

    def _prepare(self) -> None:
        self.client("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        table = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{TABLE}"
        key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
        statements = [
            (
                ["logs:CreateLogStream", "logs:PutLogEvents"],
                f"arn:aws:logs:{REGION}:*:log-group:x:*",
            ),
            (["sqs:SendMessage"], f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"),
            (
                ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
                [table, f"{table}/index/*"],
            ),
            (["kms:Decrypt", "kms:GenerateDataKey"], key),
        ]
        iam = self.client("iam")
        arn = iam.create_role(RoleName="writer", AssumeRolePolicyDocument=json.dumps(TRUST))[
            "Role"
        ]["Arn"]
        document = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": actions, "Resource": on} for actions, on in statements
            ],
        }
        iam.put_role_policy(
            RoleName="writer", PolicyName="own", PolicyDocument=json.dumps(document)
        )
        opened = self.client("sts").assume_role(RoleArn=arn, RoleSessionName="bench")["Credentials"]
        session = Credentials(
            opened["AccessKeyId"], opened["SecretAccessKey"], opened["SessionToken"]
        )
        self._signer = SigV4Auth(session, "dynamodb", REGION)

    def _sign(self, document: dict[str, Any]) -> tuple[str, dict[str, str]]:
        """A PutItem ready to be sent, so that the client's own work is not measured."""
        body = json.dumps(document)
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.PutItem",
        }
        request = AWSRequest("POST", self.endpoint + "/", headers, body)
        self._signer.add_auth(request)
        return body, dict(request.headers.items())

    def measure(self, start: int, count: int) -> list[float]:
        prepared = []
        for number in range(start, start + count):
            at = {"S": "2026-01-01T00:00:00"}
            item = {"id": {"S": f"r{number}"}, "at": at, "n": {"N": "1"}}
            prepared.append(self._sign({"TableName": TABLE, "Item": item}))
        taken = []
        for body, headers in prepared:
            began = time.perf_counter()
            self.connection.request("POST", "/", body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
            taken.append(time.perf_counter() - began)
            if answer.status != 200:
                raise RuntimeError(text.decode())
        return taken


def measure_price(open_side: Callable[[bool], Side], rounds: int, requests: int) -> dict[str, Any]:
    """Microseconds of a write with and without the checks."""
    sides: dict[bool, Side] = {}
    medians: dict[bool, list[float]] = {True: [], False: []}
    try:
        for checks in (True, False):
            sides[checks] = open_side(checks)
            sides[checks].measure(0, 500)
        for number in range(rounds):
            for checks in (True, False) if number % 2 else (False, True):
                taken = sides[checks].measure(number * requests, requests)
                medians[checks].append(1e6 * statistics.median(taken))
    finally:
        for side in sides.values():
            side.end()
    pairs = list(zip(medians[True], medians[False], strict=True))
    return {
        "with_us": round(statistics.median(medians[True])),
        "without_us": round(statistics.median(medians[False])),
        "check_us": round(statistics.median(on - off for on, off in pairs)),
        "price": round(statistics.median(on / off for on, off in pairs) - 1, 3),
        "per_round_us": [round(on - off) for on, off in pairs],
    }


def deploy_example(place: Path) -> Path:
    """The kept state of the timestamp application, deployed and stopped."""
    shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns(".fairway", "__pycache__"))
    run_fairway(place, "up", "--detach")
    run_fairway(place, "down")
    return place / ".fairway"


def measure_prices(folder: Path, rounds: int, requests: int) -> dict[str, Any]:
    """Of the AWS call, and of the whole write path."""
    put = measure_price(lambda c: Putting(folder / f"put-{c}", c), rounds, requests)
    deployed = deploy_example(folder / "app")

    def open_copy(checks: bool) -> Side:
        return Posting(shutil.copytree(deployed, folder / f"post-{checks}"), checks)

    return {"put_item": put, "post": measure_price(open_copy, rounds, requests // 2)}


def show_profile(folder: Path, requests: int) -> None:
    """Print where the time of the checks goes."""
    side = Putting(folder / "profile", True, profiles=True)
    side.measure(0, 500)
    side.pipe.send("begin")
    side.pipe.recv()
    side.measure(500, requests)
    side.pipe.send("end")
    side.process.join(20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--requests", type=int, default=120)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    prepare_this_process()
    with tempfile.TemporaryDirectory() as folder:
        if options.profile:
            show_profile(Path(folder), options.requests)
        else:
            found = measure_prices(Path(folder), options.rounds, options.requests)
            result = {"machine": report.describe_machine(), **found}
            for name in ("put_item", "post"):
                shown = {k: v for k, v in result[name].items() if k != "per_round_us"}
                print(name, json.dumps(shown))
            print(report.write_json("roles", result, options.json))


if __name__ == "__main__":
    main()
