"""No property of our templates is dropped in silence: each is applied here, or kept and told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairway.cloud.control.coverage import PARTLY, RECORDED
from fairway.cloud.control.property_coverage import APPLIED, KEPT

TEMPLATES = sorted((Path(__file__).parents[3] / "golden" / "templates").glob("*/*.json"))
WHOLE = {"AssumeRolePolicyDocument", "Body", "KeyPolicy", "PolicyDocument", "Tags", "Variables"}


def list_paths(value: Any, path: str = "") -> Iterator[str]:
    name = path.rsplit(".", 1)[-1]
    if isinstance(value, list) and name not in WHOLE:
        for item in value:
            yield from list_paths(item, path)
    elif isinstance(value, dict) and value.keys() == {"Fn::If"}:
        for item in value["Fn::If"][1:]:
            yield from list_paths(item, path)
    elif isinstance(value, dict) and value and name not in WHOLE and not is_function(value):
        for key, item in value.items():
            yield from list_paths(item, f"{path}.{key}" if path else key)
    else:
        yield path


def is_function(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::"))


def test_there_are_templates() -> None:
    assert len(TEMPLATES) > 10


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_each_property_is_applied_or_kept(file: Path) -> None:
    unknown = [
        f"{name}: {resource['Type']} {path}"
        for name, resource in json.loads(file.read_text())["Resources"].items()
        for path in list_paths(resource.get("Properties") or {})
        if path
        and path not in APPLIED.get(resource["Type"], ())
        and path not in KEPT.get(resource["Type"], ())
    ]
    assert unknown == []


def test_no_property_is_in_both_tables() -> None:
    assert [kind for kind in APPLIED if APPLIED[kind] & KEPT.get(kind, frozenset())] == []


def test_what_is_kept_is_told() -> None:
    assert KEPT.keys() - RECORDED.keys() - PARTLY.keys() == set()


def test_recorded_types_apply_nothing() -> None:
    assert APPLIED.keys() & RECORDED.keys() == set()
