"""A plan: what would change, computed from templates and from what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fairway.bundle.artifact import Artifact
from fairway.compile.template import ArtifactKey, StackTemplate
from fairway.define.file import Expect
from fairway.diagnostics import Place


class Action(StrEnum):
    """What happens to one resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    KEEP = "keep"  # leaves the stack, stays in the account
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that only applying will tell; name: of the parameter that will hold it."""

    what: str
    name: str = ""

    def __str__(self) -> str:
        return f"(known after {self.what})"


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """One property, by its dotted path; None stands for absent, secrets are wrapped.

    certain: whether AWS always replaces the resource for it, or judges by more than the
    template tells. place: the line of fairway.yml behind it.
    """

    path: str
    before: Any
    after: Any
    replaces: bool = False
    certain: bool = True
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource, why, and the line that asked for it.

    keeps_old: whether the old one of a replaced resource stays in the account. before, after:
    the resource in the template, parameters filled in and secrets wrapped; None for none.
    """

    logical_id: str
    resource_type: str
    component: str
    action: Action
    place: Place | None = None
    properties: tuple[PropertyChange, ...] = ()
    physical_id: str | None = None
    keeps_old: bool = False
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ObservedStack:
    """A stack as it is: its template, the values of its parameters and outputs.

    changed_at: when, in CloudFormation's words; empty where that is not known. codes: of
    functions that were given code directly, the key of the archive that they run, whatever the
    stack's parameters say.
    """

    name: str
    status: str
    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    physical_ids: Mapping[str, str]
    changed_at: str = ""
    codes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StackPlan:
    """One stack's changes.

    template: None when the stack is deleted. observed: None when there is none.
    parameters: values as far as they are known.
    """

    name: str
    template: StackTemplate | None
    observed: ObservedStack | None
    parameters: Mapping[str, str | Unknown]
    changes: tuple[Change, ...]

    @property
    def is_changed(self) -> bool:
        """Whether applying would do anything to this stack."""
        acts = any(change.action is not Action.NONE for change in self.changes)
        return acts or self.outputs_changed

    @property
    def outputs_changed(self) -> bool:
        """Whether only what is handed on changes."""
        if self.template is None or self.observed is None:
            return False
        wanted, there = self.template.template, self.observed.template
        return bool(wanted.get("Outputs", {}) != there.get("Outputs", {}))

    @property
    def lags(self) -> bool:
        """Whether CloudFormation does not know yet what code functions were given directly."""
        if self.template is None or self.observed is None or not self.observed.codes:
            return False
        given = self.observed.parameters
        return any(given.get(name) != self.parameters[name] for name in self.archive_parameters)

    @property
    def archive_parameters(self) -> frozenset[str]:
        """Names of the parameters that name archives of code."""
        sources = self.template.parameters if self.template else {}
        return frozenset(name for name, s in sources.items() if isinstance(s, ArtifactKey))


@dataclass(frozen=True, slots=True)
class CodeChange:
    """A function that is given its code directly, and not by its stack.

    function: its name in Lambda. before, after: keys of archives in the artifact bucket.
    """

    stack: str
    logical_id: str
    component: str
    function: str
    before: str
    after: str
    place: Place | None = None


@dataclass(frozen=True)
class Drift:
    """A resource that is not what its template says: somebody changed it, or removed it.

    properties: before is what the template says, after what is there.
    """

    stack: str
    logical_id: str
    resource_type: str
    is_gone: bool
    properties: tuple[PropertyChange, ...] = ()
    place: Place | None = None


@dataclass(frozen=True)
class Forecast:
    """What CloudFormation said of one stack's changes.

    differences: from the plan, in sentences. not_asked: why it could not be asked.
    """

    stack: str
    differences: tuple[str, ...] = ()
    not_asked: str | None = None


@dataclass(frozen=True)
class Plan:
    """All that would happen to an application in one environment.

    compared: whether an endpoint was asked. against: what else it was compared with, in words;
    empty for nothing, and everything counts as new. expect: the use that costs are computed
    for. file_digest: sha256 of fairway.yml, in hex; empty when the plan is not to be saved.
    drift, forecasts: None when they were not asked for.
    kept_tables: tables of an earlier deployment that stay as they are, beside new ones.
    short_way: the functions that are given their code directly, which then is all that is done;
    empty where stacks are applied. full: whether those are wanted also for code alone.
    """

    app: str
    environment: str
    region: str
    account: str | None
    stacks: tuple[StackPlan, ...]
    artifacts: tuple[Artifact, ...]
    compared: bool
    destroys: bool = False
    kept_tables: tuple[str, ...] = ()
    expect: Expect | None = None
    against: str = ""
    file_digest: str = ""
    drift: tuple[Drift, ...] | None = None
    forecasts: tuple[Forecast, ...] | None = None
    short_way: tuple[CodeChange, ...] = ()
    full: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether applying would change nothing."""
        return not any(s.is_changed or (self.full and s.lags) for s in self.stacks)

    def changes(self) -> Iterator[tuple[StackPlan, Change]]:
        """Every change of every stack."""
        for stack in self.stacks:
            for change in stack.changes:
                yield stack, change

    def count(self) -> dict[Action, int]:
        """How many resources each action concerns."""
        counts = dict.fromkeys(Action, 0)
        for _, change in self.changes():
            counts[change.action] += 1
        return counts
