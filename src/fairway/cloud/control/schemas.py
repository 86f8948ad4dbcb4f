"""AWS's resource schemas, as the package of cfn-lint carries them: plain files, read singly."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_FALLBACK_REGION = "us-east-1"


@cache
def load_schema(kind: str, region: str) -> dict[str, Any] | None:
    """The schema of a resource type in a region; None when AWS publishes none."""
    root = _find_root()
    digest = _load_index(root, region).get(kind)
    if not isinstance(digest, str):
        return None
    schema: dict[str, Any] = json.loads((root / "resources" / f"{digest}.json").read_bytes())
    return schema


@cache
def _load_index(root: Path, region: str) -> dict[str, Any]:
    file = root / "providers" / f"{region}.json"
    if not file.exists():
        file = root / "providers" / f"{_FALLBACK_REGION}.json"
    index: dict[str, Any] = json.loads(file.read_bytes())
    return index


@cache
def _find_root() -> Path:
    spec = find_spec("cfnlint")  # found, not imported: importing takes half a second
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the resource schemas of cfn-lint are not installed")
    return Path(spec.submodule_search_locations[0]) / "data" / "schemas"
