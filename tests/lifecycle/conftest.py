"""Applications for the life-cycle tests: made in fresh directories, always stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.lifecycle.applications import Application, run_command

Make = Callable[[str], Application]


@pytest.fixture(scope="module")
def make_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Make applications from templates, named after them and numbered."""
    made: list[Application] = []

    def make(template: str) -> Application:
        directory = tmp_path_factory.mktemp("life") / f"{template}-{len(made)}"
        run_command("init", template, str(directory)).expect()
        application = Application(directory)
        made.append(application)
        return application

    yield make
    for application in made:
        application.stop()


@pytest.fixture(scope="module")
def write_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Application]]:
    """Make applications from the text of fairway.yml and of src/app.py."""
    made: list[Application] = []

    def write(definition: str, source: str) -> Application:
        directory: Path = tmp_path_factory.mktemp("life") / "app"
        (directory / "src").mkdir(parents=True)
        (directory / "fairway.yml").write_text(definition)
        (directory / "src" / "app.py").write_text(source)
        application = Application(directory)
        made.append(application)
        return application

    yield write
    for application in made:
        application.stop()
