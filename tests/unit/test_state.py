"""The folder of what is not source: git leaves it alone wherever it comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.plan.test_record import RECORD

from fairway.bundle.store import hold_store
from fairway.check.kept import KeptResults, Surroundings
from fairway.events import ignore_events
from fairway.plan.record import mark_begun, write_record
from fairway.state import STATE_DIRECTORY, make_state_directory


def keep_findings(state: Path) -> None:
    from datetime import date

    around = Surroundings(state.parent, state.parent, (), date(2026, 11, 21))
    kept = KeptResults(state / "cache" / "lint.json", around)
    kept.add("eu-west-1", "0", ())
    kept.write()


def bundle(state: Path) -> None:
    with hold_store(state / "cache", ignore_events):
        pass


def begin(state: Path) -> None:
    mark_begun(state / "releases" / "poc", "today")


def record(state: Path) -> None:
    write_record(state / "releases" / "poc", RECORD)


@pytest.mark.parametrize("make", [keep_findings, bundle, begin, record, make_state_directory])
def test_what_makes_it_has_git_leave_it_alone(tmp_path: Path, make: object) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert callable(make)
    make(tmp_path / STATE_DIRECTORY)
    (tmp_path / STATE_DIRECTORY / "more").write_text("x")
    asked = ["git", "status", "--porcelain", "--untracked-files=all"]
    done = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_what_somebody_made_of_it_stays(tmp_path: Path) -> None:
    state = tmp_path / STATE_DIRECTORY
    state.mkdir()
    make_state_directory(state / "cache")
    assert [path.name for path in state.iterdir()] == ["cache"]


def test_a_folder_of_another_name_is_made_as_it_is(tmp_path: Path) -> None:
    make_state_directory(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b"]
