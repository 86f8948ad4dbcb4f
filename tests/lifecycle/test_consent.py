"""Nothing is changed without consent: asked on a terminal, refused where there is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application, Terminal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(make_app: Callable[[str], Application]) -> Application:
    """An application with one change to apply."""
    application = make_app("timestamps")
    application.apply()
    application.replace("memory: 128MB", "memory: 256MB")
    return application


def is_changed(app: Application) -> bool:
    return "nothing to change" not in app.fairway("plan").expect().out


def test_without_a_terminal(app: Application) -> None:
    outcome = app.fairway("apply").expect(1)
    assert "nothing was changed" in outcome.err
    assert "--yes" in outcome.err
    assert is_changed(app)


@pytest.mark.parametrize(("keys", "code"), [(b"n\n", 1), (b"\n", 1), (b"\x03", 130)])
def test_refused_on_a_terminal(app: Application, keys: bytes, code: int) -> None:
    terminal = Terminal("apply", "-C", str(app.directory))
    terminal.read_until("Apply these changes? [y/N]")
    assert "MemorySize: 128 -> 256" in terminal.text
    terminal.write(keys)
    assert terminal.end() == code, terminal.text
    assert "nothing was changed" in terminal.text
    assert is_changed(app)


def test_given_on_a_terminal(app: Application) -> None:
    terminal = Terminal("apply", "-C", str(app.directory))
    terminal.read_until("Apply these changes? [y/N]")
    terminal.write(b"y\n")
    assert terminal.end() == 0, terminal.text
    assert "release 2 of" in terminal.text
    assert not is_changed(app)
