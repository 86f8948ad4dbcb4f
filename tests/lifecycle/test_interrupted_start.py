"""A local cloud that is told to end while it starts: nothing is alive afterwards."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.lifecycle.applications import find_processes
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow

POINTS = 12


def start(directory: Path) -> tuple[subprocess.Popen[bytes], int]:
    ready, told = os.pipe()
    command = [sys.executable, "-P", "-m", "fairway.cloud.process"]
    command += ["--directory", str(directory), "--region", "eu-west-1", "--ready-fd", str(told)]
    log = (directory / "out.log").open("ab")
    process = subprocess.Popen(
        command, stdout=log, stderr=log, pass_fds=[told], start_new_session=True
    )
    os.close(told)
    log.close()
    return process, ready


def assert_gone(directory: Path, process: subprocess.Popen[bytes]) -> None:
    process.wait(PATIENCE)
    wait_until(lambda: not find_processes(directory), "processes are left behind")
    assert not (directory / "cloud.json").exists()
    lock = directory / "cloud.lock"
    if lock.exists():
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    log = (directory / "out.log").read_text()
    assert "Traceback" not in log.replace("KeyboardInterrupt", ""), log


def measure_start(directory: Path) -> float:
    began = time.monotonic()
    process, ready = start(directory)
    assert os.read(ready, 1) == b"R"
    took = time.monotonic() - began
    os.close(ready)
    process.send_signal(signal.SIGTERM)
    assert_gone(directory, process)
    return took


def test_sigterm_at_many_points_of_the_start(tmp_path: Path) -> None:
    # The first start is without kept state, and compiles; the second tells how long one takes.
    measure_start(tmp_path)
    took = measure_start(tmp_path)
    for point in range(POINTS):
        process, ready = start(tmp_path)
        # A bit beyond the end of the start: also between being ready and being told so.
        until = time.monotonic() + took * 1.1 * point / (POINTS - 1)
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGTERM)
        os.close(ready)
        assert_gone(tmp_path, process)
    measure_start(tmp_path)  # and its state is as good as ever
