"""A package that is left out takes what is done to it, and can be imported afterwards."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fairway.cloud.control.left_out import leave_out

PACKAGE = "some_server"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / PACKAGE / "protocol"
    folder.mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").write_text("")
    (folder / "__init__.py").write_text("")
    (folder / "lines.py").write_text("class Lines:\n    limit = 10")
    path = list(sys.path)
    sys.path.insert(0, str(tmp_path))
    yield PACKAGE
    sys.path[:] = path
    for name in [n for n in sys.modules if n.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def import_lines() -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.protocol.lines")


def test_what_is_set_on_it_is_set_on_nothing(server: str) -> None:
    with leave_out(server):
        blank = import_lines().Lines
        blank.limit = 20
        assert import_lines().Lines is blank
    assert import_lines().Lines.limit == 10


def test_another_thread_gets_the_package(server: str) -> None:
    limits: list[int] = []
    with leave_out(server):
        thread = threading.Thread(target=lambda: limits.append(import_lines().Lines.limit))
        thread.start()
        thread.join()
    assert limits == [10]


def test_one_that_is_there_already_stays(server: str) -> None:
    real = import_lines()
    with leave_out(server):
        assert import_lines() is real
    assert import_lines() is real


def test_others_are_imported_as_they_are(server: str) -> None:
    finders = list(sys.meta_path)
    with leave_out(server), pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{PACKAGE}_of_another_name")
    assert sys.meta_path == finders
