"""One loopback socket and what stands behind it: a listener in the clear, one over TLS, or both.

On AWS a load balancer has one name, and the scheme of a URL chooses between its
ports 80 and 443. Here both share one local port: the first byte tells them apart,
so that `http://` and `https://` lead to the right listener without a port to learn.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from fairway.cloud.edge.connection import Connection

if TYPE_CHECKING:
    from fairway.cloud.edge.server import Port

# RFC 8446, section 5.1: the content type of a handshake record, a TLS client's first byte.
_HANDSHAKE = b"\x16"
# How long a client may take to say its first byte, and to finish its handshake, in seconds.
PATIENCE = 10.0
_GOODBYE = 1.0
_BACKLOG = 2048
# How long to accept nothing after the process has run out of file descriptors, in seconds.
_RECOVERY = 0.5
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Door:
    """Accepts connections on one bound socket and hands each to the listener it is meant for."""

    def __init__(self, opened: socket.socket, patience: float = PATIENCE) -> None:
        self._socket = opened
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._guests: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self.number: int = opened.getsockname()[1]
        self.plain: Port | None = None
        self.secure: Port | None = None
        self._listen()

    def has_room(self, *, tls: bool) -> bool:
        """Whether no listener of this kind stands behind the door yet."""
        return (self.secure if tls else self.plain) is None

    def join(self, port: Port) -> None:
        """Put a listener behind the door."""
        if port.tls is None:
            self.plain = port
        else:
            self.secure = port

    def leave(self, port: Port) -> bool:
        """Take a listener away; returns whether that was the last, and the socket is closed."""
        if self.plain is port:
            self.plain = None
        if self.secure is port:
            self.secure = None
        if self.plain or self.secure:
            return False
        self._close()
        return True

    def _close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        for task in self._guests:
            task.cancel()

    def _listen(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(_BACKLOG):
            try:
                guest, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                # Whoever waits stays in the backlog until connections have ended.
                self._loop.remove_reader(self._socket.fileno())
                self._pause = self._loop.call_later(_RECOVERY, self._listen)
                return
            guest.setblocking(False)
            task = self._loop.create_task(self._admit(guest))
            self._guests.add(task)
            task.add_done_callback(self._guests.discard)

    async def _admit(self, guest: socket.socket) -> None:
        """Lead one client to its listener; one that says or proves nothing is let go."""
        adopted = False
        try:
            first = await self._peek(guest) if self.secure else b""
            if first is None:
                return
            secure = first == _HANDSHAKE and self.secure is not None
            port = self.secure if secure else self.plain or self.secure
            if port is None:
                return
            adopted = True
            await self._adopt(guest, port, port.tls if secure else None)
        except (OSError, asyncio.CancelledError):
            pass  # A failed handshake concerns nobody but the client: ssl.SSLError is an OSError.
        finally:
            if not adopted:
                guest.close()

    async def _adopt(self, guest: socket.socket, port: Port, tls: ssl.SSLContext | None) -> None:
        loop = self._loop
        if tls is None:
            await loop.connect_accepted_socket(lambda: Connection(port, loop), guest)
            return
        await loop.connect_accepted_socket(
            lambda: Connection(port, loop),
            guest,
            ssl=tls,
            ssl_handshake_timeout=self._patience,
            ssl_shutdown_timeout=_GOODBYE,
        )

    async def _peek(self, guest: socket.socket) -> bytes | None:
        """The first byte, left where it is; None when the client went away or took too long."""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(self._patience):
                await _wait_readable(self._loop, guest)
                return guest.recv(1, socket.MSG_PEEK) or None
        return None


async def _wait_readable(loop: asyncio.AbstractEventLoop, guest: socket.socket) -> None:
    ready = loop.create_future()
    found: Callable[[], None] = lambda: None if ready.done() else ready.set_result(None)  # noqa: E731
    loop.add_reader(guest.fileno(), found)
    try:
        await ready
    finally:
        loop.remove_reader(guest.fileno())
