"""Finding a cloud that answers: one that ends is waited for, one that comes back too."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairway.cloud.info import CloudInfo, read_start, write_info
from fairway.cloud.launch import find_answering, find_cloud
from fairway.errors import CloudUnavailable


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Stands for a supervisor: it lives until its input is closed."""
    started = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield started
    started.kill()
    started.communicate()


def publish(directory: Path, pid: int, port: int) -> None:
    endpoint, start = f"http://127.0.0.1:{port}", read_start(pid) or ""
    info = CloudInfo(
        str(directory), endpoint, "eu-west-1", "0" * 12, "k", "s", pid, start, 0.0, "1", "t"
    )
    write_info(info)


def test_one_that_takes_connections(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        publish(tmp_path, process.pid, server.getsockname()[1])
        assert find_answering(tmp_path) == find_cloud(tmp_path) is not None


def test_none() -> None:
    assert find_answering(Path("/nowhere")) is None


def test_one_that_ends_is_waited_for(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        publish(tmp_path, process.pid, closed.getsockname()[1])
        threading.Timer(0.1, process.kill).start()
        assert find_answering(tmp_path) is None
        assert process.wait(10) != 0  # it was waited for, not passed over
        assert find_cloud(tmp_path) is None


def test_one_that_begins_anew_is_waited_for(
    tmp_path: Path, process: subprocess.Popen[bytes]
) -> None:
    with socket.socket() as closed, socket.create_server(("127.0.0.1", 0)) as server:
        closed.bind(("127.0.0.1", 0))
        publish(tmp_path, process.pid, closed.getsockname()[1])
        port = server.getsockname()[1]
        threading.Timer(0.1, lambda: publish(tmp_path, process.pid, port)).start()
        info = find_answering(tmp_path)
        assert info is not None
        assert info.endpoint.endswith(f":{port}")


def test_one_that_does_neither(tmp_path: Path, process: subprocess.Popen[bytes]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        publish(tmp_path, process.pid, closed.getsockname()[1])
        with pytest.raises(CloudUnavailable, match="does not answer"):
            find_answering(tmp_path, timeout=0.05)
