"""The HTTP edge: every listener on its own loopback port."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

from fairway.cloud.edge.connection import Connection, Limits
from fairway.cloud.edge.door import PATIENCE, Door
from fairway.cloud.edge.model import Handle, Refuse, Request, Response
from fairway.events import LogLine, Notice, Report, ignore_events

LOOPBACK = "127.0.0.1"
_TAKEN = frozenset({errno.EADDRINUSE, errno.EACCES, errno.EPERM})


def refuse_plainly(status: int, client: tuple[str, int]) -> Response:
    """Answer with the bare number in plain text."""
    return Response(status, (("Content-Type", "text/plain"),), f"{status}\n".encode())


class Port:
    """One open listener and its connections. tls: None for a listener in the clear."""

    def __init__(
        self,
        name: str,
        handle: Handle,
        refuse: Refuse,
        limits: Limits,
        report: Report,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.handle = handle
        self.refuse = refuse
        self.limits = limits
        self.report = report
        self.tls = tls
        self.closing = False
        self.connections: set[Connection] = set()
        self.door: Door | None = None
        self._empty = asyncio.Event()

    @property
    def number(self) -> int:
        """The local port, 0 before it is open."""
        return self.door.number if self.door else 0

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is over."""
        self.connections.discard(connection)
        if self.closing and not self.connections:
            self._empty.set()

    def word_refusal(self, status: int, client: tuple[str, int]) -> Response:
        """Ask the listener for its error page; a failing one must not take the server down."""
        try:
            return self.refuse(status, client)
        except Exception as error:
            self.report(LogLine(self.name, f"error page failed: {error!r}", "error"))
            return refuse_plainly(status, client)

    def report_failure(self, request: Request, error: Exception) -> None:
        """Tell of a handler that raised; the client learns nothing but 500."""
        text = f"{request.method} {request.path}: the edge failed: {error!r}"
        self.report(LogLine(self.name, text, "error"))

    async def close(self, drain: float) -> None:
        """Stop accepting, let requests under way end within `drain` seconds, then cut."""
        self.closing = True
        if self.door is not None:
            self.door.leave(self)
        for connection in list(self.connections):
            connection.finish()
        if await self._wait_empty(drain):
            return
        for connection in list(self.connections):
            connection.abort()
        await self._wait_empty(1.0)

    async def _wait_empty(self, seconds: float) -> bool:
        if self.connections:
            try:
                await asyncio.wait_for(self._empty.wait(), seconds)
            except TimeoutError:
                return False
        return True


class Edge:
    """The set of open listeners, by name. Loopback only.

    report: gets a Notice when a wanted port was taken, and a LogLine when a
    handler raised. drain: seconds that requests under way get when a listener closes.
    patience: seconds for a client's first byte and for its TLS handshake.
    """

    def __init__(
        self,
        *,
        report: Report = ignore_events,
        limits: Limits | None = None,
        drain: float = 5.0,
        patience: float = PATIENCE,
    ) -> None:
        self._report = report
        self._limits = limits or Limits()
        self._drain = drain
        self._patience = patience
        self._ports: dict[str, Port] = {}

    @property
    def ports(self) -> dict[str, int]:
        """The local port of every open listener."""
        return {name: port.number for name, port in self._ports.items()}

    async def listen(
        self,
        name: str,
        handle: Handle,
        preferred_port: int = 0,
        *,
        refuse: Refuse = refuse_plainly,
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> int:
        """Open a listener and return its port.

        The port is the preferred one, or another free one when that is taken; then
        a Notice names both. 0 prefers none. A listener with TLS and one in the clear
        may prefer the same port: they share it. Raises ValueError when the name is
        open already.
        """
        if name in self._ports:
            raise ValueError(f"listener {name!r} is open already")
        port = Port(name, handle, refuse, limits or self._limits, self._report, tls)
        door = self._find_door(preferred_port, tls is not None)
        if door is None:
            door = Door(_bind_loopback(preferred_port), self._patience)
        door.join(port)
        port.door = door
        self._ports[name] = port
        if preferred_port and port.number != preferred_port:
            self._report(
                Notice(f"{name}: port {preferred_port} is in use, listening on {port.number}")
            )
        return port.number

    def _find_door(self, number: int, tls: bool) -> Door | None:
        """The door that is open at a port and has room for this kind of listener."""
        for port in self._ports.values():
            if port.door and port.door.number == number and port.door.has_room(tls=tls):
                return port.door
        return None

    async def replace(self, name: str, handle: Handle, *, refuse: Refuse | None = None) -> None:
        """Serve the next requests by another handler; connections stay. KeyError if not open."""
        port = self._ports[name]
        port.handle = handle
        if refuse is not None:
            port.refuse = refuse

    async def close(self, name: str) -> None:
        """Close one listener; requests under way are answered first. KeyError if not open."""
        await self._ports.pop(name).close(self._drain)

    async def close_all(self) -> None:
        """Close every listener, side by side."""
        ports = list(self._ports.values())
        self._ports.clear()
        await asyncio.gather(*(port.close(self._drain) for port in ports))


def _bind_loopback(preferred: int) -> socket.socket:
    """Return a bound socket on the preferred port, else on one the system chooses."""
    for number in (preferred, 0) if preferred else (0,):
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            # Without it a port stays unusable for a minute after its last connection.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((LOOPBACK, number))
            # Binding alone does not fail against a listener that also reuses addresses.
            opened.listen(2048)
        except OSError as error:
            opened.close()
            if number and error.errno in _TAKEN:
                continue
            raise
        opened.setblocking(False)
        return opened
    raise OSError(errno.EADDRINUSE, "no free port on the loopback address")
