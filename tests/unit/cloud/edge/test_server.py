"""The server on real sockets: what goes over the wire, byte by byte."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairway.cloud.edge.connection import Limits
from fairway.cloud.edge.model import Request, Response
from fairway.cloud.edge.server import Edge
from fairway.events import Event, LogLine, Notice

DEADLINE = 5.0


async def echo(request: Request) -> Response:
    """Say what arrived; /raise raises."""
    if request.path == "/raise":
        raise RuntimeError("the secret cause")
    heard = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "body": request.body.decode("latin-1"),
        "host": request.header("host"),
    }
    return Response(200, (("Content-Type", "application/json"),), json.dumps(heard).encode())


def serve(
    test: Callable[[Edge, int], Awaitable[None]],
    *,
    handle: Callable[[Request], Awaitable[Response]] = echo,
    limits: Limits | None = None,
    events: list[Event] | None = None,
    drain: float = 5.0,
) -> None:
    async def run() -> None:
        report = (lambda event: None) if events is None else events.append
        edge = Edge(limits=limits or Limits(), report=report, drain=drain)
        port = await edge.listen("web", handle)
        try:
            await asyncio.wait_for(test(edge, port), DEADLINE)
        finally:
            await edge.close_all()

    asyncio.run(run())


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port: int) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def read(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *rest = raw.decode("latin-1").strip().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in rest)}
        size = 0 if head else int(headers.get("content-length", 0))
        return int(first.split()[1]), headers, await self.reader.readexactly(size)

    async def read_json(self) -> dict[str, str]:
        return json.loads((await self.read())[2])

    async def closed(self) -> bool:
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


def ask(raw: bytes, limits: Limits | None = None) -> tuple[int, dict[str, str], bytes, bool]:
    """Send raw bytes, return the first answer and whether the server then closed."""
    got: list[tuple[int, dict[str, str], bytes, bool]] = []

    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(raw)
        status, headers, body = await client.read()
        closed = headers["connection"] == "close"
        if closed:
            assert await client.closed()
        got.append((status, headers, body, closed))

    serve(test, limits=limits)
    return got[0]


def test_answers_and_keeps_the_connection() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        for path in ("/a?b=1&c", "/d%20e"):
            client.send(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            status, headers, body = await client.read()
            assert (status, headers["connection"]) == (200, "keep-alive")
            assert headers["content-length"] == str(len(body))
            assert headers["date"].endswith(" GMT")
        assert json.loads(body)["path"] == "/d%20e"

    serve(test)


def test_pipelined_requests_are_answered_in_order() -> None:
    async def slow_first(request: Request) -> Response:
        for _ in range(10 - int(request.path[1:])):
            await asyncio.sleep(0)
        return Response(200, (), request.path.encode())

    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(10)))
        client.writer.write_eof()
        assert [(await client.read())[2] for _ in range(10)] == [b"/%d" % n for n in range(10)]
        assert await client.closed()

    serve(test, handle=slow_first)


def test_a_deep_pipeline_is_answered_whole() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 500)
        for _ in range(500):
            assert (await client.read())[0] == 200

    serve(test)


def test_chunked_body_in_pieces_then_another_request() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        raw = (
            b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: t\r\n\r\n"
            b"POST /d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
        )
        for byte in raw:
            client.send(bytes([byte]))
            await client.writer.drain()
        assert (await client.read_json())["body"] == "hello world"
        assert (await client.read_json())["body"] == "abc"

    serve(test)


def test_expect_continue() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n")
        client.send(b"Expect: 100-continue\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"ok")
        assert (await client.read_json())["body"] == "ok"

    serve(test)


def test_expect_continue_waits_for_the_answers_before_it() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET /first HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nHost: h\r\n")
        client.send(b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.read_json())["path"] == "/first"
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"

    serve(test)


def test_head_has_a_length_and_no_body() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
        _, headers, _ = await client.read(head=True)
        _, _, body = await client.read()
        assert int(headers["content-length"]) == len(body) + len("HEAD") - len("GET")

    serve(test)


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_a_body(status: int) -> None:
    async def bare(request: Request) -> Response:
        return Response(status, (), b"ignored")

    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 2)
        for _ in range(2):
            got, headers, _ = await client.read()
            assert (got, "content-length" in headers) == (status, False)

    serve(test, handle=bare)


HOST = b"Host: h\r\n"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200),
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"bad header: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400),
        (b"CONNECT h:80 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 2000\r\n\r\n", 413),
        (
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n"
            + b"a" * 2000
            + b"\r\n0\r\n\r\n",
            413,
        ),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nExpect: tea\r\n\r\n", 417),
        (b"GET /" + b"a" * 17000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 17000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200_000, 400),
        (b"GET / HTTP/1.1\r\n" + HOST + (b"X: " + b"a" * 9000 + b"\r\n") * 8 + b"\r\n", 400),
        (
            b"GET / HTTP/1.1\r\n"
            + HOST
            + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
            400,
        ),
    ],
)
def test_answers_that_end_the_connection(raw: bytes, status: int) -> None:
    got, _, body, closed = ask(raw, Limits(body=1000))
    assert (got, closed) == (status, True)
    assert b"Traceback" not in body


def test_an_offer_of_http2_is_ignored_and_the_connection_goes_on() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        offer = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
        client.send(b"GET /a HTTP/1.1\r\n" + HOST + offer + b"\r\n")
        client.send(b"POST /b HTTP/1.1\r\n" + HOST + offer + b"Content-Length: 2\r\n\r\nhi")
        client.send(b"GET /c HTTP/1.1\r\n" + HOST + b"\r\n")
        heard = [await client.read_json() for _ in range(3)]
        assert [(h["path"], h["body"]) for h in heard] == [("/a", ""), ("/b", "hi"), ("/c", "")]

    serve(test)


def test_an_absolute_target_names_the_host() -> None:
    _, _, body, _ = ask(b"GET http://x.example:81/p?q HTTP/1.1\r\nHost: other\r\n\r\n")
    heard = json.loads(body)
    assert (heard["host"], heard["path"], heard["query"]) == ("x.example:81", "/p", "q")


def test_a_handler_that_raises_gives_500_and_the_next_request_works() -> None:
    events: list[Event] = []

    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET /raise HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n")
        status, _, body = await client.read()
        assert (status, body) == (500, b"500\n")
        assert (await client.read_json())["path"] == "/next"

    serve(test, events=events)
    assert [e.text for e in events if isinstance(e, LogLine)] == [
        "GET /raise: the edge failed: RuntimeError('the secret cause')"
    ]


def test_an_answer_cannot_smuggle_header_lines() -> None:
    async def split(request: Request) -> Response:
        return Response(200, (("X", "a\r\nSet-Cookie: b"),))

    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        status, headers, _ = await client.read()
        assert (status, "set-cookie" in headers) == (500, False)

    serve(test, handle=split)


def test_a_slow_request_gets_408() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nHo")
        assert (await client.read())[0] == 408
        assert await client.closed()

    serve(test, limits=Limits(idle=0.05))


def test_a_trickled_head_gets_408_though_it_never_pauses() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nX: ")
        answer = asyncio.create_task(client.read())
        while not answer.done():
            client.send(b"a")
            await asyncio.sleep(0.005)
        assert answer.result()[0] == 408

    serve(test, limits=Limits(head=0.1))


def test_an_idle_connection_is_closed_without_a_word() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.read()
        assert await client.closed()

    serve(test, limits=Limits(idle=0.05))


def test_a_client_that_leaves_does_not_stop_the_handler() -> None:
    begun, leave, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(request: Request) -> Response:
        begun.set()
        await leave.wait()
        ended.set()
        return Response(200)

    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await begun.wait()
        client.writer.transport.abort()
        other = await Client.open(port)
        leave.set()
        await ended.wait()
        other.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await other.read())[0] == 200

    serve(test, handle=handle)


def test_close_answers_what_is_under_way_and_then_refuses() -> None:
    begun, leave = asyncio.Event(), asyncio.Event()

    async def handle(request: Request) -> Response:
        begun.set()
        await leave.wait()
        return Response(200, (), b"done")

    async def test(edge: Edge, port: int) -> None:
        busy, idle = await Client.open(port), await Client.open(port)
        busy.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await begun.wait()
        closing = asyncio.create_task(edge.close("web"))
        assert await idle.closed()
        leave.set()
        status, headers, body = await busy.read()
        assert (status, headers["connection"], body) == (200, "close", b"done")
        await closing
        with pytest.raises(ConnectionRefusedError):
            await Client.open(port)
        assert edge.ports == {}

    serve(test, handle=handle)


def test_close_does_not_wait_for_ever() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(request: Request) -> Response:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Response(200)

    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await begun.wait()
        await edge.close_all()
        assert cancelled.is_set()
        assert await client.closed()

    serve(test, handle=handle, drain=0.05)


def test_replace_keeps_the_connection() -> None:
    async def other(request: Request) -> Response:
        return Response(201)

    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await client.read())[0] == 200
        await edge.replace("web", other)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await client.read())[0] == 201

    serve(test)


def test_a_taken_port_is_named_and_another_one_chosen() -> None:
    events: list[Event] = []
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]

        async def test(edge: Edge, port: int) -> None:
            chosen = await edge.listen("second", echo, taken)
            assert chosen not in (taken, port)
            assert edge.ports == {"web": port, "second": chosen}
            assert events == [Notice(f"second: port {taken} is in use, listening on {chosen}")]
            client = await Client.open(chosen)
            client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            assert (await client.read())[0] == 200

        serve(test, events=events)


def test_a_port_is_free_again_at_once_and_can_be_kept() -> None:
    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        await client.read()
        await edge.close("web")
        assert await edge.listen("web", echo, port) == port

    serve(test)


def test_a_name_is_open_once() -> None:
    async def test(edge: Edge, port: int) -> None:
        with pytest.raises(ValueError, match="'web' is open already"):
            await edge.listen("web", echo)

    serve(test)


def test_a_large_answer_to_a_slow_reader_arrives_whole() -> None:
    async def large(request: Request) -> Response:
        return Response(200, (), b"x" * 3_000_000)

    async def test(edge: Edge, port: int) -> None:
        client = await Client.open(port)
        client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 3)
        for _ in range(3):
            assert len((await client.read())[2]) == 3_000_000

    serve(test, handle=large)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.sampled_from(
                [
                    b"GET / HTTP/1.1\r\n",
                    b"POST /x HTTP/1.1\r\n",
                    b"Host: h\r\n",
                    b"Content-Length: 4\r\n",
                    b"Transfer-Encoding: chunked\r\n",
                    b"Expect: 100-continue\r\n",
                    b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
                    b"\r\n",
                    b"0\r\n\r\n",
                ]
            ),
        ),
        max_size=8,
    )
)
def test_junk_never_breaks_the_server(pieces: list[bytes]) -> None:
    events: list[Event] = []

    async def test(edge: Edge, port: int) -> None:
        loop = asyncio.get_running_loop()
        failures: list[dict[str, object]] = []
        loop.set_exception_handler(lambda _, info: failures.append(info))
        junk = await Client.open(port)
        for piece in pieces:
            junk.send(piece)
        junk.writer.write_eof()
        assert await asyncio.wait_for(drain(junk), DEADLINE)
        client = await Client.open(port)
        client.send(b"GET /alive HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await client.read_json())["path"] == "/alive"
        assert failures == []

    serve(test, events=events)
    assert events == []


async def drain(client: Client) -> bool:
    try:
        await client.reader.read(-1)
    except ConnectionResetError:
        return True
    return client.reader.at_eof()
