"""How `fairway up` starts and ends: by Ctrl-C, by signals, detached, by `down`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lifecycle.applications import (
    Application,
    Terminal,
    ask,
    find_processes,
    running,
)
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(make_app: Callable[[str], Application]) -> Application:
    """An application with one row, stopped."""
    application = make_app("timestamps")
    application.apply()
    ask("POST", f"{application.url()}/app")
    application.fairway("down").expect()
    return application


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_stop_it_cleanly(app: Application, tmp_path: Path, number: int) -> None:
    # 0, not 130: Ctrl-C is how `up` ends, and nothing was left undone.
    with running(["up", "-C", str(app.directory)], tmp_path / "up") as up:
        up.wait_for("watching for edits")
        assert len(ask("GET", f"{app.url()}/app").json()) == 1
        assert up.end(number) == 0, up.text
        assert "stopped the local cloud; its data stays" in up.text
        assert "Traceback" not in up.text
    wait_until(lambda: not find_processes(app.directory), "processes are left behind")


def test_interrupt_while_starting_leaves_nothing(app: Application, tmp_path: Path) -> None:
    with running(["up", "-C", str(app.directory)], tmp_path / "up") as up:
        wait_until(lambda: len(find_processes(app.directory)) > 1, "the cloud's processes")
        assert up.end(signal.SIGINT) in (0, 130), up.text
        assert "Traceback" not in up.text
    wait_until(lambda: not find_processes(app.directory), "processes are left behind")


def test_ctrl_c_on_a_terminal(app: Application) -> None:
    terminal = Terminal("up", "-C", str(app.directory))
    terminal.read_until("watching for edits")
    assert "\x1b[" in terminal.text, "a terminal gets colour"
    terminal.write(b"\x03")
    assert terminal.end() == 0, terminal.text
    assert "stopped the local cloud; its data stays" in terminal.text
    wait_until(lambda: not find_processes(app.directory), "processes are left behind")


def test_detached_goes_on_and_up_joins_it(app: Application, tmp_path: Path) -> None:
    outcome = app.fairway("up", "--detach").expect()
    assert "fairway down" in outcome.err
    url = app.url()
    with running(["up", "-C", str(app.directory)], tmp_path / "up") as up:
        up.wait_for("watching for edits")
        app.replace("<h1>Timestamps</h1>", "<h1>Joined</h1>", "src/timestamps.py")
        wait_until(lambda: "Joined" in ask("GET", f"{url}/").text, "the edit")
        assert up.end(signal.SIGINT) == 0, up.text
        assert "keeps running" in up.text
    assert "Joined" in ask("GET", f"{url}/").text
    assert app.fairway("up", "--detach").expect().out.count("url") == 1
    assert app.url() == url
    app.fairway("down").expect()


def test_down_ends_it(app: Application, tmp_path: Path) -> None:
    with running(["up", "-C", str(app.directory)], tmp_path / "up") as up:
        up.wait_for("watching for edits")
        app.fairway("down").expect()
        assert up.process.wait(PATIENCE) == 0, up.text
        assert "the local cloud was stopped" in up.text
        assert "Traceback" not in up.text


def test_broken_file_stops_before_anything_starts(app: Application) -> None:
    app.replace("type: table", "type: tabel")
    outcome = app.fairway("up").expect(1)
    app.replace("type: tabel", "type: table")
    assert "did you mean 'table'" in outcome.err
    assert not find_processes(app.directory)


def test_cloud_ends_by_itself_when_its_starter_is_gone(tmp_path: Path) -> None:
    ready, told = os.pipe()
    os.close(ready)  # as an interrupted `up` does, before anybody knows of the cloud
    command = ["-P", "-m", "fairway.cloud.process", "--directory", str(tmp_path / ".fairway")]
    cloud = subprocess.Popen(
        [sys.executable, *command, "--region", "eu-west-1", "--ready-fd", str(told)],
        pass_fds=[told],
        stdin=subprocess.DEVNULL,
    )
    os.close(told)
    try:
        assert cloud.wait(PATIENCE) == 0
    finally:
        cloud.kill()
    assert not find_processes(tmp_path)
