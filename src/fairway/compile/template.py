"""What compile returns: CloudFormation templates that know where they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fairway.bundle.artifact import Architecture
from fairway.define.source import Path_

Layer = Literal["artifacts", "network", "data", "app"]

Properties = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StackOutput:
    """The parameter takes the value of another stack's output."""

    stack: str
    output: str


@dataclass(frozen=True, slots=True)
class ArtifactBucket:
    """The parameter takes the name of the bucket that holds artifacts."""


@dataclass(frozen=True, slots=True)
class ArtifactKey:
    """The parameter takes the object key of a source's archive."""

    source: str


@dataclass(frozen=True, slots=True)
class PrefixList:
    """The parameter takes the id of AWS's prefix list of a service in the region."""

    service: str


ParameterSource = StackOutput | ArtifactBucket | ArtifactKey | PrefixList


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a resource came from in fairway.yml.

    component: its name, or the layer's for what no component owns. path: the
    key that asked for it. properties: paths of single top-level properties.
    """

    component: str
    path: Path_
    properties: Mapping[str, Path_]


@dataclass(frozen=True, slots=True)
class CodeSource:
    """A source directory as the templates name it; functions that agree share one."""

    name: str
    directory: str
    runtime: str
    architecture: Architecture


@dataclass(frozen=True)
class StackTemplate:
    """One stack: its full name, its template, and where its parameters come from."""

    name: str
    layer: Layer
    template: Mapping[str, Any]
    parameters: Mapping[str, ParameterSource]
    origins: Mapping[str, Origin]
    tags: Mapping[str, str]

    @property
    def resources(self) -> Mapping[str, Any]:
        """Logical id to resource."""
        resources: Mapping[str, Any] = self.template["Resources"]
        return resources

    @property
    def needs(self) -> frozenset[str]:
        """Names of the stacks whose outputs this one takes."""
        sources = self.parameters.values()
        return frozenset(s.stack for s in sources if isinstance(s, StackOutput))

    def to_json(self, *, indent: int | None = None) -> str:
        """The template as canonical JSON: same input, same bytes."""
        return dump_canonical(self.template, indent=indent)

    @property
    def digest(self) -> str:
        """sha256 of the canonical JSON, in hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


@dataclass(frozen=True)
class Templates:
    """All stacks of a service in one environment, each after those it needs."""

    stacks: tuple[StackTemplate, ...]
    sources: tuple[CodeSource, ...]


def dump_canonical(value: Any, *, indent: int | None = None) -> str:
    """JSON with sorted keys, and no white space unless indented for a reader."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, sort_keys=True, separators=separators, indent=indent)


def ref(logical_id: str) -> dict[str, str]:
    """The Ref intrinsic."""
    return {"Ref": logical_id}


def get_att(logical_id: str, attribute: str) -> dict[str, list[str]]:
    """The Fn::GetAtt intrinsic."""
    return {"Fn::GetAtt": [logical_id, attribute]}


def sub(text: str, **values: Any) -> dict[str, Any]:
    """The Fn::Sub intrinsic; `values` are its local names."""
    return {"Fn::Sub": [text, values] if values else text}


def policy(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """An IAM policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions: list[str], resource: Any, **more: Any) -> dict[str, Any]:
    """An Allow statement of an identity policy."""
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def trust(service: str, **more: Any) -> dict[str, Any]:
    """The trust policy of a role that one AWS service takes on."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return policy({**statement, **more})
