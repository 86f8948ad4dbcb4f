"""The targets of the request path bench: how each is started, and the URL it then answers on."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import boto3
from install_peers import (
    BENCH,
    WORK,
    install_node_peers,
    install_python_peer,
    make_environment,
)
from processes import start

SOURCES = BENCH / "peers/request_path"
EXAMPLE = BENCH.parent / "examples/timestamps"
TIMESTAMP = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}$"
START_DEADLINE = 90.0  # seconds


class TargetFailedError(Exception):
    """A target did not start, or does not answer as it must."""


@dataclass(frozen=True)
class Database:
    """The DynamoDB that all targets but ours write to: a ministack of its own."""

    url: str
    pid: int

    def count_rows(self) -> int:
        pages = make_client("dynamodb", self.url).get_paginator("scan")
        return sum(page["Count"] for page in pages.paginate(TableName="entries", Select="COUNT"))


@dataclass(frozen=True)
class Target:
    """One thing to measure; `serve` starts it in an empty directory and gives its URL."""

    name: str
    about: str
    serve: Callable[[Path, Database], AbstractContextManager[str]]
    expect: str = TIMESTAMP
    writes_to_database: bool = True


def make_client(service: str, url: str):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_right(
    url: str, expect: str, alive: Callable[[], bool], method: str = "POST"
) -> None:
    """Until one request is answered 200 with the expected body."""
    ends, seen = time.monotonic() + START_DEADLINE, "no answer"
    while time.monotonic() < ends:
        if not alive():
            raise TargetFailedError(f"ended while starting ({seen})")
        try:
            data = b"" if method == "POST" else None
            # urllib would call an empty body a form, which chalice refuses.
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(url, data=data, headers=headers, method=method)
            with urllib.request.urlopen(request, timeout=10) as answer:
                seen = answer.read().decode(errors="replace")[:300]
                if answer.status == 200 and re.search(expect, seen):
                    return
        except urllib.error.HTTPError as error:
            seen = f"{error.code} {error.read()[:300]!r}"
        except OSError as error:
            seen = str(error)
        time.sleep(0.1)
    raise TargetFailedError(f"no right answer within {START_DEADLINE:.0f} s; last: {seen}")


def start_ministack(place: Path, port: int) -> subprocess.Popen[bytes]:
    """Its own server with its own defaults, on loopback and without anything kept."""
    bin_dir = install_python_peer("ministack")
    env = make_environment(bin_dir) | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "TMPDIR": str(place),
        "LOG_LEVEL": "WARNING",
        "IOT_MTLS_ENABLED": "0",  # these two would listen on every address
        "SFTP_ENABLED": "0",
    }
    return start([str(bin_dir / "ministack")], place, env, place / "ministack.log")


def start_database() -> Database:
    """A ministack process with the table, for all targets of a run."""
    place, port = make_place("database"), find_free_port()
    url = f"http://127.0.0.1:{port}"
    process = start_ministack(place, port)
    wait_until_right(f"{url}/_ministack/health", "", lambda: process.poll() is None, "GET")
    make_client("dynamodb", url).create_table(
        TableName="entries",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "uniqueId", "KeyType": "HASH"},
            {"AttributeName": "timeStamp", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "uniqueId", "AttributeType": "S"},
            {"AttributeName": "timeStamp", "AttributeType": "S"},
        ],
    )
    return Database(url, process.pid)


def make_place(name: str) -> Path:
    """An empty working directory."""
    place = WORK / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place


def copy_sources(place: Path, folder: str, *modules: str) -> None:
    shutil.copytree(SOURCES / folder, place, dirs_exist_ok=True)
    for module in modules:
        shutil.copy(SOURCES / module, place)


@contextlib.contextmanager
def serve_starlette(place: Path, database: Database) -> Iterator[str]:
    bin_dir, port = install_python_peer("starlette"), find_free_port()
    for module in ("starlette_app.py", "write_timestamp.py"):
        shutil.copy(SOURCES / module, place)
    command = [str(bin_dir / "uvicorn"), "starlette_app:app", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    env = make_environment(bin_dir) | {"AWS_ENDPOINT_URL_DYNAMODB": database.url}
    process = start(command, place, env, place / "log")
    wait_until_right(f"http://127.0.0.1:{port}/app", TIMESTAMP, lambda: process.poll() is None)
    yield f"http://127.0.0.1:{port}/app"


@contextlib.contextmanager
def serve_chalice(place: Path, database: Database) -> Iterator[str]:
    bin_dir, port = install_python_peer("chalice"), find_free_port()
    copy_sources(place, "chalice", "write_timestamp.py")
    command = [str(bin_dir / "chalice"), "local", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--no-autoreload"]
    env = make_environment(bin_dir) | {"AWS_ENDPOINT_URL_DYNAMODB": database.url}
    process = start(command, place, env, place / "log")
    wait_until_right(f"http://127.0.0.1:{port}/app", TIMESTAMP, lambda: process.poll() is None)
    yield f"http://127.0.0.1:{port}/app"


@contextlib.contextmanager
def serve_serverless_offline(place: Path, database: Database) -> Iterator[str]:
    modules, python = install_node_peers(), install_python_peer("starlette")
    copy_sources(place, "serverless", "http_api.py", "write_timestamp.py")
    (place / "node_modules").symlink_to(modules)
    port = find_free_port()
    command = [str(modules / ".bin/osls"), "offline", "--host", "127.0.0.1"]
    command += ["--httpPort", str(port), "--lambdaPort", str(find_free_port())]
    env = make_environment(python, modules / ".bin")
    env |= {"AWS_ENDPOINT_URL_DYNAMODB": database.url}
    process = start(command, place, env, place / "log")
    wait_until_right(f"http://127.0.0.1:{port}/app", TIMESTAMP, lambda: process.poll() is None)
    yield f"http://127.0.0.1:{port}/app"


@contextlib.contextmanager
def serve_ministack(place: Path, database: Database) -> Iterator[str]:
    port = find_free_port()
    url = f"http://127.0.0.1:{port}"
    process = start_ministack(place, port)
    wait_until_right(f"{url}/_ministack/health", "", lambda: process.poll() is None, "GET")
    functions = make_client("lambda", url)
    arn = functions.create_function(
        FunctionName="api",
        Runtime="python3.11",
        Handler="http_api.handler",
        Role="arn:aws:iam::000000000000:role/api",
        Timeout=10,
        MemorySize=128,
        Environment={"Variables": {"AWS_ENDPOINT_URL_DYNAMODB": database.url}},
        Code={"ZipFile": zip_modules("http_api.py", "write_timestamp.py")},
    )["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName="api")
    gateway = make_client("apigatewayv2", url)
    api = gateway.create_api(Name="timestamps", ProtocolType="HTTP")["ApiId"]
    integration = gateway.create_integration(
        ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    gateway.create_route(ApiId=api, RouteKey="POST /app", Target=f"integrations/{integration}")
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    app = f"{url}/_aws/execute-api/{api}/$default/app"
    wait_until_right(app, TIMESTAMP, lambda: process.poll() is None)
    yield app


def zip_modules(*modules: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for module in modules:
            archive.write(SOURCES / module, module)
    return out.getvalue()


def serve_ours(
    source: Path, expect: str
) -> Callable[[Path, Database], AbstractContextManager[str]]:
    """Fairway on its own local cloud, whose embedded database holds the table."""

    @contextlib.contextmanager
    def serve(place: Path, _: Database) -> Iterator[str]:
        shutil.copytree(
            source,
            place,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns(".fairway", "__pycache__"),
        )
        run_fairway(place, "apply", "--yes")
        try:
            status = json.loads(run_fairway(place, "status", "--json"))
            url = status["urls"]["web"].rstrip("/") + "/app"
            wait_until_right(url, expect, lambda: True)
            yield url
        finally:
            with contextlib.suppress(TargetFailedError):
                run_fairway(place, "down")

    return serve


def run_fairway(place: Path, *arguments: str) -> str:
    """One command of ours in a project's directory; its standard output."""
    bin_dir = Path(sys.executable).parent
    done = subprocess.run(
        [str(bin_dir / "fairway"), *arguments],
        cwd=place,
        env=make_environment(bin_dir),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_DEADLINE,
        check=False,
    )
    with (place / "log").open("a") as log:
        log.write(f"$ fairway {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise TargetFailedError(f"fairway {arguments[0]} exited {done.returncode}: {last[0]}")
    return done.stdout


NOOP = "^ok$"
TARGETS = {
    target.name: target
    for target in (
        Target("ceiling", "bare Starlette + boto3, one process", serve_starlette),
        Target(
            "ours",
            "Fairway, examples/timestamps",
            serve_ours(EXAMPLE, TIMESTAMP),
            writes_to_database=False,
        ),
        Target("chalice", "chalice local", serve_chalice),
        Target("serverless-offline", "osls + serverless-offline", serve_serverless_offline),
        Target("ministack", "ministack: HTTP API + Lambda", serve_ministack),
        Target(
            "ours-noop",
            "Fairway, a function that writes nothing",
            serve_ours(SOURCES / "fairway_noop", NOOP),
            expect=NOOP,
            writes_to_database=False,
        ),
    )
}
