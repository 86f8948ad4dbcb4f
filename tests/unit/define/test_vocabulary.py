"""The vocabulary: small languages of values, and the JSON Schema made from it."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from fairway.define.definition import define_text
from fairway.define.file import File, Network
from fairway.define.schema import make_schema
from fairway.define.spec import KINDS, RETENTION_DAYS, Function
from fairway.define.values import show_duration
from fairway.plan.schemas import load_schema


def read_function(**keys: object) -> Function:
    return Function.model_validate({"type": "function", "handler": "a.b", **keys})


@pytest.mark.parametrize(
    ("text", "megabytes"), [("128MB", 128), ("1GB", 1024), ("10 GB", 10240), ("3008MB", 3008)]
)
def test_sizes(text: str, megabytes: int) -> None:
    assert read_function(memory=text).memory == megabytes


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("15m", 900), ("2 m", 120)])
def test_durations(text: str, seconds: int) -> None:
    assert read_function(timeout=text).timeout == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (60, "1m"), (90, "90s"), (43200, "12h"),
                          (172800, "2d")]
)  # fmt: skip
def test_durations_are_shown_in_the_largest_unit(seconds: int, text: str) -> None:
    assert show_duration(seconds) == text


@pytest.mark.parametrize("size", [16, 20, 24])
def test_networks(size: int) -> None:
    assert Network.model_validate({"cidr": f"10.0.0.0/{size}"}).cidr == f"10.0.0.0/{size}"


def test_retention_terms_are_those_of_the_service() -> None:
    schema = load_schema("AWS::Logs::LogGroup", "us-east-1")
    assert schema is not None
    assert list(RETENTION_DAYS) == schema["properties"]["RetentionInDays"]["enum"]


def test_runtimes_are_those_of_the_service() -> None:
    """cfn-lint carries the list; a runtime that it calls deprecated is not offered either."""
    spec = find_spec("cfnlint")
    assert spec is not None
    assert spec.origin is not None
    data = Path(spec.origin).parent / "data"
    known = json.loads((data / "AdditionalSpecs" / "LmbdRuntimeLifecycle.json").read_text())
    offered = Function.model_fields["runtime"].annotation.__args__  # type: ignore[union-attr]
    assert set(offered) <= set(known)


def test_schema_knows_every_key_and_kind() -> None:
    schema = make_schema()
    assert schema["properties"].keys() == File.model_fields.keys()
    component = schema["properties"]["components"]["additionalProperties"]
    assert component["properties"]["type"]["enum"] == list(KINDS)
    for model in KINDS.values():
        assert schema["$defs"][model.__name__]["properties"].keys() == model.model_fields.keys()


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    schema = make_schema()
    text = json.dumps(schema)
    names = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert names
    assert names <= schema["$defs"].keys()


def test_every_key_is_described() -> None:
    undescribed = [
        f"{model.__name__}.{name}"
        for model in (File, Network, *KINDS.values())
        for name, field in model.model_fields.items()
        if name != "type" and not field.description
    ]
    assert undescribed == []


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_carry_their_own_name(kind: str) -> None:
    assert KINDS[kind].kind == kind
    assert KINDS[kind].model_fields["type"].annotation.__args__ == (kind,)  # type: ignore[union-attr]


def test_a_key_of_a_table_may_be_called_anything() -> None:
    text = "app: a\ncomponents: {f: {type: function, handler: a.b, variables: {str: 5}}}\n"
    found = define_text(text, Path("/a")).diagnostics
    assert [(d.code, d.summary) for d in found] == [
        ("wrong-type", "'str' of component 'f' must be text, not a number")
    ]
