"""The application as later stages see it: one environment, every value typed."""

from __future__ import annotations

from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fairway.define import source
from fairway.define.file import Expect, Network
from fairway.define.spec import Component
from fairway.diagnostics import Place

FILE_NAME = "fairway.yml"
LOCAL = "local"

C = TypeVar("C", bound=Component)


@dataclass(frozen=True, eq=False)  # none is equal to another, so one can be looked up by itself
class App:
    """An application in one environment.

    root: the directory of fairway.yml. account: where it must go, when the file
    says so; profile, role: how it is reached.
    accept: findings of the scan that are meant to be, with the reason.
    approve: whether apply needs consent to a saved plan. expect: the use to
    compute costs for. workspace: the root's directory, of a service; service: its own name, while
    `name` has the root's before it. broken: components that could not be read; they are absent from
    `components`, and references to them are not errors of their own.
    """

    root: Path
    name: str
    environment: str
    owner: str
    region: str
    account: str | None
    network: Network | None
    encryption: str
    components: MappingType[str, Component]
    resources: MappingType[str, Any]
    tree: source.Mapping = field(repr=False)
    broken: frozenset[str] = frozenset()
    accept: MappingType[str, str] = field(default_factory=dict)
    approve: bool = False
    expect: Expect | None = None
    workspace: Path | None = None
    service: str = ""
    profile: str | None = None
    role: str | None = None

    def of_kind(self, model: type[C]) -> dict[str, C]:
        """The components of one kind, in the order of the file."""
        return {n: c for n, c in self.components.items() if isinstance(c, model)}

    def place(self, *path: source.Key, of_key: bool = False) -> Place:
        """Where a path of the file stands, after the environment's overlay."""
        return source.find_place(self.tree, path, of_key=of_key)

    @property
    def home(self) -> Path:
        """The directory whose `.fairway` holds what is not source: one for all services."""
        return self.workspace or self.root

    @property
    def prefix(self) -> str:
        """The stem of every stack's name."""
        return f"{self.name}-{self.environment}"
