"""Services are imported when they are asked for, and every import is followed."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fairway.cloud.control.service_imports import ServiceImports, StandIn, find_module

PACKAGE = "some_services"
ENGINE = f"""
import {PACKAGE}.queue as _queue
import {PACKAGE}.table as _table
from {PACKAGE} import clock

NOW = clock.now()
"""
MODULES = {
    "engine": ENGINE,
    "clock": "def now(): return 7",
    "queue": "kept = {}\ndef send(name, text): kept[name] = text",
    "table": f"from {PACKAGE} import queue\nrows = []\nname = __name__",
    "broken": "raise OSError('no such driver')",
}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[ServiceImports]:
    folder = tmp_path / PACKAGE
    folder.mkdir()
    for name, text in {"__init__": "", **MODULES}.items():
        (folder / f"{name}.py").write_text(text)
    finders, path = list(sys.meta_path), list(sys.path)
    sys.path.insert(0, str(tmp_path))
    imports = ServiceImports(PACKAGE)
    imports.install()
    yield imports
    sys.meta_path[:], sys.path[:] = finders, path
    for name in [n for n in sys.modules if n.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def import_engine(services: ServiceImports) -> ModuleType:
    with services.put_off("engine"):
        return importlib.import_module(f"{PACKAGE}.engine")


def test_a_service_that_nobody_asks_is_not_imported(services: ServiceImports) -> None:
    engine = import_engine(services)
    assert isinstance(engine._queue, StandIn)
    assert services.find_imported("queue") is None
    assert f"{PACKAGE}.queue" not in sys.modules


def test_one_that_is_asked_during_the_import_is_imported_at_once(services: ServiceImports) -> None:
    assert import_engine(services).NOW == 7
    assert services.find_imported("clock") is sys.modules[f"{PACKAGE}.clock"]


def test_a_stand_in_and_the_service_are_one(services: ServiceImports) -> None:
    engine = import_engine(services)
    engine._queue.send("jobs", "hello")
    queue = importlib.import_module(f"{PACKAGE}.queue")
    assert not isinstance(queue, StandIn)
    assert queue.kept == {"jobs": "hello"}
    assert find_module(engine._queue) is queue
    engine._queue.kept = {"other": "text"}
    assert queue.kept == {"other": "text"}


def test_what_a_stand_in_brings_along_is_no_stand_in(services: ServiceImports) -> None:
    engine = import_engine(services)
    assert engine._table.name == f"{PACKAGE}.table"
    assert engine._table.queue is services.find_imported("queue")


def test_others_import_the_service_itself(services: ServiceImports) -> None:
    met: list[ModuleType] = []
    with services.put_off("engine"):
        thread = threading.Thread(
            target=lambda: met.append(importlib.import_module(f"{PACKAGE}.table"))
        )
        thread.start()
        thread.join()
        engine = importlib.import_module(f"{PACKAGE}.engine")
    assert engine._table is met[0]
    assert not isinstance(met[0], StandIn)


def test_every_import_is_counted_when_it_has_ended(services: ServiceImports) -> None:
    engine = import_engine(services)
    before = services.count
    engine._queue.send("jobs", "hello")
    assert services.count == before + 1
    importlib.import_module(f"{PACKAGE}.table")
    assert services.count == before + 2


def test_an_import_is_told_before_anybody_has_the_service(services: ServiceImports) -> None:
    engine = import_engine(services)
    told: list[tuple[str, object]] = []
    services.imported = lambda name, module: told.append((name, dict(module.kept)))
    engine._queue.send("jobs", "hello")
    assert told == [("queue", {})]


def test_a_service_in_the_middle_of_its_import_is_not_found(services: ServiceImports) -> None:
    name = f"{PACKAGE}.queue"
    services.follow_import(name, is_done=False)
    sys.modules[name] = ModuleType(name)
    assert services.find_imported("queue") is None
    services.follow_import(name, is_done=True)
    assert services.find_imported("queue") is sys.modules[name]


def test_a_service_that_cannot_be_imported_says_why_each_time(services: ServiceImports) -> None:
    with services.put_off():
        broken = importlib.import_module(f"{PACKAGE}.broken")
    for _ in range(2):
        with pytest.raises(OSError, match="no such driver"):
            broken.anything  # noqa: B018 - asked for
    assert services.find_imported("broken") is None


def test_what_every_module_may_lack_does_not_import_it(services: ServiceImports) -> None:
    engine = import_engine(services)
    assert not hasattr(engine._queue, "__path__")
    assert services.find_imported("queue") is None


def test_what_is_no_service_is_left_alone(services: ServiceImports) -> None:
    assert services.find_spec("json.decoder") is None
    assert services.find_spec(f"{PACKAGE}.engine.deeper") is None


def test_the_latest_installed_takes_the_place_of_an_earlier_one(services: ServiceImports) -> None:
    later = ServiceImports(PACKAGE)
    later.install()
    importlib.import_module(f"{PACKAGE}.queue")
    assert (services.count, later.count) == (0, 1)
