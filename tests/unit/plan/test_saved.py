"""Saved plans: carried out when nothing moved, refused with the difference when anything did."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plan.reviewing import make_plan, resource

from fairway.bundle.artifact import Artifact
from fairway.plan import Plan
from fairway.plan.saved import (
    SavedPlanRefused,
    digest_files,
    find_differences,
    read_saved,
    require_same,
    save_plan,
    write_saved,
)

BEFORE = {"F": resource("Lambda::Function", MemorySize=128), "Q": resource("SQS::Queue")}
AFTER = {"F": resource("Lambda::Function", MemorySize=256)}


def a_plan(after: dict[str, Any] | None = None, before: dict[str, Any] | None = None) -> Plan:
    plan = make_plan(before or BEFORE, after or AFTER)
    artifacts = (Artifact("src", "abc", Path("a.zip"), 1),)
    return replace(plan, artifacts=artifacts, file_digest="f1", account="123456789012")


def test_a_plan_is_the_same_after_a_round_through_its_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    saved = save_plan(a_plan())
    write_saved(saved, file)
    assert read_saved(file) == saved
    assert read_saved(file).digest == saved.digest == json.loads(file.read_text())["digest"]
    assert file.stat().st_mode & 0o777 == 0o600
    require_same(read_saved(file), a_plan())


def test_the_digest_is_that_of_the_plan_and_not_of_its_surroundings() -> None:
    moved = replace(a_plan(), against="another day", expect=None)
    assert save_plan(moved).digest == save_plan(a_plan()).digest


def move(plan: Plan, **parts: Any) -> Plan:
    (stack,) = plan.stacks
    assert stack.observed
    return replace(plan, stacks=(replace(stack, observed=replace(stack.observed, **parts)),))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: replace(p, file_digest="f2"), ["fairway.yml is not the file that was planned"]),
        (lambda p: replace(p, artifacts=(replace(p.artifacts[0], digest="def"),)),
         ["the code of src is not the one that was planned"]),
        (lambda p: replace(p, artifacts=()), ["the code of src is not the one that was planned"]),
        (lambda p: move(p, outputs={"Url": "x"}), ["s was changed since: outputs"]),
        (lambda p: move(p, parameters={"P": "2"}), ["s was changed since: given"]),
        (lambda p: move(p, physical_ids={"F": "f-2"}), ["s was changed since: physical ids"]),
        (lambda p: a_plan({"F": resource("Lambda::Function", MemorySize=512)}),
         ["the template of s moved: F",
          "s/F: planned was update (MemorySize 128 -> 256), now it is update "
          "(MemorySize 128 -> 512)"]),
        (lambda p: a_plan(before={**BEFORE, "F": resource("Lambda::Function", MemorySize=64)}),
         ["s was changed since: F",
          "s/F: planned was update (MemorySize 128 -> 256), now it is update "
          "(MemorySize 64 -> 256)"]),
        (lambda p: replace(p, account="210987654321"),
         ["account: planned for 123456789012, now 210987654321"]),
        (lambda p: replace(p, environment="prod"), ["environment: planned for poc, now prod"]),
        (lambda p: replace(p, region="us-east-1"),
         ["region: planned for eu-west-1, now us-east-1"]),
        (lambda p: replace(p, destroys=True), ["destroys: planned for False, now True"]),
    ],
)  # fmt: skip
def test_whatever_moves_is_refused_and_named(
    change: Callable[[Plan], Plan], told: list[str]
) -> None:
    saved, now = save_plan(a_plan()), change(a_plan())
    assert list(find_differences(saved, save_plan(now))) == told
    with pytest.raises(SavedPlanRefused) as refused:
        require_same(saved, now)
    assert refused.value.detail == "\n".join(told)
    assert refused.value.hint


def test_another_stack_is_a_difference() -> None:
    plan = a_plan()
    fewer = replace(plan, stacks=())
    assert list(find_differences(save_plan(plan), save_plan(fewer)))[:2] == [
        "the template of s moved: F, Outputs, given",
        "s was changed since: F, Q, given, outputs, physical ids",
    ]


def test_a_plan_that_asked_nobody_cannot_be_saved() -> None:
    with pytest.raises(SavedPlanRefused):
        save_plan(replace(a_plan(), compared=False))


def test_many_differences_are_counted() -> None:
    before = {f"Q{n}": resource("SQS::Queue") for n in range(40)}
    saved = save_plan(a_plan(before=before))
    with pytest.raises(SavedPlanRefused) as refused:
        require_same(saved, a_plan())
    detail = refused.value.detail or ""
    assert len(detail.splitlines()) == 21
    assert detail.splitlines()[-1] == "and 23 more"


def edit(content: dict[str, Any], *path: str, value: Any) -> dict[str, Any]:
    holder = content
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return content


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("\x00\x01", "is not JSON"),
        ("[]", "is not a saved plan"),
        ("{}", "is not a saved plan"),
        ('"text"', "is not a saved plan"),
        ('{"fairway_plan": 2}', "of another version (2)"),
        ('{"fairway_plan": 1}', "was edited"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(SavedPlanRefused) as refused:
        read_saved(file)
    assert why in refused.value.summary
    assert refused.value.hint


@pytest.mark.parametrize(
    "path",
    [("plan", "app"), ("plan", "destroys"), ("made_from", "file"), ("plan",), ("made_from",)],
)
def test_an_edited_plan_is_refused(tmp_path: Path, path: tuple[str, ...]) -> None:
    file = tmp_path / "plan.json"
    write_saved(save_plan(a_plan()), file)
    content = edit(json.loads(file.read_text()), *path, value="x")
    file.write_text(json.dumps(content))
    with pytest.raises(SavedPlanRefused, match="was edited"):
        read_saved(file)


@pytest.mark.parametrize(
    "path",
    [("plan",), ("plan", "app"), ("plan", "changes"), ("plan", "destroys"), ("made_from",),
     ("made_from", "file"), ("made_from", "observed"), ("made_from", "templates", "s")],
)  # fmt: skip
def test_a_plan_that_is_not_whole_is_refused_in_words(
    tmp_path: Path, path: tuple[str, ...]
) -> None:
    """Also when somebody gave it the digest of what is left."""
    file = tmp_path / "plan.json"
    saved = save_plan(a_plan())
    content = edit(json.loads(json.dumps(saved.content)), *path, value=7)
    broken = type(saved)(content)
    file.write_text(json.dumps({**content, "digest": broken.digest}))
    with pytest.raises(SavedPlanRefused, match="not a whole plan"):
        read_saved(file)


def test_files_that_cannot_be_read_or_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(SavedPlanRefused, match="there is no plan in"):
        read_saved(tmp_path / "none.json")
    with pytest.raises(SavedPlanRefused, match="there is no plan in"):
        read_saved(tmp_path)
    with pytest.raises(SavedPlanRefused, match="cannot be written"):
        write_saved(save_plan(a_plan()), tmp_path / "no" / "folder.json")


def test_no_secret_is_in_the_file(tmp_path: Path) -> None:
    secret = resource("Lambda::Function", Environment={"Variables": {"STRIPE_KEY": "sk_live_1"}})
    file = tmp_path / "plan.json"
    write_saved(save_plan(a_plan({"F": secret})), file)
    assert "sk_live_1" not in file.read_text()


def test_another_secret_is_another_plan() -> None:
    def with_key(value: str) -> Plan:
        variables = {"Variables": {"STRIPE_KEY": value}}
        return a_plan({"F": resource("Lambda::Function", Environment=variables)})

    assert list(find_differences(save_plan(with_key("a")), save_plan(with_key("b")))) == [
        "the template of s moved: F"
    ]


def test_the_digest_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "fairway.yml"
    file.write_bytes(b"")
    assert (
        digest_files([file]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )
