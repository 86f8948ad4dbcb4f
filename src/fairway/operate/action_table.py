"""AWS's table of actions, as cfn-lint carries it: which resources each can be limited to.

It is the Service Authorization Reference, "Actions, resources, and condition keys".
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def list_resource_types(action: str) -> frozenset[str] | None:
    """The types of resources that an action takes; empty for `*` only, None for no such action."""
    service, _, name = action.partition(":")
    found = _read_table().get(service, {}).get("Actions", {}).get(name.lower())
    return None if found is None else frozenset(found.get("Resources", ()))


@cache
def _read_table() -> dict[str, Any]:
    spec = find_spec("cfnlint")  # found, not imported: importing takes half a second
    assert spec is not None
    assert spec.submodule_search_locations
    root = Path(spec.submodule_search_locations[0])
    table: dict[str, Any] = json.loads(
        (root / "data" / "AdditionalSpecs" / "Policies.json").read_bytes()
    )
    return table
