"""Fuzz the HTTP edge in one process, from bytes to a function's event and back.

    python bench/fuzz_edge.py [--inputs 1000000] [--seed 1]

Every input is what one client sends: valid requests, pipelines, damaged requests
or shapes used to smuggle one request inside another, cut into pieces at random.
Behind the connections stand a load balancer and HTTP APIs of both payload formats,
in front of a function that gives good and bad answers. For each input:

- nothing raises, and all of it is over within five seconds for some dozens;
- what is written are whole HTTP answers, one for each request that was handled,
  and at most one refusal, the last;
- a valid pipeline is answered request by request; what lies inside a body is never
  handled; what is handled has one meaning (one Host, one framing);
- every event is JSON, and says what the request said: path, query, headers, body;
- afterwards the connection is closed and forgotten, and a valid request on a new
  one is answered.

Prints the counts; the exit code is 1 when anything failed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_plus

from fuzzing import Failed, cut, damage, run_fuzzer

from fairway.cloud.edge.connection import Connection, Limits
from fairway.cloud.edge.http_api import HttpApiHandler
from fairway.cloud.edge.load_balancer import LoadBalancer
from fairway.cloud.edge.model import (
    Forward,
    HttpApi,
    Integration,
    Listener,
    Request,
    Response,
    TargetGroup,
)
from fairway.cloud.edge.server import Port
from fairway.cloud.functions.model import Invocation, PayloadTooLarge, TooManyRequests

_ROUND = 50
_SMUGGLED = b"/smuggled"
_METHODS = (b"GET", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"TRACE")
_TARGETS = (
    b"/",
    b"/a/b",
    b"/a%20b/%e2%82%ac?x=1&x=2&y=%26",
    b"/%ff%00?%zz=%&&=&a",
    b"/?" + b"q=1&" * 50,
    b"//x/../y;p=1?a+b=c+d#part",
    b"http://there.example:8080/abs?z=1",
)
_HEADERS = (
    b"Accept: */*",
    b"User-Agent: fuzz/1 \xe2\x82\xac\xff",
    b"Cookie: a=1; b=2",
    b"cookie: c=3;;",
    b"X-Forwarded-For: 10.0.0.1, , 10.0.0.2",
    b"X-Forwarded-Port: 1",
    b"X-Amzn-Trace-Id: Root=1-2-3;Self=x;a=b",
    b"X-Amzn-Trace-Id: ;;;=",
    b"Connection: x-private, keep-alive, host",
    b"X-Private: 1",
    b"Content-Type: text/plain; charset=x",
    b"Content-Type: application/octet-stream",
    b"Content-Encoding: gzip",
    b"X-Many: 1",
    b"X-Many: 2",
    b"X-Empty:",
    b"x_under.score!: \t spaced \t",
    b"Origin: https://page.example",
    b"Access-Control-Request-Method: PUT",
)
_BODIES = (
    b"",
    b"x",
    b"{}",
    b"\xff\x00\xfe" * 20,
    b"GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n",
    b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n",
    b"\xe2\x82\xac" * 300,
    b"y" * 20_000,
)
_PIECES = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: +5\r\n",
    b"Content-Length: -1\r\n",
    b"Content-Length: 5, 5\r\n",
    b"Content-Length: 99999999999999999999\r\n",
    b"Content-Length: 1\xb2\r\n",
    b"Expect: 100-continue\r\n",
    b"Expect: a-cup-of-tea\r\n",
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Host: evil.example\r\n",
    b" folded: value\r\n",
    b"X: " + b"z" * 17_000 + b"\r\n",
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/0.9\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"\xe2\x82\xac\xff",
    b"ffffffffffffffff\r\n",
    b'5;ext="\r\n"\r\n',
    b"0\r\n\r\n",
    b"%00%2f",
    b"/\xc3\xa9\xff",
)
_ANSWERS = (
    b'{"statusCode": 200, "body": "fine"}',
    b'{"statusCode": 201, "headers": {"X-A": "b"}, "multiValueHeaders": {"X-B": ["c"]}}',
    b'{"statusCode": 204, "body": ""}',
    b'{"statusCode": 200, "isBase64Encoded": true, "body": "//79"}',
    b'{"statusCode": 200, "isBase64Encoded": true, "body": "?"}',
    b'{"statusCode": 200, "headers": {"X": "a\\r\\nY: b"}}',
    b'{"statusCode": 200, "headers": {"\\ud800": "\\ud800"}, "body": "\\ud800"}',
    b'{"statusCode": 200, "headers": {"Transfer-Encoding": "chunked", "Content-Length": "9"}}',
    b'{"statusCode": 1e999}',
    b'{"statusCode": "200", "cookies": ["a=b"]}',
    b'{"statusCode": 200, "statusDescription": "200 O\\r\\nK"}',
    b'{"statusCode": 304, "body": "none"}',
    b'"text"',
    b"null",
    b"[" * 3000,
    b"\xff",
    b"",
)
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")
_FORWARDED = frozenset(
    {"x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
)
_DROPPED = frozenset({"connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}) | {
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


# --- inputs --------------------------------------------------------------------


@dataclass
class Input:
    """What one client sends. valid: how many requests it is, None when it is damaged.

    hidden: bodies hold requests that must never be handled.
    """

    data: bytes
    valid: int | None
    hidden: bool
    methods: list[bytes] = field(default_factory=list)


def encode_chunked(draw: random.Random, body: bytes) -> bytes:
    """The body in chunks of random sizes, some with extensions, some with trailers."""
    sent = []
    while body:
        size = draw.randrange(1, len(body) + 1)
        extension = draw.choice((b"", b"", b";a=b", b';q="x"'))
        sent.append(b"%x%s\r\n%s\r\n" % (size, extension, body[:size]))
        body = body[size:]
    trailer = draw.choice((b"", b"", b"X-Trailer: 1\r\n", b"X-Trailer: 1\r\nHost: b\r\n"))
    return b"".join(sent) + b"0\r\n" + trailer + b"\r\n"


def make_request(draw: random.Random) -> tuple[bytes, bytes, bool]:
    """A valid request: its method, its bytes and whether a body hides another one."""
    method = draw.choice(_METHODS)
    lines = [b"%s %s HTTP/1.1" % (method, draw.choice(_TARGETS)), b"Host: app.example:8080"]
    lines += draw.sample(_HEADERS, draw.randrange(0, 6))
    body = draw.choice(_BODIES) if draw.random() < 0.5 else b""
    if draw.random() < 0.1:
        lines.append(b"Expect: 100-continue")
    if not body and draw.random() < 0.7:
        return method, b"\r\n".join([*lines, b"", b""]), False
    hidden = _SMUGGLED in body
    if draw.random() < 0.4:
        head = b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b""])
        return method, head + encode_chunked(draw, body), hidden
    head = b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", b""])
    return method, head + body, hidden


def make_smuggling(draw: random.Random) -> bytes:
    """A head whose framing two servers may read differently, with a request where they part."""
    inner = b"GET /smuggled HTTP/1.1\r\nHost: evil\r\n\r\n"
    chunked = b"0\r\n\r\n" + inner
    sized = b"%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner)
    length = len(draw.choice((inner, chunked, sized)))
    coding = draw.choice(
        (
            b"Transfer-Encoding: chunked",
            b"Transfer-Encoding: xchunked",
            b"Transfer-Encoding: chunked, identity",
            b"Transfer-Encoding: identity, chunked",
            b"Transfer-Encoding : chunked",
            b"Transfer-Encoding\t: chunked",
            b"Transfer-Encoding:\x0bchunked",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
            b"X: y\nTransfer-Encoding: chunked",
            b" Transfer-Encoding: chunked",
        )
    )
    sizes = draw.choice(
        (
            b"Content-Length: %d" % length,
            b"Content-Length: %d\r\nContent-Length: 0" % length,
            b"Content-Length: 0, %d" % length,
            b"Content-Length: 0x%x" % length,
            b"Content-Length: +%d" % length,
        )
    )
    lines = [b"POST /outer HTTP/1.1", b"Host: app.example"]
    both = [coding, sizes]
    draw.shuffle(both)
    return b"\r\n".join([*lines, *both, b"", b""]) + draw.choice((chunked, sized))


def make_input(draw: random.Random) -> Input:
    """One input: a third valid, the rest not."""
    kind = draw.random()
    if kind < 0.1:
        return Input(make_smuggling(draw), None, True)
    requests = [make_request(draw) for _ in range(draw.choice((1, 1, 1, 2, 3, 6)))]
    if draw.random() < 0.01:
        requests *= 20
    data = b"".join(bytes_ for _, bytes_, _ in requests)
    hidden = any(hides for _, _, hides in requests)
    if kind < 0.4:
        return Input(data, len(requests), hidden, [method for method, _, _ in requests])
    return Input(damage(draw, data, _PIECES), None, False)


# --- the edge ------------------------------------------------------------------


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and closes as a socket's does."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 40_000) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Function:
    """Answers as told, and keeps the payload for the check."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.payload = b""

    async def __call__(self, arn: str, payload: bytes, **_: Any) -> Invocation:
        self.payload = payload
        if self.draw.random() < 0.3:
            await asyncio.sleep(0)
        kind = self.draw.random()
        if kind < 0.02:
            raise self.draw.choice((TooManyRequests("busy"), PayloadTooLarge("big"), OSError()))
        error = "Unhandled" if kind < 0.05 else None
        return Invocation("id", self.draw.choice(_ANSWERS), error=error)


@dataclass
class Front:
    """One of the handlers, and how to check the events that it makes."""

    handle: Callable[[Request], Any]
    refuse: Callable[[int, tuple[str, int]], Response]
    function: Function
    check: Callable[[Request, dict[str, Any]], None]


def make_fronts(draw: random.Random) -> list[Front]:
    """A load balancer with and without lists of values, HTTP APIs of both formats."""
    fronts = []
    for several in (False, True):
        function = Function(draw)
        group = TargetGroup("group", ("function",), multi_value_headers=several)
        listener = Listener(
            "listener", "web", "HTTP", 80, (), Forward((("group", 1),)), {"group": group}
        )
        balancer = LoadBalancer(listener, function)
        check = check_balancer_lists if several else check_balancer
        fronts.append(Front(balancer, balancer.refuse, function, check))
    for version in ("1.0", "2.0"):
        function = Function(draw)
        routes = {"$default": Integration("function", payload_format=version)}  # type: ignore[arg-type]
        api = HttpApiHandler(HttpApi("api", "api", "0" * 12, "eu-west-1", routes), function)
        check = check_api_1 if version == "1.0" else check_api_2
        fronts.append(Front(api, api.refuse, function, check))
    return fronts


def list_sent(request: Request) -> dict[str, list[str]]:
    """The headers that a function must be told, with all their values, by the page's rules."""
    named = {
        token.strip().lower()
        for name, value in request.headers
        if name.lower() == "connection"
        for token in value.split(",")
    }
    dropped = _DROPPED | (named - {"host", "content-length"}) | _FORWARDED
    found: dict[str, list[str]] = {}
    for name, value in request.headers:
        if name.lower() not in dropped:
            found.setdefault(name.lower(), []).append(value)
    return found


def _expect(name: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Failed(f"{name}: {found!r} instead of {wanted!r}")


def _split(query: str, decode: Callable[[str], str] = str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        found.setdefault(decode(key), []).append(decode(value))
    return found


def _check_body(request: Request, event: dict[str, Any]) -> None:
    body = event.get("body") or ""
    if event["isBase64Encoded"]:
        _expect("body", base64.b64decode(body, validate=True), request.body)
    else:
        _expect("body", body, request.body.decode("utf-8", "replace"))


def _without(headers: dict[str, Any], *names: str) -> dict[str, Any]:
    return {k: v for k, v in headers.items() if k.lower() not in _FORWARDED | set(names)}


def check_balancer(request: Request, event: dict[str, Any]) -> None:
    """Page "Use Lambda functions as targets of an Application Load Balancer"."""
    _expect("path", (event["httpMethod"], event["path"]), (request.method, request.path))
    sent = {name: values[-1] for name, values in list_sent(request).items()}
    _expect("headers", _without(event["headers"]), sent)
    query = {name: values[-1] for name, values in _split(request.query).items()}
    _expect("query", event["queryStringParameters"], query)
    _check_body(request, event)


def check_balancer_lists(request: Request, event: dict[str, Any]) -> None:
    """The same page, "Multi-value headers"."""
    _expect("headers", _without(event["multiValueHeaders"]), list_sent(request))
    _expect("query", event["multiValueQueryStringParameters"], _split(request.query))
    _check_body(request, event)


def check_api_1(request: Request, event: dict[str, Any]) -> None:
    """Page "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway", format 1.0."""
    told = {n.lower(): v for n, v in event["multiValueHeaders"].items()}
    sent = list_sent(request)
    _expect("headers", _without(told, "content-length"), _without(sent, "content-length"))
    query = _split(request.query, unquote_plus)
    _expect("query", event["multiValueQueryStringParameters"] or {}, query)
    _expect("path", event["path"], unquote(request.path))
    _check_body(request, event)


def check_api_2(request: Request, event: dict[str, Any]) -> None:
    """The same page, format 2.0: values of one name joined by commas, cookies apart."""
    sent = {n: ",".join(v) for n, v in list_sent(request).items()}
    cookies = [c.strip() for c in sent.pop("cookie", "").split(";")]
    told = _without(event["headers"], "content-length")
    _expect("headers", told, _without(sent, "content-length"))
    if "," not in "".join(cookies):  # two Cookie headers are two lists
        _expect("cookies", event.get("cookies", []), [c for c in cookies if c])
    _expect("query", event["rawQueryString"], request.query)
    joined = {n: ",".join(v) for n, v in _split(request.query, unquote_plus).items()}
    _expect("joined query", event.get("queryStringParameters", {}), joined)
    _check_body(request, event)


# --- one client ------------------------------------------------------------------


class Client:
    """One connection of one client, in front of one of the handlers."""

    def __init__(self, front: Front, loop: asyncio.AbstractEventLoop) -> None:
        self.front = front
        self.handled: list[Request] = []
        self.failures: list[Exception] = []
        self.port = Port("web", self.handle, self.refuse, Limits(), self.failures.append)
        self.refused = 0
        self.wire = Wire()
        self.connection = Connection(self.port, loop)
        self.connection.connection_made(self.wire)

    def refuse(self, status: int, client: tuple[str, int]) -> Response:
        self.refused += 1
        return self.front.refuse(status, client)

    async def handle(self, request: Request) -> Response:
        self.handled.append(request)
        self.front.function.payload = b""
        response: Response = await self.front.handle(request)
        return response

    def send(self, draw: random.Random, data: bytes) -> None:
        """Deliver the input, in one piece or in several."""
        for piece in cut(draw, data, 0.4, 8):
            if not self.wire.closed:
                self.connection.data_received(piece)

    async def end(self) -> None:
        """Send no more, and read until everything is answered."""
        if not self.wire.closed and not self.connection.eof_received():
            self.wire.close()
        spins = 0
        while not self.wire.closed:
            spins += 1
            if spins > 5000:
                raise Failed("a connection at its end was not closed")
            await asyncio.sleep(0)
        self.connection.connection_lost(None)
        while self.connection in self.port.connections:
            spins += 1
            if spins > 5000:
                raise Failed("a closed connection was not forgotten")
            await asyncio.sleep(0)


def read_answers(written: bytes, methods: list[str]) -> list[int]:
    """The statuses of whole HTTP answers; Failed for anything else on the wire."""
    rest, statuses = written, []
    while rest:
        found = _STATUS.match(rest)
        if found is None:
            raise Failed(f"no HTTP answer: {rest[:80]!r}")
        head, end, rest = rest.partition(b"\r\n\r\n")
        if not end:
            raise Failed(f"an answer without end: {head[:80]!r}")
        status = int(found[1])
        if status == 100:
            continue
        method = methods[len(statuses)] if len(statuses) < len(methods) else "GET"
        statuses.append(status)
        length = re.search(rb"(?im)^content-length: (\d+)\r?$", head)
        bodiless = status in (204, 304) or method == "HEAD"
        size = 0 if bodiless else int(length[1]) if length else 0
        if len(rest) < size:
            raise Failed(f"an answer of {len(rest)} bytes says {size}")
        rest = rest[size:]
    return statuses


def check_request(request: Request) -> None:
    """What is handled has one meaning."""
    names = [name.lower() for name, _ in request.headers]
    if request.http_version == "1.1" and names.count("host") != 1:
        raise Failed(f"handled with {names.count('host')} Host headers")
    if names.count("content-length") + names.count("transfer-encoding") > 1:
        raise Failed("handled with two framings")
    length = request.header("content-length")
    if length is not None and int(length) != len(request.body):
        raise Failed(f"{len(request.body)} bytes for Content-Length {length}")
    for name, value in request.headers:
        if not name or re.search(r"[\0\r\n]", name + value) or re.search(r"[\s:]", name):
            raise Failed(f"handled with the header {name!r}: {value!r}")


def check_client(client: Client, sent: Input) -> None:
    """Everything that must hold when the input was read and the connection is over."""
    if client.failures:
        raise Failed(f"a handler raised: {client.failures[0]}")
    handled = client.handled
    statuses = read_answers(bytes(client.wire.written), [request.method for request in handled])
    if len(statuses) != len(handled) + client.refused or client.refused > 1:
        raise Failed(f"{len(statuses)} answers for {len(handled)} requests, {client.refused} bad")
    for request in handled:
        check_request(request)
        if sent.hidden and request.path.encode("latin-1").startswith(_SMUGGLED):
            raise Failed("a request inside a body was handled")
        if sent.valid is not None and request.header("x-trailer") is not None:
            raise Failed("a trailer was taken for a header")
    if sent.valid is not None and (len(handled) != sent.valid or client.refused):
        raise Failed(f"{len(handled)} of {sent.valid} valid requests were handled")


# --- the run -----------------------------------------------------------------------

_PROBE = Input(b"GET /probe HTTP/1.1\r\nHost: app.example\r\n\r\n", 1, False, [b"GET"])


def make_handler(front: Front, counts: Counter[str]) -> Front:
    """The handler with its event checked after each request."""

    async def handle(request: Request) -> Response:
        payloads: list[bytes] = []

        async def keep(arn: str, payload: bytes, **options: Any) -> Invocation:
            payloads.append(payload)
            return await front.function(arn, payload, **options)

        front.handle._invoke = keep  # type: ignore[attr-defined]
        response: Response = await front.handle(request)
        for payload in payloads:
            counts["events"] += 1
            front.check(request, json.loads(payload.decode("utf-8")))
        return response

    return Front(handle, front.refuse, front.function, front.check)


async def fuzz_round(
    draw: random.Random, fronts: list[Front], counts: Counter[str], loop: Any
) -> None:
    """Some dozens of inputs side by side, each followed by a valid request of its own."""
    clients = []
    for _ in range(_ROUND):
        sent = make_input(draw)
        client = Client(draw.choice(fronts), loop)
        client.send(draw, sent.data)
        clients.append((client, sent))
        if draw.random() < 0.3:
            await asyncio.sleep(0)
    for client, sent in clients:
        try:
            await client.end()
            check_client(client, sent)
        except Exception as error:
            raise Failed(f"{error!r} for {sent.data[:3000]!r}") from error
        counts["handled"] += len(client.handled)
        counts["refused"] += client.refused
        counts["valid"] += sent.valid or 0
    probe = Client(draw.choice(fronts), loop)
    probe.send(draw, _PROBE.data)
    await probe.end()
    check_client(probe, _PROBE)
    counts["inputs"] += len(clients)


async def fuzz(
    inputs: int, seed: int, counts: Counter[str], watch: Callable[[], object] = lambda: None
) -> None:
    """Run the inputs; `watch` is called before some dozens of them. Raises Failed."""
    draw = random.Random(seed)
    loop = asyncio.get_running_loop()
    broken: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, report: broken.append(report))
    fronts = [make_handler(front, counts) for front in make_fronts(draw)]
    while counts["inputs"] < inputs:
        watch()
        await fuzz_round(draw, fronts, counts, loop)
        if broken:
            raise Failed(repr(broken[0]))


def main(arguments: list[str]) -> int:
    """Run and print the counts; returns the exit code."""
    return run_fuzzer(
        fuzz, arguments, __doc__, 1_000_000, ("valid", "handled", "refused", "events")
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
