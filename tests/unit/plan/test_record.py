"""The last release beside the application: what a plan without credentials compares with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plan.test_cases import World, read_app

from fairway.bundle.artifact import Artifact
from fairway.compile import compile_app
from fairway.errors import FairwayError
from fairway.plan import Action, ObservedStack, plan_changes
from fairway.plan.record import (
    KEPT,
    ReleaseRecord,
    forget_begun,
    mark_begun,
    read_last_record,
    write_record,
)

STACK = ObservedStack("s", "CREATE_COMPLETE", {"Resources": {}}, {"P": "1"}, {"O": "2"}, {"A": "b"})
RECORD = ReleaseRecord(3, "shop", "poc", "eu-west-1", "2026-11-21 13:40 UTC", {"s": STACK})
FILE = """
app: shop
network: {cidr: 10.0.0.0/20}
components:
  entries: {type: table, partition_key: id}
  api: {type: function, handler: app.handler, uses: {entries: read}, memory: 256MB}
"""


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    file = write_record(tmp_path / "poc", RECORD)
    assert read_last_record(tmp_path / "poc") == RECORD
    assert file.stat().st_mode & 0o777 == 0o600
    assert str(RECORD) == ("release 3 of 2026-11-21 13:40 UTC, the last made from this directory")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"outcome": "failed"},
            "what release 3 of 2026-11-21 13:40 UTC left when it failed, the last made from this "
            "directory",
        ),
        (
            {"outcome": "interrupted", "moving": ("shop-poc-app",)},
            "what stood when release 3 of 2026-11-21 13:40 UTC was interrupted, the last made from "
            "this directory; CloudFormation was still at shop-poc-app then",
        ),
    ],
)
def test_what_a_bad_end_left_is_told(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    record = replace(RECORD, **changes)
    write_record(tmp_path, record)
    assert read_last_record(tmp_path) == record
    assert str(record) == said


def test_an_apply_without_an_end_leaves_its_mark(tmp_path: Path) -> None:
    directory = tmp_path / "poc"
    assert mark_begun(directory, "today")
    first = read_last_record(directory)
    assert first is not None
    assert (first.number, first.stacks) == (0, {})
    assert str(first) == "nothing: an apply of today did not come to its end here"
    write_record(directory, RECORD)
    assert read_last_record(directory) == RECORD
    assert mark_begun(directory, "tomorrow")
    assert not mark_begun(directory, "later")  # the one before was killed
    assert str(read_last_record(directory)).endswith(
        "this directory; an apply of later came after it, and its end was not recorded"
    )
    forget_begun(directory)
    assert read_last_record(directory) == RECORD


def test_a_mark_of_other_bytes_is_read_all_the_same(tmp_path: Path) -> None:
    assert mark_begun(tmp_path, "today")
    (tmp_path / "begun").write_bytes(b"\xff\xfe")
    found = read_last_record(tmp_path)
    assert found is not None
    assert found.unended == "\ufffd\ufffd"


def test_records_of_before_are_read(tmp_path: Path) -> None:
    file = write_record(tmp_path, RECORD)
    content = json.loads(file.read_text())
    del content["outcome"], content["moving"]
    file.write_text(json.dumps(content))
    assert read_last_record(tmp_path) == RECORD


def test_nothing_is_known_of_a_new_environment(tmp_path: Path) -> None:
    assert read_last_record(tmp_path / "poc") is None


def test_the_highest_number_is_the_last_and_old_ones_go(tmp_path: Path) -> None:
    for number in range(1, KEPT + 5):
        write_record(tmp_path, replace(RECORD, number=number))
    (tmp_path / "notes.json").write_text("")
    last = read_last_record(tmp_path)
    assert last is not None
    assert last.number == KEPT + 4
    assert len([f for f in tmp_path.iterdir() if f.stem.isdecimal()]) == KEPT


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"fairway_release": 2}',
                                  '{"fairway_release": 1, "stacks": {"s": {"x": 1}}}'])  # fmt: skip
def test_a_broken_record_is_told_and_not_passed_over(tmp_path: Path, text: str) -> None:
    write_record(tmp_path, RECORD)
    (tmp_path / "000004.json").write_text(text)
    with pytest.raises(FairwayError, match=r"000004\.json") as refused:
        read_last_record(tmp_path)
    assert refused.value.hint


def test_a_plan_by_a_record_shows_what_changed_and_nothing_else(tmp_path: Path) -> None:
    """Prefix lists, outputs and keys come from the record: nobody is asked."""
    before = compile_app(read_app(FILE))
    write_record(tmp_path, replace(RECORD, stacks=World("same").observe(before)))
    record = read_last_record(tmp_path)
    assert record is not None

    def plan(text: str) -> dict[str, Action]:
        app = read_app(text)
        templates = compile_app(app)
        artifacts = [Artifact(s.name, "same", Path("a.zip"), 1) for s in templates.sources]
        made = plan_changes(app, templates, artifacts, record.stacks, compared=False)
        return {c.logical_id: c.action for _, c in made.changes() if c.action is not Action.NONE}

    assert plan(FILE) == {}
    assert plan(FILE.replace("256MB", "512MB")) == {"Api": Action.UPDATE}
