"""The templates while they are being written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
from fairway.diagnostics import Diagnostic

LIST_TYPE = "CommaDelimitedList"
LAYERS: tuple[Layer, ...] = ("network", "data", "app")  # each may need those before it


def name_stack(app: App, layer: Layer) -> str:
    """The full name of one of an application's stacks."""
    return f"{app.prefix}-{layer}"


def name_stacks(app: App) -> list[str]:
    """The full names of all stacks that an application may have, each after those it needs."""
    return [name_stack(app, layer) for layer in LAYERS]


def to_logical(name: str) -> str:
    """A component's name as the stem of its logical ids: my-api -> MyApi."""
    return "".join(part.capitalize() for part in name.split("-"))


@dataclass
class StackDraft:
    """One stack under construction."""

    app: App
    layer: Layer
    tags: Mapping[str, str]
    problems: list[Diagnostic]
    resources: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, ParameterSource] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The stack's full name."""
        return name_stack(self.app, self.layer)

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

    def finish(self, description: str) -> StackTemplate:
        """The finished template."""
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
    """The three stacks of a service under construction, and the code they need."""

    app: App
    network: StackDraft
    data: StackDraft
    code: StackDraft
    problems: list[Diagnostic] = field(default_factory=list)
    sources: dict[str, CodeSource] = field(default_factory=dict)

    def share(
        self,
        giver: StackDraft,
        taker: StackDraft,
        name: str,
        value: Any,
        description: str,
        kind: str = "String",
    ) -> dict[str, str]:
        """Hand a value of one stack on to a later one as a parameter."""
        handed = {"Fn::Join": [",", value]} if kind == LIST_TYPE else value
        giver.give(name, handed, description)
        return taker.take(name, StackOutput(giver.name, name), kind)


def start_draft(app: App) -> Draft:
    """Three empty stacks, named for the application and the environment."""
    tags = {"App": app.name, "Environment": app.environment, "Owner": app.owner}
    problems: list[Diagnostic] = []

    def start(layer: Layer) -> StackDraft:
        return StackDraft(app, layer, tags, problems)

    return Draft(app, start("network"), start("data"), start("app"), problems)


def origin_of(name: str, properties: Mapping[str, str] | None = None, *steps: str) -> Origin:
    """A component's origin; `properties` maps CloudFormation's names to keys of the component."""
    path: Path_ = ("components", name)
    known = {p: (*path, key) for p, key in (properties or {}).items()}
    return Origin(name, (*path, *steps), known)
