"""TLS on real sockets: which listener a client meets, and who cannot hold anything up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fairway.cloud.certificates import AUTHORITY, LocalAuthority
from fairway.cloud.edge.connection import Limits
from fairway.cloud.edge.load_balancer import LoadBalancer
from fairway.cloud.edge.model import FixedResponse, Listener, Redirect, Request, Response
from fairway.cloud.edge.server import Edge

DEADLINE = 10.0


async def tell(request: Request) -> Response:
    return Response(200, (), f"{request.scheme} {request.path} {len(request.body)}".encode())


async def never(arn: str, payload: bytes, *, trace_id: str | None = None) -> None:
    raise AssertionError("no function is meant to be called")


class World:
    """An edge with certificates; clients that trust them."""

    def __init__(self, directory: Path, **options: float) -> None:
        self.edge = Edge(drain=1.0, **options)
        self.tls = LocalAuthority(directory, [].append).open_context()
        self.trust = ssl.create_default_context(cafile=directory / AUTHORITY)

    async def open(
        self, port: int, tls: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = "127.0.0.1" if tls else None
        return await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)

    async def ask(self, port: int, data: bytes, *, secure: bool = True) -> bytes:
        """Everything that comes back to one request that closes."""
        reader, writer = await self.open(port, self.trust if secure else None)
        writer.write(data)
        answer = await reader.read()
        writer.close()
        return answer


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., None]:
    def run(test: Callable[[World], Awaitable[None]], **options: float) -> None:
        async def main() -> None:
            world = World(tmp_path, **options)
            try:
                await asyncio.wait_for(test(world), DEADLINE)
            finally:
                await world.edge.close_all()

        asyncio.run(main())

    return run


GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def test_a_listener_with_tls_answers(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        port = await world.edge.listen("web", tell, tls=world.tls)
        body = b"x" * 300_000
        head = f"POST /up HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {len(body)}"
        answer = await world.ask(port, head.encode() + b"\r\n\r\n" + body)
        assert answer.endswith(b"\r\n\r\nhttps /up 300000")

    run(test)


def test_connections_are_kept_and_pipelined(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        port = await world.edge.listen("web", tell, tls=world.tls)
        keep = GET.replace(b"Connection: close\r\n", b"")
        answer = await world.ask(port, keep + keep + GET)
        assert answer.count(b"https /a 0") == 3

    run(test)


def test_two_listeners_share_a_port_and_the_first_byte_decides(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        async def plain(request: Request) -> Response:
            return Response(200, (), b"in the clear")

        port = await world.edge.listen("http", plain)
        assert await world.edge.listen("https", tell, port, tls=world.tls) == port
        assert (await world.ask(port, GET)).endswith(b"https /a 0")
        assert (await world.ask(port, GET, secure=False)).endswith(b"in the clear")
        await world.edge.close("https")
        assert (await world.ask(port, GET, secure=False)).endswith(b"in the clear")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await world.ask(port, GET)
        await world.edge.close("http")
        with pytest.raises(ConnectionRefusedError):
            await world.ask(port, GET, secure=False)

    run(test)


def test_two_listeners_of_one_kind_do_not_share(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        port = await world.edge.listen("one", tell, tls=world.tls)
        assert await world.edge.listen("two", tell, port, tls=world.tls) != port

    run(test)


def make_balancer(default: FixedResponse | Redirect, protocol: str = "HTTPS") -> LoadBalancer:
    listener = Listener("arn:l", "lb", protocol, 443, (), default)  # type: ignore[arg-type]
    return LoadBalancer(listener, never)  # type: ignore[arg-type]


def test_plain_http_on_the_tls_port_is_told_so(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        balancer = make_balancer(FixedResponse(200))
        port = await world.edge.listen("web", balancer, refuse=balancer.refuse, tls=world.tls)
        answer = await world.ask(port, GET.replace(b"close", b"keep-alive"), secure=False)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"Connection: close" in head
        assert b"The plain HTTP request was sent to HTTPS port" in body

    run(test)


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x00\x05hello", b"\x00\x01\x02\xff\r\n\r\n", b""])
def test_a_failed_handshake_harms_nobody(run: Callable[..., None], junk: bytes) -> None:
    async def test(world: World) -> None:
        port = await world.edge.listen("web", tell, tls=world.tls)
        _, writer = await world.open(port, None)
        writer.write(junk)
        writer.close()
        await writer.wait_closed()
        distrusting = ssl.create_default_context()
        with pytest.raises(ssl.SSLCertVerificationError):
            await world.open(port, distrusting)
        assert (await world.ask(port, GET)).endswith(b"https /a 0")

    run(test)


@pytest.mark.parametrize("start", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
def test_a_handshake_that_never_ends_is_ended(run: Callable[..., None], start: bytes) -> None:
    async def test(world: World) -> None:
        port = await world.edge.listen("web", tell, tls=world.tls)
        reader, writer = await world.open(port, None)
        writer.write(start)
        # Others are served while this one dawdles, and it is let go in the end.
        assert (await world.ask(port, GET)).endswith(b"https /a 0")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""

    run(test, patience=0.2)


def test_many_silent_clients_do_not_block_the_port(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        port = await world.edge.listen("web", tell, tls=world.tls)
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        assert (await world.ask(port, GET)).endswith(b"https /a 0")
        for one in silent:
            one.close()

    run(test)


def test_a_slow_head_is_answered_408_over_tls_too(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        limits = Limits(head=0.2)
        port = await world.edge.listen("web", tell, tls=world.tls, limits=limits)
        assert (await world.ask(port, b"GET / HT")).startswith(b"HTTP/1.1 408 ")

    run(test)


def test_a_close_in_mid_handshake_is_clean(run: Callable[..., None]) -> None:
    async def test(world: World) -> None:
        port = await world.edge.listen("web", tell, tls=world.tls)
        reader, writer = await world.open(port, None)
        writer.write(b"\x16\x03\x01")
        assert (await world.ask(port, GET)).endswith(b"https /a 0")
        await world.edge.close("web")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""

    run(test)


@pytest.mark.parametrize("tls", [False, True])
def test_an_offer_of_websocket_is_refused(run: Callable[..., None], tls: bool) -> None:
    async def test(world: World) -> None:
        balancer = make_balancer(FixedResponse(200, body="served"), "HTTPS" if tls else "HTTP")
        port = await world.edge.listen(
            "web", balancer, refuse=balancer.refuse, tls=world.tls if tls else None
        )
        offer = (
            b"GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            b"\x81\x85\x00\x00\x00\x00hello"
        )
        answer = await world.ask(port, offer, secure=tls)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"served" not in answer
        # Any other offer may be ignored: the request is answered in HTTP/1.1.
        other = offer.replace(b"websocket", b"h2c").partition(b"\x81")[0]
        closing = other.replace(b"Connection: Upgrade", b"Connection: Upgrade, close")
        answer = await world.ask(port, closing, secure=tls)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"served")

    run(test)
