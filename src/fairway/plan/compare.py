"""Two templates, their parameters filled in -> the change of every resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fairway.compile.template import Origin, StackTemplate
from fairway.define import App
from fairway.plan.masking import mask_secrets
from fairway.plan.model import Action, Change, ObservedStack, PropertyChange, Unknown
from fairway.plan.reading import read_mappings, read_properties
from fairway.plan.schemas import Pointer, replaces, replaces_always

_MISSING = object()
_KEPT = ("Retain", "RetainExceptOnCreate")
# What a change set tells of beside properties ("ResourceChange", Scope), and the condition under
# which a resource is there at all. A change of Metadata alone does not touch the resource, but is
# an update of the stack, without which who reads it there, as cfn-init does, would not see it.
# DependsOn is the order of later operations: CloudFormation makes no update of it alone, so it goes
# with the next.
_ATTRIBUTES = (
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "Metadata",
    "UpdatePolicy",
    "UpdateReplacePolicy",
)
AFTER_APPLY = Unknown("apply")


def compare_stack(
    app: App | None,
    template: StackTemplate,
    observed: ObservedStack | None,
    parameters: Mapping[str, str | Unknown],
    region: str,
) -> tuple[Change, ...]:
    """The change of each resource, in the template's order, deletions last."""
    before = observed.template.get("Resources", {}) if observed else {}
    old_values = dict(observed.parameters) if observed else {}
    after = {
        logical_id: mask_secrets(fill_parameters(body, parameters))
        for logical_id, body in template.resources.items()
    }
    # Most resources of most plans are as they were, under the same parameters.
    same = dict(parameters) == old_values
    changes: dict[str, Change] = {}
    for logical_id, body in after.items():
        old = before.get(logical_id)
        if same and old == template.resources[logical_id]:
            old = body
        elif old is not None:
            old = mask_secrets(fill_parameters(old, old_values))
        if old is not None and observed and logical_id in observed.codes:
            old = _tell_code(old, observed.codes[logical_id])
        changes[logical_id] = _compare_resource(
            logical_id, old, body, template.origins.get(logical_id), app, observed, region
        )
    _spread_replacements(changes, after, template.origins, app, region)
    removed = [i for i in before if i not in after]
    gone = tuple(remove_resource(i, before[i], observed) for i in removed)
    return (*changes.values(), *gone)


def _tell_code(body: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A function with the archive that it runs, where its stack says another."""
    properties = read_properties(body)
    code = {**properties.get("Code", {}), "S3Key": key}
    return {**body, "Properties": {**properties, "Code": code}}


def remove_resource(
    logical_id: str, body: Mapping[str, Any], observed: ObservedStack | None
) -> Change:
    """The change of a resource that leaves its stack."""
    kept = body.get("DeletionPolicy") in _KEPT
    values = dict(observed.parameters) if observed else {}
    return Change(
        logical_id,
        body["Type"],
        find_component(body),
        Action.KEEP if kept else Action.DELETE,
        physical_id=observed.physical_ids.get(logical_id) if observed else None,
        before=mask_secrets(fill_parameters(body, values)),
    )


def fill_parameters(value: Any, parameters: Mapping[str, str | Unknown]) -> Any:
    """The value with each Ref to a parameter replaced by what the parameter holds."""
    if isinstance(value, dict):
        name = value.get("Ref")
        if len(value) == 1 and isinstance(name, str) and name in parameters:
            found = parameters[name]
            return Unknown(found.what, name) if isinstance(found, Unknown) else found
        # Most values are text: not to be called for each of them takes half of the time.
        return {
            key: item if isinstance(item, str) else fill_parameters(item, parameters)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            item if isinstance(item, str) else fill_parameters(item, parameters) for item in value
        ]
    return value


def find_references(value: Any) -> set[str]:
    """Logical ids that a value refers to."""
    if isinstance(value, list):
        return {name for item in value for name in find_references(item)}
    if not isinstance(value, dict):
        return set()
    found: set[str] = set()
    for key, item in value.items():
        match key, item:
            case "Ref", str():
                found.add(item)
            case "Fn::GetAtt", [str(name), *_]:
                found.add(name)
            case "Fn::GetAtt", str():
                found.add(item.split(".")[0])
            case "Fn::Sub", str():
                found |= _find_names(item)
            case "Fn::Sub", [str(text), values]:
                found |= _find_names(text) | find_references(values)
            case _:
                found |= find_references(item)
    return found


def _find_names(text: str) -> set[str]:
    return {part.split("}")[0].split(".")[0] for part in text.split("${")[1:]}


def _compare_resource(
    logical_id: str,
    old: dict[str, Any] | None,
    new: dict[str, Any],
    origin: Origin | None,
    app: App | None,
    observed: ObservedStack | None,
    region: str,
) -> Change:
    kind = new["Type"]
    physical_id = observed.physical_ids.get(logical_id) if observed else None
    change = Change(
        logical_id,
        kind,
        origin.component if origin else find_component(new) or logical_id,
        Action.CREATE,
        _place(app, origin, None),
        physical_id=physical_id if old is not None else None,
        before=old,
        after=new,
    )
    if old is None:
        return change
    if old["Type"] != kind:
        differences = [PropertyChange("Type", old["Type"], kind, replaces=True)]
    else:
        differences = _compare_properties(old, new, app, origin, region)
    replaced = any(item.replaces for item in differences)
    updated = Action.UPDATE if differences else Action.NONE
    return replace(
        change,
        action=Action.REPLACE if replaced else updated,
        place=next((item.place for item in differences if item.place), change.place),
        properties=tuple(differences),
        keeps_old=replaced and _keeps(new),
    )


def _compare_properties(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    app: App | None,
    origin: Origin | None,
    region: str,
) -> list[PropertyChange]:
    kind = new["Type"]
    differences = [
        PropertyChange(
            ".".join(path),
            before,
            after,
            replaces(kind, region, path),
            replaces_always(kind, region, path) or not replaces(kind, region, path),
            _place(app, origin, path[0] if path else None),
        )
        for path, before, after in diff_values(_properties(old), _properties(new))
    ]
    attributes = [
        PropertyChange(".".join(path), before, after)
        for name in _ATTRIBUTES
        for path, before, after in diff_values(old.get(name), new.get(name), (name,))
    ]
    return differences + attributes


def _keeps(body: Mapping[str, Any]) -> bool:
    return body.get("UpdateReplacePolicy") == "Retain"


def _properties(body: Mapping[str, Any]) -> Any:
    return body.get("Properties") or {}


def diff_values(old: Any, new: Any, path: Pointer = ()) -> Iterator[tuple[Pointer, Any, Any]]:
    """The paths at which two plain values differ, with both sides; None stands for absent."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            left, right = old.get(key, _MISSING), new.get(key, _MISSING)
            if left is _MISSING or right is _MISSING:
                gone = None if left is _MISSING else left
                come = None if right is _MISSING else right
                yield (*path, key), gone, come
            else:
                yield from diff_values(left, right, (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for position, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from diff_values(left, right, (*path, str(position)))
    elif isinstance(old, list) and isinstance(new, list):
        # Of another length: what left and what came, rather than everything after the first.
        gone = [item for item in old if item not in new]
        come = [item for item in new if item not in old]
        yield from ((path, item, None) for item in gone)
        yield from ((path, None, item) for item in come)
        if not gone and not come:
            yield path, old, new
    else:
        yield path, old, new


def _spread_replacements(
    changes: dict[str, Change],
    after: Mapping[str, Any],
    origins: Mapping[str, Origin],
    app: App | None,
    region: str,
) -> None:
    """What refers to a replaced resource changes too, and may be replaced in its turn."""
    settled = False
    while not settled:
        settled = True
        moving = {i for i, change in changes.items() if change.action is Action.REPLACE}
        if not moving:
            return
        for logical_id, body in after.items():
            change = changes[logical_id]
            if change.action in (Action.CREATE, Action.REPLACE):
                continue
            known = {p.path for p in change.properties}
            found = [
                PropertyChange(
                    name,
                    "the replaced resource",
                    AFTER_APPLY,
                    replaces(body["Type"], region, (name,)),
                    place=_place(app, origins.get(logical_id), name),
                )
                for name, value in read_properties(body).items()
                if name not in known and find_references(value) & moving
            ]
            if not found:
                continue
            settled = False
            replaced = any(p.replaces for p in found)
            changes[logical_id] = replace(
                change,
                action=Action.REPLACE if replaced else Action.UPDATE,
                place=found[0].place,
                properties=(*change.properties, *found),
                keeps_old=replaced and _keeps(body),
            )


def _place(app: App | None, origin: Origin | None, property_name: str | None) -> Any:
    if app is None or origin is None:
        return None
    path = origin.properties.get(property_name or "", origin.path)
    return app.place(*path, of_key=True)


def find_component(body: Mapping[str, Any]) -> str:
    """The component that a deployed resource belongs to, by its tag; empty without one."""
    tags = read_properties(body).get("Tags")
    if isinstance(tags, dict) and isinstance(tags.get("Component"), str):
        return str(tags["Component"])
    for tag in read_mappings(tags):
        if tag.get("Key") == "Component" and isinstance(tag.get("Value"), str):
            return str(tag["Value"])
    return ""
