"""One client connection: HTTP/1.1 in, answers out in order."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import httptools

from fairway.cloud.edge.headers import is_valid_header
from fairway.cloud.edge.model import Request, Response
from fairway.cloud.edge.wire import encode_response, locate_target

if TYPE_CHECKING:
    from fairway.cloud.edge.server import Port

_PIPELINE_DEPTH = 32
CLEAR_TEXT = 497
"""Plain HTTP on a port for TLS; answered 400. It has no number of its own; nginx calls it so."""
# Feeding the parser in pieces bounds what it can swallow between two checks of the limits.
_PIECE = 16 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may send and how long it may take; sizes in bytes, times in seconds.

    Sizes from the page "Troubleshoot your Application Load Balancers": 16K per
    request line, 16K per header, 64K for all of it. idle: the load balancer's
    default idle timeout, between two bytes as between two requests. head: from a
    request's first byte to its last header.
    """

    request_line: int = 16 * 1024
    header: int = 16 * 1024
    headers: int = 64 * 1024
    body: int = 10 * 1024 * 1024
    idle: float = 60.0
    head: float = 60.0


@dataclass(frozen=True, slots=True)
class _Refusal:
    status: int


class Connection(asyncio.Protocol):
    """Parses requests and hands them to the port's handler one at a time, in order."""

    def __init__(self, port: Port, loop: asyncio.AbstractEventLoop) -> None:
        self._port = port
        self._loop = loop
        self._limits = port.limits
        self._transport: asyncio.Transport | None = None
        self._client = ("", 0)
        self._secure = False
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request | _Refusal, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writable = True
        self._read_paused = False
        self._deaf = False  # nothing more is read: the connection ends after what is queued
        self._ended = False  # the peer sends no more, and may still wait for answers
        self._closing = False  # we answer what is under way and no more
        self._receiving = False
        self._continue_due = False
        self._reset_message()
        self._active = self._began = loop.time()

    # --- asyncio.Protocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to listen to the peer."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._client = (peer[0], peer[1]) if peer else ("", 0)
        self._secure = transport.get_extra_info("sslcontext") is not None
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._port.connections.add(self)
        self._timer = self._loop.call_later(self._patience(), self._check_time)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the peer; an invocation under way runs to its end, as it does on AWS."""
        self._transport = None
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is None:
            self._port.forget(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._active = self._loop.time()
        if len(data) <= _PIECE:
            self._feed(data)
            return
        for start in range(0, len(data), _PIECE):
            self._feed(data[start : start + _PIECE])

    def eof_received(self) -> bool:
        """Stay open for answers under way when the peer has only closed its sending half."""
        self._deaf = True
        self._ended = True
        if self._secure:
            return False  # TLS knows no half-closed connection: asyncio closes it anyway
        return self._task is not None or bool(self._waiting)

    def pause_writing(self) -> None:
        """Answer nothing more until the peer has read."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on answering."""
        self._writable = True
        self._advance()

    # --- parsing ---

    def _reset_message(self) -> None:
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._in_head = False
        self._refused = 0

    def _feed(self, data: bytes) -> None:
        if self._deaf:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data, upgrade)
        except httptools.HttpParserError:
            self._refuse(self._refused or 400)
        if self._refused:
            self._refuse(self._refused)
        elif self._in_head and not self._deaf:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.headers + _PIECE:
                self._refuse(400)

    def _decline_upgrade(self, data: bytes, upgrade: Exception) -> None:
        # An offer to upgrade may be ignored (RFC 9110, section 7.8): h2c clients go on in
        # HTTP/1.1. The parser has stopped behind the head and would skip a body, so a new
        # one reads the same head without the offer.
        if self._refused or self._deaf:
            return
        version = self._parser.get_http_version()
        head = [b"%s %s HTTP/%s" % (self._parser.get_method(), self._url, version.encode())]
        head += [
            f"{name}: {value}".encode("latin-1")
            for name, value in self._headers
            if name.lower() != "upgrade"
        ]
        rest = data[int(upgrade.args[0]) :]
        self._parser = httptools.HttpRequestParser(self)
        self._feed(b"\r\n".join([*head, b"", b""]))
        if rest:
            self._feed(rest)

    def on_message_begin(self) -> None:
        """Start a request."""
        self._reset_message()
        self._in_head = self._receiving = True
        self._began = self._active

    def on_url(self, url: bytes) -> None:
        """Take a part of the request target."""
        self._url += url
        if len(self._url) > self._limits.request_line:
            self._refused = self._refused or 414
            self._url = b"/"

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; what follows a chunked body is not one of the head's, and is dropped."""
        if not self._in_head:
            return
        if len(name) + len(value) > self._limits.header:
            self._refused = self._refused or 400
            return
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Judge the head before any of the body is taken."""
        self._in_head = False
        size = len(self._url) + sum(len(n) + len(v) + 4 for n, v in self._headers)
        if size > self._limits.headers:
            self._refused = self._refused or 400
        self._refused = self._refused or self._judge_head()
        self._head_bytes = 0

    def _judge_head(self) -> int:
        """Return the status to refuse the head with, or 0."""
        if self._port.tls is not None and not self._secure:
            return CLEAR_TEXT
        hosts = length = coded = 0
        for name, value in self._headers:
            lowered = name.lower()
            if lowered == "host":
                hosts += 1
            elif lowered == "content-length":
                length += 1
                if not value.isdecimal() or not value.isascii():
                    return 400
                if len(value) > 18 or int(value) > self._limits.body:
                    return 413
            elif lowered == "transfer-encoding":
                coded += 1
                if value.strip().lower() not in ("chunked", "identity"):
                    return 501
            elif lowered == "expect":
                if value.lower() != "100-continue":
                    return 417
                self._continue_due = self._parser.get_http_version() == "1.1"
            elif lowered == "upgrade" and "websocket" in value.lower():
                # "WebSockets are not supported. Upgrade requests are rejected with an
                # HTTP 400 code": Lambda functions as targets, Limits.
                return 400
        old = self._parser.get_http_version() != "1.1"
        if (length and coded) or length > 1 or coded > 1 or (old and coded):
            return 400
        if hosts > 1 or (not hosts and not old) or self._parser.get_method() == b"CONNECT":
            return 400
        if self._continue_due:
            self._continue_due = bool(length or coded) and not self._parser.should_upgrade()
            self._invite_body()
        return 0

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body:
            self._refused = self._refused or 413
            self._body.clear()
        elif not self._refused:
            self._continue_due = False
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Queue the request."""
        self._receiving = self._continue_due = False
        if self._refused or self._deaf or self._parser.should_upgrade():
            return
        request = self._build_request()
        if request is None:
            self._refused = 400
            return
        keep = self._parser.should_keep_alive()
        self._waiting.append((request, keep))
        if not keep:
            self._deaf = True
        if len(self._waiting) >= _PIPELINE_DEPTH and self._transport is not None:
            self._transport.pause_reading()
            self._read_paused = True
        self._advance()

    def _build_request(self) -> Request | None:
        target = self._url.decode("latin-1")
        headers = self._headers
        if not target.startswith("/"):
            located = locate_target(target, headers)
            if located is None:
                return None
            target, headers = located
        path, _, query = target.partition("#")[0].partition("?")
        return Request(
            method=self._parser.get_method().decode("latin-1"),
            path=path,
            query=query,
            headers=tuple(headers),
            body=b"".join(self._body),
            client=self._client,
            scheme="https" if self._secure else "http",
            http_version=self._parser.get_http_version(),
        )

    def _invite_body(self) -> None:
        # Only when every earlier answer is out: answers keep the order of requests.
        if self._continue_due and self._task is None and not self._waiting and self._transport:
            self._continue_due = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _refuse(self, status: int) -> None:
        if not self._deaf:
            self._deaf = True
            self._receiving = False
            self._waiting.append((_Refusal(status), False))
            self._advance()

    # --- answering ---

    def _advance(self) -> None:
        if self._task is not None or not self._writable or self._transport is None:
            return
        if not self._waiting:
            if self._closing or self._ended:
                self._transport.close()
            else:
                self._invite_body()
            return
        item, keep = self._waiting.popleft()
        if self._read_paused and len(self._waiting) < _PIPELINE_DEPTH // 2:
            self._read_paused = False
            self._transport.resume_reading()
        if isinstance(item, _Refusal):
            self._write(self._port.word_refusal(item.status, self._client), "GET", False)
            return
        self._task = self._loop.create_task(self._answer(item, keep))

    async def _answer(self, request: Request, keep: bool) -> None:
        port = self._port
        try:
            response = await port.handle(request)
        except Exception as error:
            port.report_failure(request, error)
            response = port.word_refusal(500, self._client)
        finally:
            self._task = None
            if self._transport is None:
                port.forget(self)
        self._active = self._loop.time()
        keep = keep and not self._closing and not port.closing
        self._write(response, request.method, keep, request.http_version)
        if keep:
            self._advance()

    def _write(self, response: Response, method: str, keep: bool, version: str = "1.1") -> None:
        transport = self._transport
        if transport is None:
            return
        if not all(is_valid_header(name, value) for name, value in response.headers):
            response = self._port.word_refusal(500, self._client)
        transport.write(encode_response(response, method, keep, version))
        if not keep:
            self._deaf = self._closing = True
            self._waiting.clear()
            transport.close()

    # --- time and end ---

    def _patience(self) -> float:
        return min(self._limits.idle, self._limits.head)

    def _check_time(self) -> None:
        if self._transport is None:
            return
        now = self._loop.time()
        limits = self._limits
        if self._task is not None:
            left = self._patience()
        else:
            left = self._active + limits.idle - now
            if self._in_head and self._receiving:
                left = min(left, self._began + limits.head - now)
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_time)
        elif self._transport.is_closing() or not self._writable:
            self._transport.abort()  # the peer does not read: what is left will never leave
        else:
            if self._receiving:
                self._refuse(408)
            else:
                self._transport.close()
            self._timer = self._loop.call_later(self._patience(), self._check_time)

    def finish(self) -> None:
        """Close as soon as the request under way is answered."""
        self._closing = True
        if self._task is None and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()
