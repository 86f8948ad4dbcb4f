"""App -> Templates: one pass over the components, then the raw resources merged last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from fairway.compile.artifacts import compile_artifacts
from fairway.compile.components.function import compile_function
from fairway.compile.components.http_api import compile_http_api
from fairway.compile.components.load_balancer import compile_load_balancer
from fairway.compile.components.network import compile_network
from fairway.compile.components.table import compile_table
from fairway.compile.draft import Draft, StackDraft, start_draft
from fairway.compile.placement import Placement, place_functions
from fairway.compile.raw import merge_resources
from fairway.compile.template import Templates, dump_canonical
from fairway.define import App
from fairway.define.spec import Component, Function, HttpApi, LoadBalancer, Table
from fairway.diagnostics import Diagnostic
from fairway.errors import InvalidApplication

# "AWS CloudFormation quotas", of a template: resources, parameters, outputs, and its size in
# an S3 object, bytes.
MOST_RESOURCES = 500
MOST_PARAMETERS = 200
MOST_OUTPUTS = 200
LARGEST_TEMPLATE = 1_000_000

# In this order: a kind may refer to resources of the kinds before it.
COMPILERS: dict[type[Component], Callable[[str, Any, Draft], None]] = {
    Table: compile_table,
    Function: compile_function,
    LoadBalancer: compile_load_balancer,
    HttpApi: compile_http_api,
}


def compile_app(app: App, deployed: Placement | None = None) -> Templates:
    """The templates of an application that check has passed.

    deployed: the stacks that existing functions live in, where they stay. Raises
    InvalidApplication when two components need the same resource, a raw resource
    clashes with one of ours, or a stack outgrows CloudFormation.
    """
    placement = place_functions(app, deployed)
    known = _COMPILED.get(app)
    if known is None or known[0] != placement:
        known = _COMPILED[app] = placement, _compile(app, placement)
    return known[1]


# Check compiles, and then the plan does, mostly for the same placement.
_COMPILED: WeakKeyDictionary[App, tuple[Placement, Templates]] = WeakKeyDictionary()


def _compile(app: App, placement: Placement) -> Templates:
    draft = start_draft(app, placement)
    compile_network(draft)
    for model, compile_component in COMPILERS.items():
        for name, component in app.of_kind(model).items():
            compile_component(name, component, draft)
    merge_resources(draft)
    stacks = [stack for stack in draft.stacks if stack.resources]
    for stack in stacks:
        stack.check_names()
        draft.problems += _check_quotas(app, stack)
    if draft.problems:
        raise InvalidApplication(draft.problems)
    finished = [stack.finish() for stack in stacks]
    sources = tuple(draft.sources[name] for name in sorted(draft.sources))
    return Templates((compile_artifacts(), *finished), sources)


def _check_quotas(app: App, stack: StackDraft) -> Iterator[Diagnostic]:
    """What no splitting helped against: functions move to other stacks, the rest does not."""
    fix = "split the application in two: each has stacks of its own"
    place = app.place("components", of_key=True)
    counts = (
        ("resources", len(stack.resources), MOST_RESOURCES),
        ("parameters", len(stack.parameters), MOST_PARAMETERS),
        ("outputs", len(stack.outputs), MOST_OUTPUTS),
    )
    for what, count, most in counts:
        if count > most:
            yield Diagnostic(
                "too-many-resources",
                f"the stack {stack.name} would hold {count} {what}, more than CloudFormation's "
                f"{most}",
                place,
                fix,
            )
    if len(stack.resources) > MOST_RESOURCES // 10:  # less cannot come near it
        size = len(dump_canonical(stack.finish().template))
        if size > LARGEST_TEMPLATE:
            yield Diagnostic(
                "too-many-resources",
                f"the template of {stack.name} would have {size:,} bytes, more than "
                f"CloudFormation's {LARGEST_TEMPLATE:,}",
                place,
                fix,
            )
