"""AWS's published resource schemas, as cfn-lint carries them: which change replaces what."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Pointer = tuple[str, ...]
_FALLBACK_REGION = "us-east-1"


@cache
def load_schema(resource_type: str, region: str) -> dict[str, Any] | None:
    """The schema of a type in a region, or None for types that AWS does not publish."""
    root = _schema_root()
    index = _load_index(region)
    digest = index.get(resource_type)
    if not isinstance(digest, str):
        return None
    file = root / "resources" / f"{digest}.json"
    schema: dict[str, Any] = json.loads(file.read_bytes())
    return schema


@cache
def list_create_only(resource_type: str, region: str) -> frozenset[Pointer]:
    """Paths of properties whose change replaces the resource.

    Conditional ones count too: whether they do depends on more than the template tells, and
    a replacement that was not announced is worse than one that does not come.
    """
    certain = _list_certain(resource_type, region)
    return certain | _list_pointers(resource_type, region, "conditionalCreateOnlyProperties")


@cache
def _list_certain(resource_type: str, region: str) -> frozenset[Pointer]:
    published = _list_pointers(resource_type, region, "createOnlyProperties")
    return published | _NOT_IN_SCHEMA.get(resource_type, set())


def list_write_only(resource_type: str, region: str) -> frozenset[Pointer]:
    """Paths of properties that AWS takes and never tells: drift says nothing about them."""
    return _list_pointers(resource_type, region, "writeOnlyProperties")


def _list_pointers(resource_type: str, region: str, key: str) -> frozenset[Pointer]:
    schema = load_schema(resource_type, region) or {}
    return frozenset(tuple(pointer.split("/")[2:]) for pointer in schema.get(key, []))


# Replacements that the resource pages name and the published schemas leave out.
_NOT_IN_SCHEMA: dict[str, set[Pointer]] = {
    # "AWS::DynamoDB::Table", KeySchema: "Update requires: Some interruptions. Replacement if
    # you edit an existing KeySchema": keys cannot change in place.
    "AWS::DynamoDB::Table": {("KeySchema",)},
}


def replaces(resource_type: str, region: str, path: Pointer) -> bool:
    """Whether a change at this path replaces the resource, or may."""
    return touches(path, list_create_only(resource_type, region))


def replaces_always(resource_type: str, region: str, path: Pointer) -> bool:
    """Whether it does so under all conditions."""
    return touches(path, _list_certain(resource_type, region))


def touches(path: Pointer, pointers: frozenset[Pointer]) -> bool:
    """Whether a change at this path changes what one of the schema's pointers names."""
    steps = tuple(step for step in path if not step.isdigit())
    for pointer in pointers:
        plain = tuple(step for step in pointer if step != "*")
        shorter = min(len(steps), len(plain))
        if steps[:shorter] == plain[:shorter]:
            return True
    return False


@cache
def _schema_root() -> Path:
    spec = find_spec("cfnlint")  # found, not imported: importing takes half a second
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "data" / "schemas"


@cache
def _load_index(region: str) -> dict[str, Any]:
    providers = _schema_root() / "providers"
    file = providers / f"{region}.json"
    if not file.exists():
        file = providers / f"{_FALLBACK_REGION}.json"
    index: dict[str, Any] = json.loads(file.read_bytes())
    return index
