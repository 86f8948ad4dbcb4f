"""A plan: what would change, computed from templates and from what is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fairway.bundle.artifact import Artifact
from fairway.compile.template import StackTemplate
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
    """A value that only applying will tell."""

    what: str

    def __str__(self) -> str:
        return f"(known after {self.what})"


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """One property, by its dotted path; None stands for absent."""

    path: str
    before: Any
    after: Any
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource, why, and the line that asked for it.

    keeps_old: whether the old one of a replaced resource stays in the account.
    """

    logical_id: str
    resource_type: str
    component: str
    action: Action
    place: Place | None = None
    properties: tuple[PropertyChange, ...] = ()
    physical_id: str | None = None
    keeps_old: bool = False


@dataclass(frozen=True)
class ObservedStack:
    """A stack as it is: its template, the values of its parameters and outputs."""

    name: str
    status: str
    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    physical_ids: Mapping[str, str]


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


@dataclass(frozen=True)
class Plan:
    """All that would happen to an application in one environment.

    compared: whether an endpoint was asked; otherwise everything counts as new.
    kept_tables: tables of an earlier deployment that stay as they are, beside new ones.
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

    @property
    def is_empty(self) -> bool:
        """Whether applying would change nothing."""
        return not any(stack.is_changed for stack in self.stacks)

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
