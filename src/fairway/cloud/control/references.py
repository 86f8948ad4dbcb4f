"""What a template may not say before anything else is looked at: names that lead nowhere.

The messages are CloudFormation's own, for CreateStack, CreateChangeSet, UpdateStack
and ValidateTemplate alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

Template = dict[str, Any]

_SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion", "Conditions", "Description", "Hooks", "Mappings", "Metadata",
        "Outputs", "Parameters", "Resources", "Rules", "Transform",
    }
)  # fmt: skip
_MEMBERS = frozenset(
    {
        "Condition", "CreationPolicy", "DeletionPolicy", "DependsOn", "Metadata", "Properties",
        "Type", "UpdatePolicy", "UpdateReplacePolicy", "Version",
    }
)  # fmt: skip
_OPEN_TYPES = ("AWS::CloudFormation::", "Custom::", "AWS::ServiceCatalog::")
"""Types whose attributes only they know."""


def find_fault(template: Template, list_attributes: Callable[[str], frozenset[str] | None]) -> str:
    """The first fault as CloudFormation words it, or "" when there is none.

    list_attributes answers what Fn::GetAtt may name of a type; None when unknown.
    """
    if template.get("Transform"):  # a macro decides what the template says
        return ""
    for find in (_find_bad_member, _find_unresolved, _find_bad_condition, _find_circle):
        fault = find(template)
        if fault:
            return fault
    return _find_bad_attribute(template, list_attributes)


def _resources(template: Template) -> dict[str, dict[str, Any]]:
    found = template.get("Resources") or {}
    return {name: r for name, r in found.items() if isinstance(r, dict)}


def _find_bad_member(template: Template) -> str:
    if not template.get("Resources"):
        return "Template format error: At least one Resources member must be defined."
    unknown = sorted(set(template) - _SECTIONS)
    if unknown:
        return f"Invalid template property or properties [{', '.join(unknown)}]"
    for resource in _resources(template).values():
        for name in resource:
            if name not in _MEMBERS:
                return f"Invalid template resource property '{name}'"
    return ""


def _find_unresolved(template: Template) -> str:
    resources = _resources(template)
    known = set(resources) | set(template.get("Parameters") or {})
    missing: set[str] = set()
    for resource in resources.values():
        after = resource.get("DependsOn") or []
        missing |= set([after] if isinstance(after, str) else after) - set(resources)
        missing |= {r.name for r in list_references(resource.get("Properties")) if r.plain} - known
    missing = {name for name in missing if not name.startswith("AWS::")}
    if missing:
        return _word_unresolved(missing, "Resources")
    outputs = template.get("Outputs") or {}
    wanted = {r.name for r in list_references(outputs) if r.plain} - known
    wanted = {name for name in wanted if not name.startswith("AWS::")}
    return _word_unresolved(wanted, "Outputs") if wanted else ""


def _word_unresolved(names: set[str], section: str) -> str:
    return (
        f"Template format error: Unresolved resource dependencies [{', '.join(sorted(names))}] "
        f"in the {section} block of the template"
    )


def _find_bad_condition(template: Template) -> str:
    known = set(template.get("Conditions") or {})
    for section in ("Resources", "Outputs"):
        for item in (template.get(section) or {}).values():
            name = item.get("Condition") if isinstance(item, dict) else None
            if isinstance(name, str) and name not in known:
                return (
                    f"Template format error: Unresolved condition dependency {name} "
                    f"in the {section} block of the template"
                )
    return ""


def _find_circle(template: Template) -> str:
    """Resources that wait for each other, however many lie between them."""
    resources = _resources(template)
    waits = {name: _list_needs(r) & set(resources) for name, r in resources.items()}
    while free := {name for name, needs in waits.items() if not needs}:
        waits = {name: needs - free for name, needs in waits.items() if name not in free}
    # What only waits for the circle is no part of it: drop what nothing left waits for.
    while loose := set(waits) - set().union(*waits.values()):
        waits = {name: needs for name, needs in waits.items() if name not in loose}
    if waits:
        return f"Circular dependency between resources: [{', '.join(sorted(waits))}]"
    return ""


def _list_needs(resource: dict[str, Any]) -> set[str]:
    after = resource.get("DependsOn") or []
    named = {r.name for r in list_references(resource.get("Properties"))}
    return named | set([after] if isinstance(after, str) else after)


def _find_bad_attribute(
    template: Template, list_attributes: Callable[[str], frozenset[str] | None]
) -> str:
    resources = _resources(template)
    for section in (*resources.values(), template.get("Outputs") or {}):
        for reference in list_references(section):
            if reference.plain:
                continue
            if reference.name not in resources:
                return reference.word_undefined()
            kind = str(resources[reference.name].get("Type"))
            known = None if kind.startswith(_OPEN_TYPES) else list_attributes(kind)
            if known is not None and reference.attribute.split(".")[0] not in known:
                return (
                    f"Template error: resource {reference.name} does not support attribute type "
                    f"{reference.attribute} in Fn::GetAtt"
                )
    return ""


class Reference:
    """One use of another resource or parameter; attribute is "" for Ref and plain ${Name}."""

    def __init__(self, name: str, attribute: str = "", within: str = "Ref") -> None:
        self.name, self.attribute, self.within = name, attribute, within

    @property
    def plain(self) -> bool:
        """Whether the whole resource is meant, not an attribute of it."""
        return not self.attribute

    def word_undefined(self) -> str:
        """What CloudFormation says when there is no such resource."""
        if self.within == "Fn::Sub":
            return (
                "Template error: instance of Fn::Sub references invalid resource attribute "
                f"{self.name}.{self.attribute}"
            )
        return f"Template error: instance of Fn::GetAtt references undefined resource {self.name}"


def list_references(value: Any) -> Iterator[Reference]:
    """Every reference in a value, wherever it stands."""
    if isinstance(value, list):
        for item in value:
            yield from list_references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref" and isinstance(item, str):
                yield Reference(item)
            elif key == "Fn::GetAtt":
                yield from _read_attribute(item)
            elif key == "Fn::Sub":
                yield from _read_text(item)
            else:
                yield from list_references(item)


def _read_attribute(value: Any) -> Iterator[Reference]:
    parts = value.split(".", 1) if isinstance(value, str) else value
    if isinstance(parts, list) and len(parts) == 2 and all(isinstance(p, str) for p in parts):
        yield Reference(parts[0], parts[1], "Fn::GetAtt")


def _read_text(value: Any) -> Iterator[Reference]:
    text, bound = (value, {}) if isinstance(value, str) else (value[0], value[1])
    for name in re.findall(r"\$\{([^!][^}]*)\}", str(text)):
        whole, _, attribute = name.strip().partition(".")
        if name.strip() not in bound and whole not in bound and not name.startswith("AWS::"):
            yield Reference(whole, attribute, "Fn::Sub")
    yield from list_references(list(bound.values()))
