"""A local cloud that was started only to be asked stops when nothing comes of the asking."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.lifecycle.applications import Application, Terminal
from tests.lifecycle.small import DEFINITION, SOURCE

from fairway.cloud.launch import find_cloud

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def app(write_app: Callable[..., Application]) -> Application:
    """An application that was deployed, and whose local cloud was stopped since."""
    application = write_app(DEFINITION, SOURCE)
    application.apply()
    application.replace("memory: 128MB", "memory: 256MB")
    application.stop()
    return application


def runs(app: Application) -> bool:
    return find_cloud(app.directory / ".fairway") is not None


@pytest.mark.parametrize(("keys", "code"), [(b"n\n", 1), (b"\x03", 130)])
@pytest.mark.parametrize(
    ("verb", "question"),
    [("apply", "Apply these changes?"), ("destroy", "Remove small from local?")],
)
def test_refused_on_a_terminal(
    app: Application, verb: str, question: str, keys: bytes, code: int
) -> None:
    terminal = Terminal(verb, "-C", str(app.directory))
    terminal.read_until(f"{question} [y/N]: ")  # the last space comes when it listens
    assert runs(app)
    terminal.write(keys)
    assert terminal.end() == code, terminal.text
    assert not runs(app)


def test_without_a_terminal(app: Application) -> None:
    for verb in ("apply", "destroy"):
        app.fairway(verb).expect(1)
        assert not runs(app)


def test_a_plan_that_is_refused(app: Application) -> None:
    outcome = app.fairway("rollback", "99", "--yes").expect(1)
    assert "99" in outcome.err
    assert not runs(app)


def test_a_cloud_that_ran_before_goes_on(app: Application) -> None:
    app.apply()
    assert runs(app)
    app.fairway("destroy").expect(1)
    assert runs(app)
