"""What runs: stacks, addresses, functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairway.aws import Aws
from fairway.compile.draft import to_logical
from fairway.define import App
from fairway.define.spec import Function, HttpApi, LoadBalancer
from fairway.plan import ObservedStack
from fairway.plan.observe import find_stacks, observe_stacks


@dataclass(frozen=True)
class Status:
    """An application in one environment. stacks: name to CloudFormation's status."""

    app: str
    environment: str
    region: str
    stacks: Mapping[str, str]
    urls: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_deployed(self) -> bool:
        """Whether anything is there."""
        return bool(self.stacks)


def read_status(app: App, aws: Aws) -> Status:
    """Ask CloudFormation what is there; outputs tell addresses and names."""
    return tell_status(app, observe_stacks(aws, find_stacks(aws, app)))


def tell_status(app: App, observed: Mapping[str, ObservedStack]) -> Status:
    """What an application's stacks tell, as they were observed."""
    outputs = {k: v for stack in observed.values() for k, v in stack.outputs.items()}
    fronts = [*app.of_kind(LoadBalancer), *app.of_kind(HttpApi)]
    return Status(
        app.name,
        app.environment,
        app.region,
        {stack.name: stack.status for stack in observed.values()},
        _pick(outputs, fronts, "Url"),
        _pick(outputs, list(app.of_kind(Function)), "Function"),
    )


def _pick(outputs: Mapping[str, str], names: list[str], suffix: str) -> dict[str, str]:
    found = {name: outputs.get(f"{to_logical(name)}{suffix}") for name in names}
    return {name: value for name, value in found.items() if value}
