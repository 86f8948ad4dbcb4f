"""The templates while they are being written."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fairway.compile.placement import Placement
from fairway.compile.tags import tag_properties
from fairway.compile.template import (
    CodeSource,
    Layer,
    Origin,
    ParameterSource,
    Properties,
    StackOutput,
    StackTemplate,
    ref,
)
from fairway.define import App
from fairway.define.source import Path_
from fairway.define.spec import Function
from fairway.diagnostics import Diagnostic

LIST_TYPE = "CommaDelimitedList"
LAYERS: tuple[Layer, ...] = ("network", "data", "app")  # each may need those before it
# "Lambda quotas" and API reference, CreateFunction: the longest name of a function.
_LONGEST_NAME = 64


def name_stack(app: App, layer: Layer, number: int = 1) -> str:
    """The full name of one of an application's stacks; those after the first are numbered."""
    return f"{app.prefix}-{layer}" + (f"-{number}" if number > 1 else "")


def name_stacks(app: App) -> list[str]:
    """The full names of the first stacks of an application, each after those it needs."""
    return [name_stack(app, layer) for layer in LAYERS]


def match_stack(app: App, name: str) -> tuple[Layer, int] | None:
    """The layer and number of an application's stack by its full name; None for any other's."""
    layer_name, _, digits = name.removeprefix(f"{app.prefix}-").partition("-")
    layer = next((layer for layer in LAYERS if layer == layer_name), None)
    number = int(digits) if digits.isdecimal() and len(digits) < 5 else 1
    known = layer is not None and name == name_stack(app, layer, number)
    return (layer, number) if layer and known else None


def find_deployed(app: App, templates: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """The number of the stack that holds each function, by the templates that are deployed."""
    found: dict[str, int] = {}
    stems = {to_logical(name): name for name in app.of_kind(Function)}
    for stack, template in templates.items():
        matched = match_stack(app, stack)
        if matched is None or matched[0] != "app":
            continue
        for logical_id, body in template.get("Resources", {}).items():
            if logical_id in stems and body.get("Type") == "AWS::Lambda::Function":
                found[stems[logical_id]] = matched[1]
    return found


def to_logical(name: str) -> str:
    """A component's name as the stem of its logical ids: my-api -> MyApi."""
    return "".join(part.capitalize() for part in name.split("-"))


@dataclass
class StackDraft:
    """One stack under construction; those of a layer are numbered from 1."""

    app: App
    layer: Layer
    tags: Mapping[str, str]
    problems: list[Diagnostic]
    number: int = 1
    resources: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, ParameterSource] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The stack's full name."""
        return name_stack(self.app, self.layer, self.number)

    def add(
        self,
        logical_id: str,
        kind: str,
        properties: Properties,
        origin: Origin,
        **attributes: Any,
    ) -> str:
        """Add a resource, tagged; `attributes` are DependsOn, DeletionPolicy and the like."""
        if logical_id in self.resources:
            other = self.origins[logical_id]
            self.problems.append(
                Diagnostic(
                    "name-clash",
                    f"'{origin.component}' and '{other.component}' both need a resource "
                    f"named {logical_id}",
                    self.app.place(*origin.path, of_key=True),
                    f"rename '{origin.component}'",
                )
            )
            return logical_id
        tags = {**self.tags, "Component": origin.component}
        body = {"Type": kind, "Properties": tag_properties(kind, properties, tags), **attributes}
        self.resources[logical_id] = body
        self.origins[logical_id] = origin
        return logical_id

    def give(self, output: str, value: Any, description: str) -> None:
        """Add an output."""
        self.outputs[output] = {"Value": value, "Description": description}

    def take(self, name: str, source: ParameterSource, kind: str = "String") -> dict[str, str]:
        """Reference a parameter, declaring it the first time."""
        self.parameters[name] = source
        self.types[name] = kind
        return ref(name)

    def check_names(self) -> None:
        """Resources and parameters share one space of names in a template."""
        for name in sorted(self.resources.keys() & self.types.keys()):
            origin = self.origins[name]
            self.problems.append(
                Diagnostic(
                    "name-clash",
                    f"'{origin.component}' needs a resource named {name}, which is the name of a "
                    f"parameter of the {self.layer} stack",
                    self.app.place(*origin.path, of_key=True),
                    f"rename '{origin.component}'",
                )
            )

    def finish(self) -> StackTemplate:
        """The finished template."""
        description = f"{self.app.prefix}: {self.layer}"
        if self.number > 1:
            description += f", part {self.number}"
        template: dict[str, Any] = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Description": description,
            "Resources": self.resources,
        }
        if self.types:
            template["Parameters"] = {name: {"Type": kind} for name, kind in self.types.items()}
        if self.outputs:
            template["Outputs"] = self.outputs
        return StackTemplate(
            self.name, self.layer, template, self.parameters, self.origins, self.tags
        )


@dataclass
class Draft:
    """The stacks of a service under construction, and the code they need.

    data and code: the first of their layers; `more` are the others, by layer and number.
    placement: the number of the stack that each function lives in.
    """

    app: App
    network: StackDraft
    data: StackDraft
    code: StackDraft
    placement: Placement
    problems: list[Diagnostic] = field(default_factory=list)
    sources: dict[str, CodeSource] = field(default_factory=dict)
    more: dict[tuple[Layer, int], StackDraft] = field(default_factory=dict)

    @property
    def stacks(self) -> list[StackDraft]:
        """All stacks, each after those it needs."""
        more = sorted(self.more.values(), key=lambda stack: stack.number)
        data = [stack for stack in more if stack.layer == "data"]
        code = [stack for stack in more if stack.layer == "app"]
        return [self.network, self.data, *data, self.code, *code]

    def code_of(self, function: str) -> StackDraft:
        """The stack that a function lives in."""
        return self._number(self.code, self.placement.get(function, 1))

    def data_of(self, function: str) -> StackDraft:
        """The stack that a function's log group lives in."""
        return self._number(self.data, self.placement.get(function, 1))

    def _number(self, first: StackDraft, number: int) -> StackDraft:
        if number == 1:
            return first
        key = (first.layer, number)
        if key not in self.more:
            self.more[key] = StackDraft(first.app, first.layer, first.tags, self.problems, number)
        return self.more[key]

    def name_function(self, function: str) -> str | None:
        """A function's name, where the file decides it: not in the app stack.

        A stack that is not the function's own can name it then, without taking a parameter,
        so that stacks of functions which call each other need not wait for each other.
        """
        if self.placement.get(function, 1) == 1:
            return None
        name = f"{self.app.prefix}-{function}"
        if len(name) > _LONGEST_NAME:
            name = f"{name[: _LONGEST_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        return name

    def share(
        self,
        giver: StackDraft,
        taker: StackDraft,
        name: str,
        value: Any,
        description: str,
        kind: str = "String",
    ) -> dict[str, str]:
        """Hand a value of one stack on to a later one as a parameter; in the same, the value."""
        if giver is taker:
            return value  # type: ignore[no-any-return]
        handed = {"Fn::Join": [",", value]} if kind == LIST_TYPE else value
        giver.give(name, handed, description)
        return taker.take(name, StackOutput(giver.name, name), kind)


def start_draft(app: App, placement: Placement) -> Draft:
    """Empty stacks, named for the application and the environment."""
    tags = {"App": app.name, "Environment": app.environment, "Owner": app.owner}
    problems: list[Diagnostic] = []

    def start(layer: Layer) -> StackDraft:
        return StackDraft(app, layer, tags, problems)

    return Draft(app, start("network"), start("data"), start("app"), placement, problems)


def origin_of(name: str, properties: Mapping[str, str] | None = None, *steps: str) -> Origin:
    """A component's origin; `properties` maps CloudFormation's names to keys of the component."""
    path: Path_ = ("components", name)
    known = {p: (*path, key) for p, key in (properties or {}).items()}
    return Origin(name, (*path, *steps), known)
