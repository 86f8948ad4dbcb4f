"""Access logs: the lines of load balancers and HTTP APIs, and the files of the former."""

from __future__ import annotations

import asyncio
import gzip
import json
import shlex
from dataclasses import replace
from typing import Any

from fairway.cloud.control.access_logs.api_line import compile_format
from fairway.cloud.control.access_logs.api_logs import ApiLogs
from fairway.cloud.control.access_logs.balancer_files import MOST_BYTES, BalancerLogs, Place
from fairway.cloud.control.access_logs.balancer_line import write_line
from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.model import FixedResponse, HttpApi, Listener, Request

ACCOUNT = "000000000000"
PLACE = f"arn:aws:elasticloadbalancing:eu-west-1:{ACCOUNT}"
LISTENER = Listener(f"{PLACE}:listener/app/web/1/2", "web", "HTTP", 80, (), FixedResponse(404))
GROUP = f"{PLACE}:targetgroup/api/3"
REQUEST = Request(
    "GET",
    "/app",
    "a=b",
    (("Host", "127.0.0.1:8080"), ("User-Agent", 'odd "one"\t')),
    b"",
    ("127.0.0.1", 5000),
)
RECORD = AccessRecord(
    time=1542320568.364,
    source=LISTENER.arn,
    client=("127.0.0.1", 5000),
    request=REQUEST,
    status=200,
    seconds=0.25,
    received_bytes=34,
    sent_bytes=366,
    target="arn:aws:lambda:eu-west-1:000000000000:function:api",
    target_group=GROUP,
    target_status=200,
    target_seconds=0.125,
    rule_priority=10,
    action="forward",
    trace_id="Root=1-58337364-23a8c76965a2ef7629b185e3",
)


def test_a_line_has_the_page_s_fields_in_their_order() -> None:
    line = write_line(LISTENER, RECORD)
    assert shlex.split(line)[:29] == [
        "http",
        "2018-11-15T22:22:48.614000Z",
        "app/web/1",
        "127.0.0.1:5000",
        "-",
        "0.000",
        "0.125",
        "0.000",
        "200",
        "200",
        "34",
        "366",
        "GET http://127.0.0.1:8080/app?a=b HTTP/1.1",
        "odd \\x22one\\x22\\x09",
        "-",
        "-",
        GROUP,
        "Root=1-58337364-23a8c76965a2ef7629b185e3",
        "-",
        "-",
        "10",
        "2018-11-15T22:22:48.364000Z",
        "forward",
        "-",
        "-",
        "-",
        "-",
        "-",
        "-",
    ]
    assert len(shlex.split(line)) == 30


def test_what_was_not_dispatched_has_no_times_and_what_failed_its_reason() -> None:
    unread = replace(
        RECORD,
        request=None,
        status=400,
        target_seconds=None,
        rule_priority=None,
        target_status=None,
    )
    failed = replace(RECORD, status=502, target_status=None, error_reason="LambdaUnhandled")
    fields = shlex.split(write_line(LISTENER, unread))
    assert fields[5:10] == ["-1", "-1", "-1", "400", "-"]
    assert fields[20] == "-1"
    assert shlex.split(write_line(LISTENER, failed))[24] == "LambdaUnhandled"


def test_a_client_cannot_write_lines_of_its_own() -> None:
    headers = (("Host", "h"), ("User-Agent", 'x" 200\nhttps forged "'))
    line = write_line(LISTENER, replace(RECORD, request=replace(REQUEST, headers=headers)))
    assert "\n" not in line
    assert len(shlex.split(line)) == 30


# --- files -------------------------------------------------------------------------


class Bucket:
    """Takes files; refuses them when told to."""

    def __init__(self) -> None:
        self.files: dict[str, list[str]] = {}
        self.refusal: str | None = None
        self.attributes = {"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "logs"}
        self.told: list[str] = []

    def store(self, place: Place, key: str, body: bytes) -> str | None:
        if self.refusal is None:
            self.files[key] = gzip.decompress(body).decode().splitlines()
        return self.refusal

    def open(self) -> BalancerLogs:
        return BalancerLogs(
            lambda arn: self.attributes,
            self.store,
            self.told.append,
            lambda: 1542320500.0,
            lambda size: "abcd",
        )


def test_a_file_is_named_by_its_end_and_written_at_the_stop() -> None:
    bucket = Bucket()

    async def play() -> None:
        logs = bucket.open()
        logs.start()
        logs.note(LISTENER, RECORD)
        logs.note(LISTENER, RECORD)
        assert not bucket.files
        await logs.stop()

    asyncio.run(play())
    (key,) = bucket.files
    assert key == (
        f"AWSLogs/{ACCOUNT}/elasticloadbalancing/eu-west-1/2018/11/15/"
        f"{ACCOUNT}_elasticloadbalancing_eu-west-1_app.web.1_20181115T2225Z_127.0.0.1_abcd.log.gz"
    )
    assert len(bucket.files[key]) == 2


def test_access_logs_that_are_off_are_not_written_until_they_are_on() -> None:
    bucket = Bucket()
    bucket.attributes = {}

    async def play() -> None:
        logs = bucket.open()
        logs.note(LISTENER, RECORD)
        bucket.attributes = Bucket().attributes
        logs.note(LISTENER, RECORD)
        logs.forget()
        logs.note(LISTENER, RECORD)
        await logs.stop()

    asyncio.run(play())
    assert [len(lines) for lines in bucket.files.values()] == [1]


def test_a_busy_load_balancer_delivers_before_the_time() -> None:
    bucket = Bucket()
    long = replace(RECORD, request=replace(REQUEST, query="q" * 60_000))

    async def play() -> None:
        logs = bucket.open()
        for _ in range(MOST_BYTES // 60_000 + 1):
            logs.note(LISTENER, long)
        for _ in range(1000):
            if bucket.files:
                break
            await asyncio.sleep(0.01)
        assert bucket.files
        await logs.stop()

    asyncio.run(play())


def test_what_cannot_be_delivered_is_told() -> None:
    bucket = Bucket()
    bucket.refusal = "Access Denied for bucket: logs"

    async def play() -> None:
        logs = bucket.open()
        logs.note(LISTENER, RECORD)
        await logs.stop()

    asyncio.run(play())
    assert "1 lines" in bucket.told[0]
    assert "Access Denied" in bucket.told[0]


# --- HTTP APIs ---------------------------------------------------------------------

API = HttpApi("abc", "api", ACCOUNT, "eu-west-1", {})
CALLED = replace(RECORD, source="abc", route="GET /app", request_id="id=", action=None)


def test_variables_are_filled_in_and_absent_ones_are_dashes() -> None:
    text = (
        "$context.identity.sourceIp [$context.requestTime] $context.httpMethod $context.routeKey "
        "$context.protocol $context.status $context.responseLength $context.requestId "
        "$context.integrationErrorMessage $context.authorizer.claims.sub $context.stage"
    )
    assert compile_format(text)(API, CALLED) == (
        "127.0.0.1 [15/Nov/2018:22:22:48 +0000] GET GET /app HTTP/1.1 200 366 id= - - $default"
    )


def test_json_stays_json_whatever_a_client_sends() -> None:
    write = compile_format('{"path":"$context.path","agent":"$context.identity.userAgent"}')
    odd = replace(CALLED, request=replace(REQUEST, path='/"x\n'))
    line = write(API, odd)
    assert "\n" not in line
    assert json.loads(line) == {"path": '/"x\n', "agent": 'odd "one"\t'}


def test_an_error_of_the_integration_has_its_words() -> None:
    write = compile_format(
        "$context.status|$context.integrationErrorMessage|$context.error.message"
    )
    failed = replace(CALLED, status=500, target_status=None, error_reason="FunctionError")
    assert write(API, failed).split("|")[0] == "500"
    assert "Lambda function" in write(API, failed).split("|")[1]
    assert write(API, failed).split("|")[2] == "Internal Server Error"


def test_the_stage_names_the_group_and_may_change() -> None:
    stage: dict[str, Any] = {}
    lines: list[tuple[str, str]] = []
    logs = ApiLogs(
        lambda api, name: stage,
        lambda group, stream, events: lines.extend((group, text) for _, text in events),
    )
    logs.note(API, CALLED)
    stage["accessLogSettings"] = {
        "destinationArn": f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/fairway/web:*",
        "format": "$context.status",
    }
    logs.forget()
    logs.note(API, CALLED)
    assert lines == [("/fairway/web", "200")]
