"""The literal tables of compile, held against the kinds and AWS's published schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from fairway.compile import compile_app
from fairway.compile.compilation import COMPILERS
from fairway.compile.draft import LAYERS
from fairway.compile.links import LINKS
from fairway.compile.tags import TAG_FORM, tag_properties
from fairway.compile.template import Layer, StackTemplate
from fairway.define.definition import define_text
from fairway.define.spec import KINDS, HttpApi, LoadBalancer
from fairway.plan.schemas import load_schema

GOLDEN_APPS = Path(__file__).parent.parent.parent / "golden" / "apps"
FRONTS = {LoadBalancer.kind, HttpApi.kind}  # nothing links to what only takes requests


def compile_golden() -> list[StackTemplate]:
    """The stacks of all golden applications, which together use every kind and key."""
    stacks: list[StackTemplate] = []
    for file in sorted(GOLDEN_APPS.glob("*/fairway.yml")):
        app = define_text(file.read_text(), file.parent).require_app()
        stacks += compile_app(app).stacks
    return stacks


def emitted_resources() -> dict[str, list[dict[str, Any]]]:
    """Resource type to the bodies that we write ourselves."""
    found: dict[str, list[dict[str, Any]]] = {}
    for stack in compile_golden():
        for logical_id, body in stack.resources.items():
            if stack.origins[logical_id].path[0] != "resources":
                found.setdefault(body["Type"], []).append(body)
    return found


RESOURCES = emitted_resources()


def test_every_kind_is_compiled() -> None:
    assert set(COMPILERS) == set(KINDS.values())


def test_links_lead_to_every_kind_but_fronts() -> None:
    assert LINKS.keys() == KINDS.keys() - FRONTS


def test_links_name_actions_of_their_service_in_order() -> None:
    for kind, accesses in LINKS.items():
        services = {action.split(":")[0] for a in accesses.values() for action in a.actions}
        assert len(services) == 1, kind
        for name, access in accesses.items():
            assert list(access.actions) == sorted(set(access.actions)), (kind, name)
            assert not any("*" in action for action in access.actions), (kind, name)


def test_layers_are_in_the_order_of_need() -> None:
    assert ("artifacts", *LAYERS) == get_args(Layer)
    for stack in compile_golden():
        needed = {name.rsplit("-", 1)[-1] for name in stack.needs}
        if stack.layer in LAYERS:
            assert needed - {"artifacts"} <= set(LAYERS[: LAYERS.index(stack.layer)])


def test_tag_forms_are_those_of_the_types_we_write() -> None:
    # The last is written only where a function outgrew the load balancer's stack.
    assert RESOURCES.keys() | {"AWS::EC2::SecurityGroupEgress"} == TAG_FORM.keys()


@pytest.mark.parametrize("kind", TAG_FORM)
def test_tag_form_is_that_of_the_published_schema(kind: str) -> None:
    schema = load_schema(kind, "eu-west-1")
    assert schema is not None
    tagging = schema.get("tagging", {})
    if not tagging.get("taggable", "Tags" in schema["properties"]):
        assert TAG_FORM[kind] == "none"
        return
    assert tagging.get("tagProperty", "/properties/Tags") == "/properties/Tags"
    form = {"array": "list", "object": "map"}[schema["properties"]["Tags"]["type"]]
    assert TAG_FORM[kind] == form


@pytest.mark.parametrize("kind", [kind for kind, form in TAG_FORM.items() if form != "none"])
def test_everything_that_takes_tags_has_them(kind: str) -> None:
    for body in RESOURCES[kind]:
        tags = body["Properties"]["Tags"]
        names = set(tags) if isinstance(tags, dict) else {tag["Key"] for tag in tags}
        if names == {"App"}:  # the bucket of artifacts is nobody's component
            continue
        assert names >= {"App", "Environment", "Owner", "Component"}


def test_own_tags_win() -> None:
    tagged = tag_properties("AWS::EC2::VPC", {"Tags": {"Name": "mine"}}, {"Name": "x", "App": "a"})
    assert tagged["Tags"] == [{"Key": "App", "Value": "a"}, {"Key": "Name", "Value": "mine"}]


@pytest.mark.parametrize("kind", RESOURCES)
def test_stateful_types_say_what_becomes_of_them(kind: str) -> None:
    stateful = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::KMS::Key",
                "AWS::Logs::LogGroup"}  # fmt: skip
    if kind in stateful:
        assert all({"DeletionPolicy", "UpdateReplacePolicy"} <= b.keys() for b in RESOURCES[kind])


@pytest.mark.parametrize("kind", RESOURCES)
def test_properties_are_those_of_the_published_schema(kind: str) -> None:
    schema = load_schema(kind, "eu-west-1")
    assert schema is not None
    for body in RESOURCES[kind]:
        assert body["Properties"].keys() <= schema["properties"].keys()


def test_every_resource_knows_where_it_came_from() -> None:
    for stack in compile_golden():
        assert stack.resources.keys() == stack.origins.keys()
