"""From nothing to a serving application, and one small change after it."""

from __future__ import annotations

import json
import runpy
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.lifecycle.applications import Application, ask, running, tell_seconds

from fairway.apply.release import list_releases, read_release
from fairway.apply.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(make_app: Callable[[str], Application]) -> Application:
    application = make_app("timestamps")
    began = time.monotonic()
    outcome = application.apply()
    tell_seconds("first apply, cloud start included", time.monotonic() - began)
    assert "59 to create" in outcome.out
    assert "release 1 of timestamps-0" in outcome.out
    assert "next: fairway logs --follow, fairway down" in outcome.err
    return application


@pytest.fixture(scope="module")
def rows(app: Application) -> list[dict[str, str]]:
    """Three rows, written through the load balancer."""
    url = app.url()
    written = [ask("POST", f"{url}/app") for _ in range(3)]
    assert [answer.status for answer in written] == [200] * 3
    answer = ask("GET", f"{url}/app")
    found: list[dict[str, str]] = answer.json()
    assert {row["timeStamp"] for row in found} >= {answer.text for answer in written}
    return found


def test_rows_have_the_four_fields(rows: list[dict[str, str]]) -> None:
    assert len(rows) == 3
    for row in rows:
        assert row.keys() == {"uniqueId", "timeStamp", "clientIP", "protocol"}
        assert row["uniqueId"].startswith("Root=1-")
        assert row["clientIP"] == "127.0.0.1"
        assert row["protocol"].startswith("http:")


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/", 200, "<h1>Timestamps</h1>"),
        ("GET", "/health", 200, "healthy"),
        ("GET", "/other", 404, ""),
        ("GET", "/app/", 404, ""),
        ("GET", "/App", 404, ""),
        ("DELETE", "/app", 404, ""),
        ("PUT", "/app", 404, ""),
        ("POST", "/", 404, ""),
    ],
)
def test_routes(app: Application, method: str, path: str, status: int, text: str) -> None:
    answer = ask(method, f"{app.url()}{path}")
    assert answer.status == status
    assert text in answer.text


def test_head_has_no_route_and_no_body(app: Application) -> None:
    # A rule on the method GET does not match HEAD: page "Condition types for listener rules".
    answer = ask("HEAD", f"{app.url()}/")
    assert (answer.status, answer.text) == (404, "")


def test_handler_refuses_a_request_without_the_headers(app: Application) -> None:
    # Not reachable by HTTP: a load balancer always adds them.
    import os

    source = app.directory / "src" / "timestamps.py"
    kept = dict(os.environ)
    os.environ |= {"ENTRIES_TABLE": "none", "AWS_DEFAULT_REGION": "eu-west-1"}
    try:
        handler: Any = runpy.run_path(str(source))["handler"]
    finally:
        os.environ.clear()
        os.environ |= kept
    answer = handler({"httpMethod": "POST", "path": "/app", "headers": {}}, None)
    assert answer["statusCode"] == 400
    assert "x-amzn-trace-id" in answer["body"]


def test_status(app: Application) -> None:
    shown = app.fairway("status").expect().out
    document = app.status()
    assert document["urls"]["web"] in shown
    assert set(document["stacks"].values()) <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    assert len(document["stacks"]) == 3
    assert document["functions"]["api"] in shown
    assert document["cloud"]["engine"] == "ready"
    assert "{" not in shown


def test_logs_of_one_request(app: Application, rows: list[dict[str, str]]) -> None:
    lines = app.list_lines()
    for word in ("START RequestId: ", "END RequestId: ", "REPORT RequestId: "):
        assert sum(line.startswith(word) for line in lines) >= len(rows)
    shown = app.fairway("logs", "api").expect().out
    assert "REPORT RequestId" in shown
    reports = app.list_lines("--grep", "REPORT")
    assert reports
    assert all(line.startswith("REPORT ") for line in reports)


def test_logs_follow_until_interrupted(app: Application, tmp_path: Path) -> None:
    arguments = ["logs", "-C", str(app.directory), "--follow", "--json", "--grep", "REPORT"]
    with running(arguments, tmp_path / "out") as logs:
        before = len(app.list_lines("--grep", "REPORT"))
        ask("GET", f"{app.url()}/")
        logs.wait_for("REPORT", times=before + 1)
        assert logs.end(signal.SIGINT) == 130
        lines = logs.text.splitlines()
    assert "Traceback" not in logs.text
    assert "interrupted" in lines
    assert json.loads(lines[-1])["error"]["code"] == "interrupted"
    texts = [json.loads(line)["text"] for line in lines[:-1] if line.startswith("{")]
    assert len(texts) == len({*texts}) > before


def test_unchanged_then_more_memory(app: Application, rows: list[dict[str, str]]) -> None:
    assert "nothing to change" in app.fairway("plan").expect().out
    app.fairway("plan", "--exit-code").expect(0)
    assert "nothing to change" in app.apply().out

    app.replace("memory: 128MB", "memory: 256MB")
    shown = app.fairway("plan", "--exit-code").expect(2).out
    assert "1 to update" in shown
    line = 1 + app.file.read_text().splitlines().index("    memory: 256MB")
    assert f"fairway.yml:{line}:" in shown
    assert "MemorySize: 128 -> 256" in shown
    assert "release 2 of" in app.apply().out
    assert "nothing to change" in app.fairway("plan").expect().out
    assert ask("GET", f"{app.url()}/app").json()[: len(rows)] == rows
    assert "Memory Size: 256 MB" in app.list_lines("--grep", "REPORT")[-1]


def test_releases_are_kept_in_the_artifact_bucket(app: Application) -> None:
    aws = app.aws()
    bucket = aws.cloudformation.describe_stack_resource(
        StackName="fairway-artifacts", LogicalResourceId="Bucket"
    )["StackResourceDetail"]["PhysicalResourceId"]
    store = Store(aws, bucket)
    numbers = list_releases(store, "timestamps-0", "local")
    assert numbers == [1, 2]
    first, second = (read_release(store, "timestamps-0", "local", n) for n in numbers)
    assert first
    assert second
    assert (first.outcome, second.outcome) == ("succeeded", "succeeded")
    assert first.artifacts == second.artifacts
    changed = {n for n in first.stacks if first.stacks[n].digest != second.stacks[n].digest}
    assert changed == {"timestamps-0-local-app"}
    for name, record in second.stacks.items():
        key = f"templates/{record.digest}.json"
        if name != "fairway-artifacts":
            assert aws.s3.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0
    for digest in second.artifacts.values():
        body = aws.s3.get_object(Bucket=bucket, Key=f"artifacts/{digest}.zip")["Body"].read()
        assert body.startswith(b"PK")
