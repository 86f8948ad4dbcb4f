"""Edits as they are collected, and when waiting for them ends."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.waiting import PATIENCE

from fairway.cli.edits import Edits


def go_on() -> bool:
    return True


def test_saved_files_are_given(tmp_path: Path) -> None:
    with Edits(tmp_path) as edits:
        found: set[Path] = set()

        def save() -> bool:  # the watching begins some time after the thread
            (tmp_path / "app.py").write_text("x = 1\n")
            return True

        while not found:
            found = edits.take(save) or set()
    assert found == {tmp_path / "app.py"}


def test_waiting_ends_when_what_was_waited_on_is_gone(tmp_path: Path) -> None:
    edits, asked = Edits(tmp_path), iter([True, True, False])
    assert edits.take(lambda: next(asked)) is None
    assert list(asked) == []


def test_it_is_woken_without_an_edit(tmp_path: Path) -> None:
    edits = Edits(tmp_path)
    waker = threading.Thread(target=edits.wake)
    waker.start()
    assert edits.take(go_on) == set()
    waker.join(PATIENCE)


def test_the_end_comes_before_what_was_saved(tmp_path: Path) -> None:
    edits = Edits(tmp_path)
    edits.wake()
    edits.end()
    assert edits.take(go_on) is None
