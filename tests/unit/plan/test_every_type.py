"""Every property of every type that is compiled: in place or replaced, by AWS's own schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.plan.reviewing import make_plan

from fairway.compile.tags import TAG_FORM
from fairway.plan import Action, Change
from fairway.plan.schemas import _schema_root, list_write_only

REGION = "ap-southeast-2"


def read_schema(kind: str) -> dict[str, Any]:
    """The schema, found without the code under test."""
    index = json.loads((_schema_root() / "providers" / f"{REGION}.json").read_bytes())
    return dict(json.loads((_schema_root() / "resources" / f"{index[kind]}.json").read_bytes()))


def change_property(kind: str, before: dict[str, Any], after: dict[str, Any]) -> Change:
    plan = make_plan(
        {"X": {"Type": kind, "Properties": before}},
        {"X": {"Type": kind, "Properties": after}},
        region=REGION,
    )
    ((_, change),) = plan.changes()
    return change


@pytest.mark.parametrize("kind", TAG_FORM)
def test_every_property(kind: str) -> None:
    schema = read_schema(kind)
    always = {p.split("/")[2] for p in schema.get("createOnlyProperties", [])}
    perhaps = {p.split("/")[2] for p in schema.get("conditionalCreateOnlyProperties", [])}
    read_only = {p.split("/")[2] for p in schema.get("readOnlyProperties", []) if p.count("/") == 2}
    checked = 0
    for name in schema["properties"].keys() - read_only:
        change = change_property(kind, {name: 1}, {name: 2})
        (shown,) = change.properties
        replaced = name in always | perhaps
        assert change.action is (Action.REPLACE if replaced else Action.UPDATE), name
        assert (shown.path, shown.before, shown.after) == (name, 1, 2)
        known_better = (kind, name) == ("AWS::DynamoDB::Table", "KeySchema")
        assert shown.certain is (not replaced or name in always or known_better), name
        assert change_property(kind, {name: 1}, {name: 1}).action is Action.NONE
        checked += 1
    assert checked


@pytest.mark.parametrize("kind", [k for k in TAG_FORM if "writeOnlyProperties" in read_schema(k)])
def test_write_only_properties_are_compared_by_template(kind: str) -> None:
    """AWS never tells them, but both templates do: a new value is a change."""
    for pointer in list_write_only(kind, REGION):
        steps = [step for step in pointer if step != "*"]
        before: Any = "a"
        after: Any = "b"
        for step in reversed(steps):
            before, after = {step: before}, {step: after}
        change = change_property(kind, before, after)
        assert change.action in (Action.UPDATE, Action.REPLACE)
        assert [p.path for p in change.properties] == [".".join(steps)]


def test_a_conditional_replacement_may_come() -> None:
    change = change_property("AWS::EC2::VPC", {"InstanceTenancy": "a"}, {"InstanceTenancy": "b"})
    assert (change.action, change.properties[0].certain) == (Action.REPLACE, False)
