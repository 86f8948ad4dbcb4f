"""Reserved ports: kept for whoever remembers them, and for nobody else."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import pytest

from fairway.cloud.control.ports import FIRST_PORT, PortBook
from fairway.cloud.control.reservations import Reservations, find_folder


def make_book(folder: Path, name: str) -> PortBook:
    """The book of an application; every port is free, as if all clouds were stopped."""
    directory = folder / name / ".fairway"
    directory.mkdir(parents=True, exist_ok=True)
    registry = Reservations(folder / "ports")
    return PortBook(directory / "ports.json", probe=lambda port: True, reservations=registry)


def test_a_stopped_applications_port_is_left_to_it(tmp_path: Path) -> None:
    assert make_book(tmp_path, "a").assign("web") == FIRST_PORT
    assert make_book(tmp_path, "b").assign("web") == FIRST_PORT + 1
    assert make_book(tmp_path, "a").assign("web") == FIRST_PORT
    assert make_book(tmp_path, "b").replace("web") == FIRST_PORT + 2
    assert make_book(tmp_path, "c").assign("web") == FIRST_PORT + 1, "what b gave up is free"


def test_a_removed_application_keeps_nothing(tmp_path: Path) -> None:
    make_book(tmp_path, "a").assign("web")
    shutil.rmtree(tmp_path / "a")
    assert make_book(tmp_path, "b").assign("web") == FIRST_PORT


def test_a_served_port_is_claimed_again(tmp_path: Path) -> None:
    book = make_book(tmp_path, "a")
    book.assign("web")
    shutil.rmtree(tmp_path / "ports")
    assert make_book(tmp_path, "a").claim("web", FIRST_PORT) == (FIRST_PORT, None)
    assert make_book(tmp_path, "b").assign("web") == FIRST_PORT + 1


def test_a_copied_application_gets_a_port_of_its_own(tmp_path: Path) -> None:
    make_book(tmp_path, "a").assign("web")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    copied = make_book(tmp_path, "b")
    assert copied.claim("web", FIRST_PORT) == (FIRST_PORT + 1, tmp_path / "a" / ".fairway")
    assert copied.recall("web") == FIRST_PORT + 1
    assert make_book(tmp_path, "a").claim("web", FIRST_PORT) == (FIRST_PORT, None)


def test_a_remembered_port_that_another_keeps_is_given_up(tmp_path: Path) -> None:
    make_book(tmp_path, "a").assign("web")
    make_book(tmp_path, "b").keep("web", FIRST_PORT)
    assert make_book(tmp_path, "b").assign("web") == FIRST_PORT + 1


def damage_link(folder: Path) -> None:
    (folder / str(FIRST_PORT)).unlink()
    (folder / str(FIRST_PORT)).write_text("damaged")


def damage_target(folder: Path) -> None:
    (folder / str(FIRST_PORT)).unlink()
    (folder / str(FIRST_PORT)).symlink_to("/dev/null/nowhere")


def damage_book(folder: Path) -> None:
    (folder.parent / "a" / ".fairway" / "ports.json").write_text("{")


def nest_book(folder: Path) -> None:
    (folder.parent / "a" / ".fairway" / "ports.json").write_text("[" * 100_000)


def damage_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("in the way")


@pytest.mark.parametrize(
    "damage", [damage_link, damage_target, damage_book, nest_book, damage_folder]
)
def test_damage_stops_nobody(tmp_path: Path, damage: object) -> None:
    make_book(tmp_path, "a").assign("web")
    assert callable(damage)
    damage(tmp_path / "ports")
    assert make_book(tmp_path, "b").assign("web") == FIRST_PORT
    assert make_book(tmp_path, "b").assign("web") == FIRST_PORT


def test_without_a_home_there_are_none(tmp_path: Path) -> None:
    assert find_folder({}) is None
    assert find_folder({"XDG_STATE_HOME": "relative", "HOME": "/h"}) == find_folder({"HOME": "/h"})
    assert find_folder({"XDG_STATE_HOME": "/s", "HOME": "/h"}) == Path("/s/fairway/ports")
    with Reservations(None).hold():
        assert Reservations(None).list_others(tmp_path) == {}


class Clock:
    """Time that passes by waiting alone."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits = 0

    def read(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.waits += 1


def test_a_lock_that_was_not_to_be_had_is_not_waited_for_each_time(tmp_path: Path) -> None:
    clock = Clock()
    waiting = Reservations(tmp_path, clock.read, clock.wait)
    with Reservations(tmp_path).hold():
        with waiting.hold():
            first = clock.waits
        with waiting.hold():
            again = clock.waits
        clock.now += 60
        with waiting.hold():
            later = clock.waits
    assert first > 0
    assert again == first
    assert later > again


def assign_at_once(folder: Path, name: str, start: object) -> None:
    book = make_book(folder, name)
    start.wait()  # type: ignore[attr-defined]
    for number in range(20):
        book.assign(str(number))


def test_applications_that_start_at_once_do_not_share(tmp_path: Path) -> None:
    forking = multiprocessing.get_context("fork")
    start = forking.Barrier(3)
    names = ("a", "b", "c")
    racing = [forking.Process(target=assign_at_once, args=(tmp_path, n, start)) for n in names]
    for process in racing:
        process.start()
    for process in racing:
        process.join(60)
        assert process.exitcode == 0
    ports = [make_book(tmp_path, name).recall(str(n)) for name in names for n in range(20)]
    assert sorted(port or 0 for port in ports) == list(range(FIRST_PORT, FIRST_PORT + 60))
