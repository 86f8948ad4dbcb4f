"""Issuers that answer badly over a real connection."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fairway.cloud.edge.issuers import KeySets, Unreachable, fetch_document


@contextmanager
def answering(answer: bytes, drip: bytes = b"") -> Iterator[str]:
    """A server that sends bytes to its first client, then others slowly, one by one."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                client.recv(65536)
                try:
                    client.sendall(answer)
                    for byte in drip:
                        if ended.wait(0.1):
                            return
                        client.sendall(bytes([byte]))
                except OSError:
                    return  # the client has hung up

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ended.set()
            thread.join(10)


def test_an_answer_that_never_ends_holds_nobody() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n"
    with answering(head, b" " * 198 + b"{}") as url, pytest.raises(TimeoutError):
        fetch_document(url)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/keys\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/a\x01b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    ],
)
def test_what_is_not_an_answer_has_words(answer: bytes) -> None:
    told: list[str] = []
    with answering(answer) as url, pytest.raises(Unreachable):
        asyncio.run(KeySets(told.append).find(url, "a"))
    assert "cannot be checked" in told[0]
