"""Values of templates by the form that is expected, whatever form they have.

Raw resources and stacks that others made hold anything, intrinsic functions above all. Of
`Fn::If` both branches count: a review tells what may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CHOICE = "Fn::If"
_MAPPING = (dict, Mapping)  # in this order: whether a dict is a Mapping takes eight times as long


def read_list(value: Any) -> list[Any]:
    """The items of a list, or one value as a list of it; nothing for None."""
    if isinstance(value, list):
        return [item for entry in value for item in _read_branches(entry)]
    return _read_branches(value)


def read_mapping(value: Any) -> Mapping[str, Any]:
    """A mapping, of a choice its first one, and an empty one for everything else."""
    if isinstance(value, _MAPPING) and _CHOICE not in value:
        return value
    return next((item for item in _read_branches(value) if isinstance(item, _MAPPING)), {})


def read_mappings(value: Any) -> list[Mapping[str, Any]]:
    """Those items of a list, or of one value, that are mappings."""
    return [item for item in read_list(value) if isinstance(item, _MAPPING)]


def read_properties(body: Any) -> Mapping[str, Any]:
    """The properties of a resource."""
    return read_mapping(read_mapping(body).get("Properties"))


def read_number(value: Any, default: int) -> int:
    """A whole number, which templates may also hold as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return default
    try:
        return int(value)
    except ValueError:
        return default


def _read_branches(value: Any) -> list[Any]:
    if isinstance(value, _MAPPING) and value.keys() == {_CHOICE}:
        branches = value[_CHOICE]
        chosen = branches[1:] if isinstance(branches, list) else []
        return [item for branch in chosen for item in read_list(branch)]
    return [] if value is None else [value]
