"""Planner cases as data: two versions of a file, and the exact action on every resource.

Each `cases/<kind>-<outcome>-<what>.yml` holds `why`, `before` and `after` (fairway.yml as text),
where needed `code` (digests of the archive before and after), and `expect`: every stack that
changes, with every resource that does; what is not named must not change. A property that
replaces a resource is named under `because`. `shows` has each property's old and new value with
its line in `after`, `review` what a reviewer is told beside the cost.

`pytest tests/unit/plan --update-golden` writes all from `expect` on; read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairway.bundle.artifact import Artifact
from fairway.cli.render.human import show_value
from fairway.compile import Templates, compile_app
from fairway.compile.template import (
    ArtifactBucket,
    ArtifactKey,
    ParameterSource,
    PrefixList,
    StackOutput,
)
from fairway.define import App
from fairway.define.definition import Definition, define_text
from fairway.define.spec import KINDS
from fairway.plan import Action, ObservedStack, Plan, plan_changes, review_plan
from fairway.plan.permissions import describe_permission

CASES = sorted((Path(__file__).parent / "cases").glob("*.yml"))
COMPONENT_KINDS = (*KINDS, "network")
OUTCOMES = ("none", "update", "replace")


@dataclass(frozen=True)
class World:
    """A simulated account: every output, prefix list and key has a value of its own."""

    code: str

    def find_value(self, source: ParameterSource) -> str:
        match source:
            case StackOutput(stack, output):
                return f"{stack}.{output}"
            case ArtifactKey():
                return f"artifacts/{self.code}.zip"
            case ArtifactBucket():
                return "fairway-artifacts.BucketName"
            case PrefixList(service):
                return f"pl-{service}"

    def observe(self, templates: Templates) -> dict[str, ObservedStack]:
        return {
            stack.name: ObservedStack(
                stack.name,
                "CREATE_COMPLETE",
                stack.template,
                {name: self.find_value(source) for name, source in stack.parameters.items()},
                {name: f"{stack.name}.{name}" for name in stack.template.get("Outputs", {})},
                {logical_id: f"{logical_id.lower()}-1" for logical_id in stack.resources},
            )
            for stack in templates.stacks
        }


def read_app(text: str) -> App:
    definition: Definition = define_text(text, Path("/application"))
    return definition.require_app()


def plan_case(case: dict[str, Any]) -> Plan:
    code = case.get("code", {"before": "same", "after": "same"})
    app = read_app(case["after"])
    templates = compile_app(app)
    artifacts = [Artifact(s.name, code["after"], Path("a.zip"), 1) for s in templates.sources]
    observed = World(code["before"]).observe(compile_app(read_app(case["before"])))
    return plan_changes(app, templates, artifacts, observed, find_prefix_list="pl-{}".format)


def describe_actions(plan: Plan) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for stack, change in plan.changes():
        if change.action is not Action.NONE:
            found.setdefault(stack.name, {})[change.logical_id] = change.action.value
    return found


def describe_reasons(plan: Plan) -> dict[str, list[str]]:
    """The properties that replace a resource themselves, not through another one."""
    reasons = {
        change.logical_id: [
            p.path for p in change.properties if p.replaces and p.before != "the replaced resource"
        ]
        for _, change in plan.changes()
    }
    return {logical_id: paths for logical_id, paths in reasons.items() if paths}


def describe_values(plan: Plan) -> dict[str, list[str]]:
    shown: dict[str, list[str]] = {}
    for stack, change in plan.changes():
        for item in change.properties:
            line = f"  (line {item.place.line})" if item.place else ""
            text = f"{item.path}: {show_value(item.before)} -> {show_value(item.after)}{line}"
            shown.setdefault(f"{stack.name}/{change.logical_id}", []).append(text)
    return shown


def describe_review(plan: Plan) -> dict[str, list[str]]:
    review = review_plan(plan)
    parts = {
        "data": [f"{loss.severity}: {loss.what}" for loss in review.data],
        "permissions": [describe_permission(change) for change in review.permissions],
        "internet": [
            f"{'+' if e.opened else '-'} {e.component}: {e.what}" for e in review.exposure
        ],
        "interruption": [f"{i.component} {i.what}" for i in review.interruptions],
    }
    return {topic: lines for topic, lines in parts.items() if lines}


@pytest.mark.parametrize("file", CASES, ids=[case.stem for case in CASES])
def test_plan(file: Path, update_golden: bool) -> None:
    text = file.read_text()
    case = yaml.safe_load(text)
    plan = plan_case(case)
    observed = {
        "expect": describe_actions(plan),
        "because": describe_reasons(plan),
        "shows": describe_values(plan),
        "review": describe_review(plan),
    }
    if update_golden:
        head = text.split("\nexpect:")[0].rstrip("\n")
        file.write_text(f"{head}\n{yaml.safe_dump(observed, sort_keys=False, width=200)}")
        return
    assert observed == {part: case[part] for part in observed}
    assert plan.is_empty == (case["expect"] == {})


@pytest.mark.parametrize("kind", COMPONENT_KINDS)
@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_kind_has_a_case_of_every_outcome(kind: str, outcome: str) -> None:
    own = [f for f in CASES if f.stem.startswith(f"{kind}-{outcome}-")]
    assert own, f"add tests/unit/plan/cases/{kind}-{outcome}-<what>.yml"
    for file in own:
        actions = yaml.safe_load(file.read_text())["expect"]
        values = {action for stack in actions.values() for action in stack.values()}
        match outcome:
            case "none":
                assert values == set(), file.stem
            case "update":
                assert "update" in values, file.stem
                assert "replace" not in values, file.stem
            case _:
                assert "replace" in values, file.stem


def test_every_case_belongs_to_a_kind_and_an_outcome() -> None:
    known = tuple(f"{k}-{o}-" for k in COMPONENT_KINDS for o in (*OUTCOMES, "change"))
    assert [f.stem for f in CASES if not f.stem.startswith(known)] == []
