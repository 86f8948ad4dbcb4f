"""Which stack a function lives in: the first with room, and for good once it is deployed.

A stack takes 500 resources. What routes requests, and what is raw, stays in the app stack; a
function moves with all that belongs to it alone. Where a function is deployed is an input, so
that nothing which exists ever moves: see docs/decisions/0012-splitting-stacks.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fairway.define import App
from fairway.define.spec import Function, HttpApi, LoadBalancer, Table
from fairway.define.values import parse_route

Placement = Mapping[str, int]
"""A function's name to the number of its stack; 1 is the app stack itself."""


@dataclass(frozen=True, slots=True)
class Load:
    """What counts against "AWS CloudFormation quotas": in a stack of code, and in that of data.

    taken: names that stand for parameters, which functions of one stack may share.
    """

    resources: int = 0
    data_resources: int = 0
    outputs: int = 0
    taken: frozenset[str] = frozenset()

    def __add__(self, other: Load) -> Load:
        return Load(
            self.resources + other.resources,
            self.data_resources + other.data_resources,
            self.outputs + other.outputs,
            self.taken | other.taken,
        )

    @property
    def fits(self) -> bool:
        """Whether a stack has room for it."""
        resources = max(self.resources, self.data_resources)
        return resources <= MOST_RESOURCES and max(self.outputs, len(self.taken)) <= MOST_NAMES


# Less than CloudFormation takes (500 resources, 200 parameters and outputs): what is deployed
# must be able to grow where it is, by a route or a link.
MOST_RESOURCES = 400
MOST_NAMES = 150


def place_functions(app: App, deployed: Placement | None = None) -> dict[str, int]:
    """Each function's stack. deployed: where those that exist are; they stay there."""
    deployed = deployed or {}
    functions = app.of_kind(Function)
    routes = _count_routes(app)
    loads = {name: weigh_function(app, name, routes[name]) for name in functions}
    empty = _weigh_shared(app)
    used: dict[int, Load] = {1: empty + _weigh_rest(app)}
    placed: dict[str, int] = {}

    def put(name: str, number: int) -> None:
        placed[name] = number
        used[number] = used.get(number, empty) + loads[name]

    for name in functions:
        if name in deployed:
            put(name, deployed[name])
    for name in functions:
        if name not in placed:
            number = 1
            while number in used and not (used[number] + loads[name]).fits:
                number += 1
            put(name, number)
    return placed


@dataclass
class Routes:
    """How many listeners, rules and HTTP APIs lead to one function."""

    balancers: int = 0
    rules: int = 0
    apis: int = 0


def weigh_function(app: App, name: str, routes: Routes) -> Load:
    """At most what a function and all that belongs to it alone add to a stack."""
    function = app.components[name]
    assert isinstance(function, Function)
    in_network = int(app.network is not None)
    return Load(
        # Function, role and group; permission for each front; target group, two rules of groups.
        2 + in_network + routes.apis + routes.balancers * (2 + 2 * in_network) + routes.rules,
        1,
        1,
        # Its archive; name and ARN of what it is linked to.
        frozenset({name_source(function)}).union(
            *({f"{target} name", f"{target} arn"} for target in function.uses)
        ),
    )


def _weigh_shared(app: App) -> Load:
    """What every one of the stacks takes: bucket, dead letters, key, network, fronts."""
    count = 8 + 2 * len(app.of_kind(LoadBalancer)) + len(app.of_kind(HttpApi))
    return Load(taken=frozenset(f"shared {number}" for number in range(count)))


def _weigh_rest(app: App) -> Load:
    """At most what the app and data stacks hold beside functions."""
    balancers, apis = len(app.of_kind(LoadBalancer)), len(app.of_kind(HttpApi))
    tables = len(app.of_kind(Table))
    return Load(
        balancers * 4 + apis * 3 + len(app.resources),
        tables + balancers * 2 + apis + 3,
        balancers * 3 + apis * 2,
        frozenset(f"{name} bucket" for name in app.of_kind(LoadBalancer)),
    )


def _count_routes(app: App) -> dict[str, Routes]:
    counts = {name: Routes() for name in app.of_kind(Function)}
    for api in app.of_kind(HttpApi).values():
        for target in set(api.routes.values()) & counts.keys():
            counts[target].apis += 1
    for balancer in app.of_kind(LoadBalancer).values():
        for target in set(balancer.routes.values()) & counts.keys():
            counts[target].balancers += 1
        for key, target in balancer.routes.items():
            if target in counts:
                counts[target].rules += 1 + (parse_route(key)[0] == "ANY")
    return counts


def name_source(function: Function) -> str:
    """A stable name for what the function's archive is made from, one for each directory."""
    directory = re.sub(r"[^a-z0-9]+", "-", function.source.lower()).strip("-") or "root"
    if directory != function.source:  # my-code, my_code and my/code must not share an archive
        directory += f"-{hashlib.sha256(function.source.encode()).hexdigest()[:8]}"
    return f"{directory}-{function.runtime}-{function.architecture}".replace(".", "")
