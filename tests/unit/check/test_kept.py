"""What cfn-lint found before is used when it surely holds, and never otherwise."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fairway.check.kept import KeptResults, Surroundings
from fairway.check.linter import Match

FOUND = (Match("E3002", True, "title", "'TopicNam' was unexpected", ("Resources", "Topic", 0)),)


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    places = [tmp_path / name for name in ("home", "project", "caches")]
    for place in places:
        place.mkdir()
    return Surroundings(places[0], places[1], (places[2],), date(2026, 11, 21))


@pytest.fixture
def file(tmp_path: Path, around: Surroundings) -> Path:
    """A file with the results of two templates, one of them clean."""
    path = tmp_path / "cache" / "lint.json"
    kept = KeptResults(path, around)
    kept.add("eu-west-1", "faulty", FOUND)
    kept.add("eu-west-1", "clean", ())
    kept.write()
    return path


def test_results_come_back(file: Path, around: Surroundings) -> None:
    kept = KeptResults(file, around)
    assert kept.find("eu-west-1", "faulty") == FOUND
    assert kept.find("eu-west-1", "clean") == ()
    assert kept.find("eu-west-2", "clean") is None
    assert kept.find("eu-west-1", "other") is None
    assert sorted(path.name for path in file.parent.iterdir()) == ["lint.json", "tmp"]
    assert list((file.parent / "tmp").iterdir()) == []


def clear_findings(whole: dict[str, Any]) -> None:
    whole["results"] = json.dumps({key: [] for key in json.loads(whole["results"])})


def break_shape(whole: dict[str, Any]) -> None:
    whole["results"] = json.dumps({"eu-west-1 faulty": 3})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-30],
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: "null",
        lambda text: '{"results": {}}',
        lambda text: "[" * 100_000,
        lambda text: text.replace("TopicNam", "TopicNaz"),
        lambda text: text.replace("faulty", "fault1"),
        lambda text: _change(text, clear_findings),
        lambda text: _change(text, break_shape),
    ],
)
def test_a_damaged_file_counts_as_none(
    file: Path, around: Surroundings, spoil: Callable[[str], str]
) -> None:
    file.write_text(spoil(file.read_text()))
    kept = KeptResults(file, around)
    assert kept.find("eu-west-1", "faulty") is None
    assert kept.find("eu-west-1", "clean") is None
    kept.add("eu-west-1", "faulty", FOUND)
    kept.write()
    assert KeptResults(file, around).find("eu-west-1", "faulty") == FOUND


def _change(text: str, change: Callable[[dict[str, Any]], None]) -> str:
    whole = json.loads(text)
    change(whole)
    return json.dumps(whole)


def test_bytes_that_are_no_text_count_as_none(file: Path, around: Surroundings) -> None:
    file.write_bytes(b"\xff\xfe" + file.read_bytes())
    assert KeptResults(file, around).find("eu-west-1", "clean") is None


def test_another_day_or_other_schemas_begin_anew(file: Path, around: Surroundings) -> None:
    tomorrow = replace(around, day=date(2026, 11, 22))
    assert KeptResults(file, tomorrow).find("eu-west-1", "clean") is None
    schemas = around.caches[0] / "aws" / "cfn-lint" / "schemas"
    schemas.mkdir(parents=True)
    (schemas / "version.json").write_text('{"schema_date": "2026-11-20"}')
    assert KeptResults(file, around).find("eu-west-1", "clean") is None


@pytest.mark.parametrize("place", ["home", "directory"])
@pytest.mark.parametrize("name", [".cfnlintrc", ".cfnlintrc.yaml", ".cfnlintrc.yml"])
def test_nothing_is_kept_under_a_configuration(
    file: Path, around: Surroundings, place: str, name: str
) -> None:
    (getattr(around, place) / name).write_text("ignore_checks: [E3002]\n")
    before = file.read_bytes()
    kept = KeptResults(file, around)
    assert kept.find("eu-west-1", "clean") is None
    kept.add("eu-west-1", "faulty", ())
    kept.write()
    assert file.read_bytes() == before


def test_a_rule_that_broke_off_is_not_kept(file: Path, around: Surroundings) -> None:
    kept = KeptResults(file, around)
    kept.add("eu-west-1", "odd", (Match("E0002", True, "title", "Unknown exception", ()),))
    kept.write()
    assert KeptResults(file, around).find("eu-west-1", "odd") is None


def test_those_not_asked_for_longest_go_first(file: Path, around: Surroundings) -> None:
    kept = KeptResults(file, around)
    assert kept.find("eu-west-1", "faulty") == FOUND
    for number in range(1_999):
        kept.add("eu-west-1", f"new {number}", ())
    kept.write()
    later = KeptResults(file, around)
    assert later.find("eu-west-1", "faulty") == FOUND
    assert later.find("eu-west-1", "clean") is None
    many = FOUND * 101
    later.add("eu-west-1", "many", many)
    later.write()
    assert KeptResults(file, around).find("eu-west-1", "many") is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written_is_no_failure(file: Path, around: Surroundings) -> None:
    file.parent.chmod(0o500)
    (file.parent / "tmp").chmod(0o500)
    kept = KeptResults(file, around)
    kept.add("eu-west-1", "new", ())
    kept.write()
    assert kept.find("eu-west-1", "new") == ()
    file.parent.chmod(0o700)


def test_a_file_in_the_way_is_no_failure(tmp_path: Path, around: Surroundings) -> None:
    (tmp_path / "cache").write_text("a file")
    kept = KeptResults(tmp_path / "cache" / "lint.json", around)
    kept.add("eu-west-1", "new", FOUND)
    kept.write()
    assert kept.find("eu-west-1", "new") == FOUND
    assert (tmp_path / "cache").read_text() == "a file"
