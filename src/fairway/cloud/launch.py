"""Find, start, ask and stop a local cloud. Imports nothing heavy: the command line uses it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from fairway.cloud.info import LOG, CloudInfo, is_running, read_info, read_start, remove_info
from fairway.errors import CloudUnavailable
from fairway.events import Report, StepFinished, StepStarted

__all__ = ["CloudInfo", "find_answering", "find_cloud", "read_status", "start_cloud", "stop_cloud"]

START_TIMEOUT = 60.0
"""Seconds from start to ready before the start is given up; a busy machine may need many."""

TAKEN_TIMEOUT = 20.0
"""Seconds to wait for a cloud whose supervisor is gone to end, or for another start to be ready."""

_TAIL = 15
_TAKEN = 4  # as supervisor.TAKEN


def find_cloud(directory: Path) -> CloudInfo | None:
    """The cloud running on a `.fairway` directory; a stale file is recognised and removed."""
    info = read_info(directory)
    if info is None:
        return None
    if is_running(info):
        return info
    remove_info(directory)
    return None


def find_answering(directory: Path, timeout: float = TAKEN_TIMEOUT) -> CloudInfo | None:
    """The cloud running on a `.fairway` directory, once it takes connections.

    One that is ending is waited for until it is gone, one that begins anew after a crash until
    it is back. Raises CloudUnavailable for one that does neither within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while (info := find_cloud(directory)) is not None and not _takes_connections(info):
        if time.monotonic() > deadline:
            raise CloudUnavailable(
                f"The local cloud (process {info.pid}) does not answer",
                hint="stop it with: fairway down",
            )
        time.sleep(0.01)
    return info


def _takes_connections(info: CloudInfo) -> bool:
    import socket  # most commands import it anyway, but those that ask nobody

    address = info.endpoint.rpartition("/")[2]
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True


def start_cloud(directory: Path, region: str, report: Report) -> CloudInfo:
    """Start a cloud on a `.fairway` directory, or find the one that runs.

    Returns when it answers. Raises CloudUnavailable with the log's last lines.
    """
    running = find_cloud(directory)
    if running is not None:
        return running
    report(StepStarted("Starting the local cloud"))
    began = time.monotonic()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        info = _start(directory, region)
    except OSError as error:
        raise CloudUnavailable(
            f"The local cloud keeps its state in {directory}, which cannot be written: "
            f"{error.strerror}",
            hint="make the directory writable for you and its disk not full; nothing was changed",
        ) from error
    report(StepFinished("Starting the local cloud", time.monotonic() - began, info.endpoint))
    return info


def _start(directory: Path, region: str) -> CloudInfo:
    """Start a process until one is ready; it waits for one that is ending to be gone."""
    deadline = time.monotonic() + TAKEN_TIMEOUT
    while True:
        process, ready = _spawn(directory, region)
        try:
            is_ready = _wait_ready(ready)
        except BaseException:  # an interrupt: what was asked for is not wanted any more
            _end(process)
            raise
        finally:
            os.close(ready)
        info = find_cloud(directory) if is_ready else _find_started_meanwhile(directory, process)
        if info is not None:
            return info
        if process.poll() != _TAKEN:
            _end(process)
            raise _explain(directory)
        if time.monotonic() > deadline:
            raise CloudUnavailable(
                f"Another process holds the local cloud of {directory} and does not answer",
                hint=f"see who has it open and end it: fuser {directory / 'cloud.lock'}",
            )


def _spawn(directory: Path, region: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start the process in a session of its own; returns the readable end of its ready pipe."""
    ready, told = os.pipe()
    compiled, environment = _keep_compiled()
    command = [sys.executable, "-P", *compiled, "-m", "fairway.cloud.process"]
    command += ["--directory", str(directory), "--region", region, "--ready-fd", str(told)]
    log = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            pass_fds=[told],
            start_new_session=True,
            cwd=directory,
        )
    except BaseException:
        os.close(ready)
        raise
    finally:
        os.close(told)
        os.close(log)
    return process, ready


def _keep_compiled() -> tuple[list[str], dict[str, str]]:
    """Options and environment of a Python that keeps compiled modules where this one does."""
    environment = dict(os.environ)
    if not sys.dont_write_bytecode:
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
    prefix = sys.pycache_prefix
    return ["-X", f"pycache_prefix={prefix}"] if prefix else [], environment


def _wait_ready(ready: int) -> bool:
    """Wait for the byte that says ready; False when the process ended or took too long."""
    readable, _, _ = select.select([ready], [], [], START_TIMEOUT)
    return bool(readable) and os.read(ready, 1) == b"R"


def _find_started_meanwhile(directory: Path, process: subprocess.Popen[bytes]) -> CloudInfo | None:
    """The lock was taken: by another start, which is used when it is ready, or by one ending."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
    deadline = time.monotonic() + 0.3
    while process.returncode == _TAKEN and time.monotonic() < deadline:
        info = find_cloud(directory)
        if info is not None:
            return info
        time.sleep(0.02)
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5.0)


def _explain(directory: Path) -> CloudUnavailable:
    return CloudUnavailable(
        "The local cloud did not start",
        hint=f"read {directory / LOG}",
        detail=_read_tail(directory / LOG),
    )


def _read_tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 16_384))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_TAIL:])


def stop_cloud(directory: Path, timeout: float = 20.0) -> bool:
    """Stop the cloud of a directory and wait for its end; False when none was running.

    Raises CloudUnavailable when it does not end in `timeout` seconds.
    """
    info = find_cloud(directory)
    if info is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(info.pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while read_start(info.pid) == info.started:
        with contextlib.suppress(ChildProcessError):  # ours to collect when we started it
            os.waitpid(info.pid, os.WNOHANG)
        if time.monotonic() > deadline:
            raise CloudUnavailable(
                f"The local cloud (process {info.pid}) did not stop within {timeout:g} s",
                hint=f"end it with: kill -9 {info.pid}",
            )
        time.sleep(0.01)
    remove_info(directory)
    return True


def read_status(info: CloudInfo, timeout: float = 5.0) -> dict[str, Any]:
    """The running cloud's own account of itself.

    Keys: endpoint, region, account, pid, started_at, engine, functions,
    listeners (owner, port, local_port, url), target_health, notices (at, text, link, package,
    is_fault), recorded (type to sentence). Raises CloudUnavailable.
    """
    import urllib.request  # slow to import, and most commands do not ask

    try:
        # A proxy of the user's cannot reach this machine's loopback.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{info.endpoint}/_fairway/status", timeout=timeout) as answer:
            document: dict[str, Any] = json.loads(answer.read())
            return document
    except (OSError, ValueError) as error:
        raise CloudUnavailable(
            f"The local cloud at {info.endpoint} does not answer: {error}",
            hint="stop it with: fairway down",
        ) from error
