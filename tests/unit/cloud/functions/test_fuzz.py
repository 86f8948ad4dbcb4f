"""A small run of the fuzzer in bench/, and what larger runs have found."""

import asyncio
from collections import Counter

import pytest
from tests.unit.fuzzers import load_fuzzer

from fairway.cloud.functions.api import MAX_HEAD
from fairway.cloud.functions.failures import read_init_error

fuzzer = load_fuzzer("fuzz_runtime_api")
HEAD = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n" % fuzzer.HOST


def send(*pieces) -> tuple:
    async def play() -> tuple:
        runtime = fuzzer.Counting()
        connection, wire = fuzzer.open_connection(runtime)
        for piece in pieces:
            if not wire.closed:
                connection.data_received(piece)
        return runtime, wire

    return asyncio.run(play())


def test_damaged_requests_neither_crash_nor_hang():
    counts = Counter()
    asyncio.run(fuzzer.fuzz(3000, 7, counts))
    assert counts["inputs"] >= 3000
    assert counts["served"] > 100
    assert counts["dropped"] > 100
    assert counts["answered"] > 50


@pytest.mark.parametrize(
    "extra",
    [b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", b"Content-Length: x\r\n\r\n", b"\0\r\n"],
)
def test_what_is_no_request_ends_the_connection(extra):
    _, wire = send(HEAD + extra)
    assert wire.closed


def test_a_head_without_end_is_cut_off():
    runtime, wire = send(HEAD, *([b"X: " + b"y" * 8000 + b"\r\n"] * (MAX_HEAD // 8000 + 1)))
    assert (runtime.calls, wire.closed) == (0, True)


def test_a_large_body_is_no_head():
    body = b"x" * (2 * MAX_HEAD)
    head = HEAD.replace(b"GET", b"POST").replace(b"next", b"some-id/response")
    runtime, wire = send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    fuzzer.check_answers(bytes(wire.written))
    assert (runtime.calls, wire.closed) == (1, False)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[" * 100_000, "Runtime.Unknown"),
        (b'{"errorType": "\\ud800"}', "?"),
        (b'{"errorType": "%s"}' % (b"x" * 9000), "x" * 500),
    ],
)
def test_init_errors_of_any_kind_can_be_logged(body, kind):
    assert read_init_error(body).error_type == kind
