"""Addresses stay with their application, and come from the range that the user names."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest
from tests.lifecycle.applications import FAIRWAY, Application, ask
from tests.lifecycle.small import DEFINITION, SOURCE
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow


def test_a_stopped_applications_address_is_left_to_it(
    write_app: Callable[[str, str], Application],
) -> None:
    first, second = write_app(DEFINITION, SOURCE), write_app(DEFINITION, SOURCE)
    first.apply()
    url = first.url()
    ask("POST", url)
    first.fairway("down").expect()
    second.apply()
    assert second.url() != url
    assert ask("GET", second.url()).text == "first 0"
    first.apply()
    assert first.url() == url
    assert ask("GET", url).text == "first 1"


def bring_up(app: Application, ports: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(FAIRWAY), "up", "--detach", "-C", str(app.directory)],
        env={**os.environ, "FAIRWAY_PORTS": ports},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_wrong_range_is_named(write_app: Callable[[str, str], Application]) -> None:
    app = write_app(DEFINITION, SOURCE)
    done = bring_up(app, "9000")
    assert done.returncode == 1
    assert "FAIRWAY_PORTS is '9000', which is no range of ports" in done.stderr
    assert "FAIRWAY_PORTS=9000-9099" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_range_is_named_beside_a_running_cloud(
    write_app: Callable[[str, str], Application],
) -> None:
    app = write_app(DEFINITION, SOURCE)
    app.apply()
    done = bring_up(app, "abc")
    assert done.returncode == 1
    assert "FAIRWAY_PORTS is 'abc', which is no range of ports" in done.stderr
    assert "Traceback" not in done.stderr
