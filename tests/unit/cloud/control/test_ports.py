"""The port book: stable, remembered, and out of others' way."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from fairway.cloud.control.ports import (
    FIRST_PORT,
    USUAL,
    PortBook,
    PortsUnusable,
    is_free,
    open_book,
    read_range,
)


def make_book(path: Path, *taken: int) -> PortBook:
    return PortBook(path / "ports.json", probe=lambda port: port not in taken)


def test_first_name_gets_the_first_port_and_keeps_it(tmp_path: Path) -> None:
    assert make_book(tmp_path).assign("app/Lb") == FIRST_PORT
    assert make_book(tmp_path).assign("app/Lb") == FIRST_PORT


def test_names_do_not_share(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    assert [book.assign(n) for n in ("a", "b", "c")] == [FIRST_PORT, FIRST_PORT + 1, FIRST_PORT + 2]


def test_taken_ports_are_skipped(tmp_path: Path) -> None:
    assert make_book(tmp_path, FIRST_PORT, FIRST_PORT + 1).assign("a") == FIRST_PORT + 2


def test_a_remembered_port_that_was_taken_is_given_up(tmp_path: Path) -> None:
    make_book(tmp_path).assign("a")
    book = make_book(tmp_path, FIRST_PORT)
    assert book.assign("a") == FIRST_PORT + 1
    assert make_book(tmp_path).recall("a") == FIRST_PORT + 1


def test_a_port_in_use_by_a_sibling_is_not_given_twice(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    assert book.assign("a") == FIRST_PORT
    assert book.assign("a", in_use=[FIRST_PORT]) == FIRST_PORT + 1


def test_exhausted_range_falls_back_to_any_port(tmp_path: Path) -> None:
    book = PortBook(tmp_path / "ports.json", probe=lambda port: False)
    assert book.assign("a") > 0


def test_an_exhausted_range_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        taken = listening.getsockname()[1]
        book = open_book(tmp_path, {"FAIRWAY_PORTS": f"{taken}-{taken}"}, told.append)
        port = book.assign("shop/Web")
    assert told == [
        f"Of the ports {taken} to {taken} none is free: shop/Web is served on {port}, and stays "
        "there. FAIRWAY_PORTS=FIRST-LAST names another range for what is new."
    ]


def test_damaged_file_is_started_anew(tmp_path: Path) -> None:
    for damage in ("{", "[]", json.dumps({"a": "x", "b": 99999})):
        (tmp_path / "ports.json").write_text(damage)
        assert make_book(tmp_path).recall("a") is None
        assert make_book(tmp_path).recall("b") is None


def test_probe_sees_a_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert not is_free(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", USUAL), ("9000-9002", range(9000, 9003)), (" 9000 - 9000 ", range(9000, 9001))],
)
def test_the_range_is_the_users(text: str, expected: range) -> None:
    assert read_range({"FAIRWAY_PORTS": text}) == expected
    assert read_range({}) == USUAL


@pytest.mark.parametrize("text", ["9000", "a-b", "9001-9000", "0-5", "9000-65536", "-1-5", "1-²"])
def test_what_is_no_range_is_named(text: str) -> None:
    with pytest.raises(PortsUnusable) as refused:
        read_range({"FAIRWAY_PORTS": text})
    assert repr(text) in str(refused.value)
    assert "FAIRWAY_PORTS=9000-9099" in str(refused.value)


def test_new_names_get_ports_of_the_users_range(tmp_path: Path) -> None:
    port = next(port for port in range(20_000, 30_000) if is_free(port))
    book = open_book(tmp_path, {"FAIRWAY_PORTS": f"{port}-{port}"})
    assert book.assign("a") == port
