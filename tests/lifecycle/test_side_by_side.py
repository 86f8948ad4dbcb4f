"""Applications share a machine without meeting; environments without credentials say so."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.lifecycle.applications import FAIRWAY, Application, ask
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair(make_app: Callable[[str], Application]) -> tuple[Application, Application]:
    first, second = make_app("timestamps"), make_app("timestamps")
    first.apply()
    second.apply()
    return first, second


def test_two_applications_keep_apart(pair: tuple[Application, Application]) -> None:
    first, second = pair
    urls = first.url(), second.url()
    assert len({*urls}) == 2
    stamps = [[ask("POST", f"{url}/app").text for _ in range(n)] for n, url in enumerate(urls, 1)]
    for url, expected in zip(urls, stamps, strict=True):
        assert [row["timeStamp"] for row in ask("GET", f"{url}/app").json()] == expected

    first.fairway("down").expect()
    with pytest.raises(OSError, match="refused"):
        ask("GET", f"{urls[0]}/")
    assert ask("GET", f"{urls[1]}/").status == 200
    assert "nothing to change" in first.apply().out
    assert first.url() == urls[0], "a port is remembered"
    assert [row["timeStamp"] for row in ask("GET", f"{urls[0]}/app").json()] == stamps[0]


def test_port_in_use_is_named(pair: tuple[Application, Application]) -> None:
    _, app = pair
    url = app.url()
    app.fairway("down").expect()
    port = urlsplit(url).port
    assert port is not None
    with socket.create_server(("127.0.0.1", port)):
        app.apply()
        moved = app.url()
        assert moved != url
        assert ask("GET", f"{moved}/").status == 200
        shown = app.fairway("status").expect().out
        assert f"{port} is in use" in shown
        assert moved in shown
    assert "nothing to change" in app.fairway("plan").expect().out


def run_without_credentials(app: Application, home: Path, *arguments: str) -> tuple[int, str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    clean |= {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [str(FAIRWAY), *arguments, "-C", str(app.directory)],
        env=clean,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("verb", ["apply", "status", "logs", "destroy"])
def test_no_credentials(make_app: Callable[[str], Application], tmp_path: Path, verb: str) -> None:
    app = make_app("notes")
    code, out, err = run_without_credentials(app, tmp_path, verb, "-e", "poc")
    assert code == 1
    assert out == ""
    assert err.splitlines() == [
        "error: no AWS credentials were found for region eu-west-1",
        "  hint: run `aws configure sso` (or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY)",
    ]
    assert not (app.directory / ".fairway").exists()


def test_plan_needs_no_credentials(make_app: Callable[[str], Application], tmp_path: Path) -> None:
    app = make_app("timestamps")
    code, out, err = run_without_credentials(app, tmp_path, "plan", "-e", "poc")
    assert code == 0, err
    assert "59 to create" in out
    assert "everything counts as new" in out
