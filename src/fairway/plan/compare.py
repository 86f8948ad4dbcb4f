"""Two templates, their parameters filled in -> the change of every resource."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairway.compile.template import Origin, StackTemplate
from fairway.define import App
from fairway.plan.model import Action, Change, ObservedStack, PropertyChange, Unknown
from fairway.plan.schemas import Pointer, replaces

_MISSING = object()
_KEPT = ("Retain", "RetainExceptOnCreate")
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
        logical_id: fill_parameters(body, parameters)
        for logical_id, body in template.resources.items()
    }
    changes: dict[str, Change] = {}
    for logical_id, body in after.items():
        old = before.get(logical_id)
        old = fill_parameters(old, old_values) if old is not None else None
        changes[logical_id] = _compare_resource(
            logical_id, old, body, template.origins.get(logical_id), app, observed, region
        )
    _spread_replacements(changes, after, template.origins, app, region)
    removed = [i for i in before if i not in after]
    gone = tuple(remove_resource(i, before[i], observed) for i in removed)
    return (*changes.values(), *gone)


def remove_resource(
    logical_id: str, body: Mapping[str, Any], observed: ObservedStack | None
) -> Change:
    """The change of a resource that leaves its stack."""
    kept = body.get("DeletionPolicy") in _KEPT
    return Change(
        logical_id,
        body["Type"],
        _tagged_component(body),
        Action.KEEP if kept else Action.DELETE,
        physical_id=observed.physical_ids.get(logical_id) if observed else None,
    )


def fill_parameters(value: Any, parameters: Mapping[str, str | Unknown]) -> Any:
    """The value with each Ref to a parameter replaced by what the parameter holds."""
    if isinstance(value, dict):
        if value.keys() == {"Ref"} and value["Ref"] in parameters:
            return parameters[value["Ref"]]
        return {key: fill_parameters(item, parameters) for key, item in value.items()}
    if isinstance(value, list):
        return [fill_parameters(item, parameters) for item in value]
    return value


def find_references(value: Any) -> set[str]:
    """Logical ids that a value refers to."""
    found: set[str] = set()
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref":
                found.add(item)
            elif key == "Fn::GetAtt":
                found.add(item[0] if isinstance(item, list) else item.split(".")[0])
            elif key == "Fn::Sub":
                text, values = (item, {}) if isinstance(item, str) else (item[0], item[1])
                found |= {part.split("}")[0].split(".")[0] for part in text.split("${")[1:]}
                found |= find_references(values)
            else:
                found |= find_references(item)
    elif isinstance(value, list):
        for item in value:
            found |= find_references(item)
    return found


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
    component = origin.component if origin else logical_id
    place = _place(app, origin, None)
    if old is None:
        return Change(logical_id, kind, component, Action.CREATE, place)
    physical_id = observed.physical_ids.get(logical_id) if observed else None
    if old["Type"] != kind:
        change = PropertyChange("Type", old["Type"], kind, replaces=True)
        return Change(
            logical_id, kind, component, Action.REPLACE, place, (change,), physical_id, _keeps(new)
        )
    differences = tuple(
        PropertyChange(".".join(path), before, after, replaces(kind, region, path))
        for path, before, after in diff_values(old.get("Properties", {}), new.get("Properties", {}))
    )
    attributes = tuple(
        PropertyChange(name, old.get(name), new.get(name))
        for name in ("DeletionPolicy", "UpdateReplacePolicy")
        if old.get(name) != new.get(name)
    )
    action = Action.NONE
    if any(change.replaces for change in differences):
        action = Action.REPLACE
    elif differences or attributes:
        action = Action.UPDATE
    if differences:
        place = _place(app, origin, differences[0].path.split(".")[0])
    return Change(
        logical_id,
        kind,
        component,
        action,
        place,
        (*differences, *attributes),
        physical_id,
        action is Action.REPLACE and _keeps(new),
    )


def _keeps(body: Mapping[str, Any]) -> bool:
    return body.get("UpdateReplacePolicy") == "Retain"


def diff_values(old: Any, new: Any, path: Pointer = ()) -> Iterator[tuple[Pointer, Any, Any]]:
    """The paths at which two plain values differ, with both sides; None stands for absent."""
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
    elif old != new:
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
                )
                for name, value in body.get("Properties", {}).items()
                if name not in known and find_references(value) & moving
            ]
            if not found:
                continue
            settled = False
            replaced = any(p.replaces for p in found)
            changes[logical_id] = Change(
                logical_id,
                change.resource_type,
                change.component,
                Action.REPLACE if replaced else Action.UPDATE,
                _place(app, origins.get(logical_id), found[0].path),
                (*change.properties, *found),
                change.physical_id,
                replaced and _keeps(body),
            )


def _place(app: App | None, origin: Origin | None, property_name: str | None) -> Any:
    if app is None or origin is None:
        return None
    path = origin.properties.get(property_name or "", origin.path)
    return app.place(*path, of_key=True)


def _tagged_component(body: Mapping[str, Any]) -> str:
    tags = body.get("Properties", {}).get("Tags", [])
    if isinstance(tags, dict):
        return str(tags.get("Component", ""))
    for tag in tags:
        if isinstance(tag, dict) and tag.get("Key") == "Component":
            return str(tag.get("Value", ""))
    return ""
