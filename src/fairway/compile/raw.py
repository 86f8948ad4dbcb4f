"""The escape hatch: raw CloudFormation resources of the file, merged last."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fairway.compile.draft import Draft
from fairway.compile.template import Origin
from fairway.define.source import Path_
from fairway.diagnostics import Diagnostic

# "Resources" of a template: logical ids are alphanumeric.
_LOGICAL_ID = re.compile(r"[A-Za-z0-9]{1,255}\Z")


def merge_resources(draft: Draft) -> None:
    """Overlay known resources key by key, add new ones to the app stack."""
    stacks = draft.stacks
    for logical_id, raw in draft.app.resources.items():
        owner = next((s for s in stacks if logical_id in s.resources), None)
        ours = owner.resources[logical_id] if owner else None
        problems = list(_check_resource(draft, logical_id, raw, ours))
        if problems:
            draft.problems += problems
        elif owner is None:
            draft.code.resources[logical_id] = raw
            draft.code.origins[logical_id] = Origin(logical_id, ("resources", logical_id), {})
        else:
            owner.resources[logical_id] = overlay_plain(owner.resources[logical_id], raw)


def overlay_plain(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two plain mappings merged key by key, the second winning."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = overlay_plain(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _check_resource(
    draft: Draft, logical_id: str, raw: Any, ours: Mapping[str, Any] | None
) -> Iterator[Diagnostic]:
    """What later stages rely on; whether the properties are right is cfn-lint's to say."""
    path: Path_ = ("resources", logical_id)
    place = draft.app.place(*path, of_key=True)
    if not _LOGICAL_ID.match(logical_id):
        yield Diagnostic(
            "bad-resource",
            f"'{logical_id}' cannot be the logical id of a resource",
            place,
            "use letters and digits only",
        )
    if not isinstance(raw, dict):
        yield Diagnostic(
            "bad-resource",
            f"the resource {logical_id} must be keys and values",
            place,
            "write it as in a CloudFormation template, with Type and Properties",
        )
        return
    kind = raw.get("Type", ours["Type"] if ours else None)
    if not isinstance(kind, str):
        known = ", ".join(sorted(draft.code.resources))
        yield Diagnostic(
            "bad-resource",
            f"the resource {logical_id} has no Type, and Fairway makes none of that name",
            place,
            f"add `Type:`, or name one of {known}",
        )
    elif ours and kind != ours["Type"]:
        yield Diagnostic(
            "resource-clash",
            f"the resource {logical_id} is an {ours['Type']} here and cannot become {kind}",
            draft.app.place(*path, "Type"),
            "choose another name for it",
        )
    if not isinstance(raw.get("Properties", {}), dict | None):
        yield Diagnostic(
            "bad-resource",
            f"the Properties of {logical_id} must be keys and values",
            draft.app.place(*path, "Properties"),
            "write properties below it, or leave it out",
        )
    yield from _check_functions(draft, raw, path)


_FORMS = {
    "Ref": "the logical id of a resource or parameter, as text",
    "Fn::GetAtt": "[LogicalId, Attribute], or LogicalId.Attribute as text",
    "Fn::Sub": "text, or [text, {Name: value}]",
}


def _check_functions(draft: Draft, value: Any, path: Path_) -> Iterator[Diagnostic]:
    """References that no stage could follow, and keys without a value, at their places."""
    if value is None:
        yield Diagnostic(
            "bad-resource",
            f"'{path[-1]}' of the resource {path[1]} holds nothing, which CloudFormation refuses",
            draft.app.place(*path, of_key=True),
            "write a value, or leave it out",
        )
    if isinstance(value, list):
        for position, item in enumerate(value):
            yield from _check_functions(draft, item, (*path, position))
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if key in _FORMS and not _is_formed(key, item):
            yield Diagnostic(
                "bad-resource",
                f"this {key} of the resource {path[1]} has the wrong form",
                draft.app.place(*path, key, of_key=True),
                f"write {_FORMS[key]}",
            )
        else:
            yield from _check_functions(draft, item, (*path, key))


def _is_formed(function: str, value: Any) -> bool:
    match function, value:
        case ("Ref", str()):
            return True
        case ("Fn::GetAtt", str()):
            return "." in value
        case ("Fn::GetAtt", [str(), _]):
            return True
        case ("Fn::Sub", str() | [str(), dict()]):
            return True
    return False
