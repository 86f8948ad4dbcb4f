"""The Lambda Runtime API (2018-06-01) for one worker, over HTTP/1.1 on a loopback port.

"Using the Lambda runtime API for custom runtimes" is the page that it follows.
One port a worker: awslambdaric takes a plain host:port and speaks to it in two
ways (a compiled client, and http.client for init errors). Requests that a web
page in the user's browser could make are refused by their Host and Origin.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Protocol, cast

import httptools

MAX_RESPONSE = 6_291_556  # bytes; "Lambda quotas": 6 MB, and 100 bytes that Lambda allows
MAX_HEAD = 65_536  # bytes of a request line and headers; a runtime client sends some hundred
_PREFIX = "/2018-06-01/runtime/"
_REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
}
_ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    b'{"status":"OK"}\n'
)

Reply = Callable[[bytes], None]


class Runtime(Protocol):
    """The side of a worker that its runtime client talks to."""

    def take_next(self, reply: Reply) -> None:
        """Take the client's wish for an invocation; reply with it when there is one."""

    def take_result(self, request_id: str, body: bytes, size: int, error: bool) -> bytes:
        """Take a posted response or error; returns the whole HTTP answer.

        size is the length sent, which may exceed len(body): no more than
        MAX_RESPONSE bytes are kept.
        """

    def take_init_error(self, body: bytes) -> bytes:
        """Take the news that initialization failed; returns the whole HTTP answer."""


def accept() -> bytes:
    """Answer a post that was taken."""
    return _ACCEPTED


def refuse(status: int, error_type: str, message: str) -> bytes:
    """Render an error answer of the Runtime API."""
    body = json.dumps({"errorMessage": message, "errorType": error_type}).encode()
    return render(status, b"Content-Type: application/json\r\n", body)


def render(status: int, headers: bytes, body: bytes) -> bytes:
    """One whole HTTP answer; headers are complete lines."""
    return b"HTTP/1.1 %d %s\r\n%sContent-Length: %d\r\n\r\n%s" % (
        status,
        _REASONS[status].encode(),
        headers,
        len(body),
        body,
    )


class ApiConnection(asyncio.Protocol):
    """One connection of a runtime client."""

    def __init__(self, runtime: Runtime, connections: set[ApiConnection]) -> None:
        self._runtime = runtime
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._host = b""
        self._start_request()

    def _start_request(self) -> None:
        self._path = b""
        self._body: list[bytes] = []
        self._size = 0
        self._allowed = False
        self._foreign = False
        self._head: int | None = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn the address that requests must be meant for."""
        self._transport = cast(asyncio.Transport, transport)
        self._host = "{}:{}".format(*transport.get_extra_info("sockname")[:2]).encode()
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; if the client died, its process's end tells."""
        self._transport = None
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came; what is not HTTP ends the connection."""
        if self._head is not None:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:  # ours, not the client's
            report = {"message": "a request of a runtime client failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(report)
            self.close()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()
        if self._head is not None and self._head > MAX_HEAD:
            self.close()

    def close(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)

    def on_url(self, url: bytes) -> None:
        """Collect the path (called by httptools)."""
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Look at the few headers that matter (called by httptools)."""
        lower = name.lower()
        if lower == b"host":
            self._allowed = value == self._host
        elif lower == b"origin":
            self._foreign = True
        elif lower == b"expect":
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_headers_complete(self) -> None:
        """Stop measuring the head (called by httptools)."""
        self._head = None

    def on_body(self, body: bytes) -> None:
        """Collect the body while it is not too large (called by httptools)."""
        self._size += len(body)
        if self._size <= MAX_RESPONSE:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        """Answer the request (called by httptools)."""
        path = self._path.decode("ascii", "replace")
        method = self._parser.get_method()
        body, size = b"".join(self._body), self._size
        allowed = self._allowed and not self._foreign
        self._start_request()
        if not allowed:
            self._send(refuse(403, "Forbidden", "this address serves one worker only"))
        elif method == b"GET" and path == _PREFIX + "invocation/next":
            self._runtime.take_next(self._send)
        elif method == b"POST" and path == _PREFIX + "init/error":
            self._send(self._runtime.take_init_error(body))
        elif method == b"POST":
            self._send(self._take_post(path, body, size))
        else:
            self._send(refuse(404, "NotFound", f"no such operation: {path}"))

    def _take_post(self, path: str, body: bytes, size: int) -> bytes:
        parts = path.removeprefix(_PREFIX).split("/")
        if len(parts) == 3 and parts[0] == "invocation" and parts[2] in ("response", "error"):
            return self._runtime.take_result(parts[1], body, size, parts[2] == "error")
        return refuse(404, "NotFound", f"no such operation: {path}")


class RuntimeApi:
    """The listening port of one worker."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._server: asyncio.Server | None = None
        self._connections: set[ApiConnection] = set()

    async def open(self) -> str:
        """Listen on a free loopback port; returns host:port."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: ApiConnection(self._runtime, self._connections), "127.0.0.1", 0, backlog=4
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    def close(self) -> None:
        """Stop listening and drop the connections."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.close()
