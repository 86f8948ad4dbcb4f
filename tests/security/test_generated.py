"""What holds for every application: roles without `*`, clean templates, ids and bytes that stay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.security.applications import files, read

from fairway.check import lint_templates
from fairway.check.policies import WITHOUT_RESOURCE, check_policies, find_wildcards, list_statements
from fairway.compile import Templates, compile_app
from fairway.compile.links import LINKS
from fairway.define.spec import KINDS


def test_every_kind_key_and_link_is_generated() -> None:
    """A kind, key or access that is new must be generated too, or nothing here is about it."""
    keys: dict[str, set[str]] = {}
    links: set[tuple[str, str]] = set()

    @settings(max_examples=120, deadline=None, derandomize=True, phases=[Phase.generate])
    @given(files())
    def collect(file: dict[str, Any]) -> None:
        components = file["components"]
        for spec in components.values():
            keys.setdefault(spec["type"], set()).update(spec)
            for target, access in spec.get("uses", {}).items():
                links.add((components[target]["type"], access))

    collect()
    assert keys == {kind: set(model.model_fields) for kind, model in KINDS.items()}
    assert links == {(kind, access) for kind, row in LINKS.items() for access in row}


ORDINARY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def list_allowed(templates: Templates) -> list[Any]:
    return [s for stack in templates.stacks for _, _, s in list_statements(stack)]


@ORDINARY
@given(files())
def test_no_role_has_a_wildcard(file: dict[str, Any]) -> None:
    app = read(file)
    templates = compile_app(app)
    assert list(check_policies(app, templates)) == []
    statements = list_allowed(templates)
    assert statements  # every function has a role
    for statement in statements:
        assert statement["Effect"] == "Allow"
        assert not {"NotAction", "NotResource"} & statement.keys()
        assert not any("*" in action for action in statement["Action"])
        if statement["Resource"] == "*" or "*" in statement["Resource"]:
            assert set(statement["Action"]) <= WITHOUT_RESOURCE


def test_the_rule_sees_wildcards() -> None:
    every = {"Effect": "Allow", "Action": ["s3:Get*", "s3:PutObject"], "Resource": "*"}
    assert find_wildcards(every) == (["s3:Get*"], ["s3:PutObject"])
    assert find_wildcards({**every, "Effect": "Deny"}) == ([], [])
    named = {**every, "Action": "ec2:DescribeSubnets"}
    assert find_wildcards(named) == ([], [])
    assert find_wildcards({"Effect": "Allow", "NotAction": "s3:*", "Resource": "a"})[0]


@ORDINARY
@given(files())
def test_the_same_file_gives_the_same_bytes(file: dict[str, Any]) -> None:
    first, again = (compile_app(read(file)) for _ in range(2))
    assert [s.to_json() for s in first.stacks] == [s.to_json() for s in again.stacks]


@ORDINARY
@given(files(), st.booleans())
def test_a_new_component_moves_and_renames_nothing(file: dict[str, Any], first: bool) -> None:
    new = {"newcomer": {"type": "function", "handler": "app.handler"}}
    own = file["components"]
    grown = {**file, "components": {**new, **own} if first else {**own, **new}}
    before, after = (
        {(stack.name, i): body for stack in compile_app(read(f)).stacks
         for i, body in stack.resources.items()}
        for f in (file, grown)
    )  # fmt: skip
    assert {key: after[key] for key in before} == before
    assert all("Newcomer" in i for _, i in after.keys() - before.keys())


@pytest.mark.slow
@settings(max_examples=8, deadline=None, phases=[Phase.generate], derandomize=True)
@given(files())
def test_templates_are_clean(file: dict[str, Any]) -> None:
    app = read(file)
    found = [json.dumps(str(d.summary)) for d in lint_templates(app, compile_app(app))]
    assert found == []
