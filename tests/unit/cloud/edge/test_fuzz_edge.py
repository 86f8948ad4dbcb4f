"""A small run of the fuzzer in bench/, and that it sees what it is for."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from tests.unit.fuzzers import load_fuzzer

from fairway.cloud.edge.model import Request, Response

fuzzer = load_fuzzer("fuzz_edge")


def test_odd_requests_neither_crash_nor_hang_nor_lie() -> None:
    counts: Counter[str] = Counter()
    asyncio.run(fuzzer.fuzz(3000, 7, counts))
    assert counts["inputs"] >= 3000
    assert counts["valid"] > 1000
    assert counts["handled"] > counts["valid"]
    assert counts["refused"] > 500
    assert counts["events"] > 1000


def check(data: bytes, *, valid: int | None, hidden: bool = False, raises: bool = False) -> None:
    async def handle(request: Request) -> Response:
        if raises:
            raise RuntimeError("no")
        return Response(200, (), request.path.encode())

    async def play() -> None:
        front = fuzzer.make_fronts(random.Random(1))[0]
        front.handle = handle
        client = fuzzer.Client(front, asyncio.get_running_loop())
        client.send(random.Random(1), data)
        await client.end()
        fuzzer.check_client(client, fuzzer.Input(data, valid, hidden))

    asyncio.run(asyncio.wait_for(play(), 10))


GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"


def test_the_fuzzer_sees_what_is_wrong() -> None:
    check(GET % b"1" + GET % b"2", valid=2)
    with pytest.raises(fuzzer.Failed, match="1 of 2 valid"):
        check(GET % b"1", valid=2)
    with pytest.raises(fuzzer.Failed, match="inside a body"):
        check(GET % b"smuggled", valid=None, hidden=True)
    with pytest.raises(fuzzer.Failed, match="a handler raised"):
        check(GET % b"1", valid=1, raises=True)
    with pytest.raises(fuzzer.Failed, match="an answer of 1 bytes"):
        fuzzer.read_answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx", ["GET"])


def test_trailers_are_not_headers() -> None:
    """Found by the fuzzer: a second Host behind the body counted as one of the head's."""
    chunked = b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
    check(chunked + b"Host: b\r\nX-Trailer: 1\r\n\r\n" + GET % b"2", valid=2)
