"""What is as it was is compared the short way, and means the same as when all is looked through."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plan.test_cases import World

from fairway.compile import compile_app
from fairway.compile.template import StackTemplate
from fairway.define import define_app
from fairway.plan.compare import compare_stack, diff_values
from fairway.plan.model import Action, ObservedStack

EXAMPLES = Path(__file__).parents[3] / "examples"


def list_stacks() -> list[tuple[StackTemplate, ObservedStack]]:
    found = []
    for name, environment in (("timestamps", "prod"), ("notes", "poc")):
        templates = compile_app(define_app(EXAMPLES / name, environment).require_app())
        observed = World("same").observe(templates)
        found += [(stack, observed[stack.name]) for stack in templates.stacks]
    return found


STACKS = list_stacks()
BY_NAME = pytest.mark.parametrize(
    ("template", "there"), STACKS, ids=[there.name for _, there in STACKS]
)


def compare(template: StackTemplate, there: ObservedStack, parameters: Any) -> Any:
    return compare_stack(None, template, there, parameters, "eu-west-1")


@BY_NAME
def test_nothing_changes(template: StackTemplate, there: ObservedStack) -> None:
    changes = compare(template, there, dict(there.parameters))
    assert {change.action for change in changes} == {Action.NONE}
    # A parameter that nothing refers to: everything is filled in and looked through.
    unused = replace(there, parameters={**there.parameters, "Unused": "x"})
    assert changes == compare(template, unused, dict(there.parameters))


@BY_NAME
def test_one_edit_is_found_among_what_stays(template: StackTemplate, there: ObservedStack) -> None:
    for logical_id in there.template["Resources"]:
        before = copy.deepcopy(dict(there.template))
        body = before["Resources"][logical_id]
        body["Properties"] = {**body.get("Properties", {}), "Description": "before"}
        edited = replace(there, template=before)
        changes = compare(template, edited, dict(there.parameters))
        changed = [c.logical_id for c in changes if c.action is not Action.NONE]
        assert logical_id in changed
        unused = replace(edited, parameters={**there.parameters, "Unused": "x"})
        assert changes == compare(template, unused, dict(there.parameters))


def test_another_value_of_a_parameter_changes_what_refers_to_it() -> None:
    """Though template and resource are as they were."""
    template, there = next(
        (t, o)
        for t, o in STACKS
        if t.layer == "app" and any("Code" in name for name in t.parameters)
    )
    name = next(name for name in template.parameters if "Code" in name)
    changes = compare(template, there, {**there.parameters, name: "artifacts/other.zip"})
    changed = {p.path for change in changes for p in change.properties}
    assert any(path.startswith("Code") for path in changed)


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, [(("a", "1", "b"), 2, 3)]),
        ({"a": 1}, {}, [(("a",), 1, None)]),
        ({"a": None}, {}, [(("a",), None, None)]),
        ([1, 2], [2, 1, 1], [((), [1, 2], [2, 1, 1])]),
        ([1], [1, 2], [((), None, 2)]),
        (1, "1", [((), 1, "1")]),
    ],
)
def test_differences(old: Any, new: Any, found: list[Any]) -> None:
    assert list(diff_values(old, new)) == found
