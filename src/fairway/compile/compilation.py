"""App -> Templates: one pass over the components, then the raw resources merged last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairway.compile.artifacts import compile_artifacts
from fairway.compile.components.function import compile_function
from fairway.compile.components.http_api import compile_http_api
from fairway.compile.components.load_balancer import compile_load_balancer
from fairway.compile.components.network import compile_network
from fairway.compile.components.table import compile_table
from fairway.compile.draft import Draft, start_draft
from fairway.compile.raw import merge_resources
from fairway.compile.template import Templates
from fairway.define import App
from fairway.define.spec import Component, Function, HttpApi, LoadBalancer, Table
from fairway.diagnostics import Diagnostic
from fairway.errors import InvalidApplication

# "AWS CloudFormation quotas": resources in a template.
MOST_RESOURCES = 500

# In this order: a kind may refer to resources of the kinds before it.
COMPILERS: dict[type[Component], Callable[[str, Any, Draft], None]] = {
    Table: compile_table,
    Function: compile_function,
    LoadBalancer: compile_load_balancer,
    HttpApi: compile_http_api,
}


def compile_app(app: App) -> Templates:
    """The templates of an application that check has passed.

    Raises InvalidApplication when two components need the same resource, a raw
    resource clashes with one of ours, or a stack outgrows CloudFormation.
    """
    draft = start_draft(app)
    compile_network(draft)
    for model, compile_component in COMPILERS.items():
        for name, component in app.of_kind(model).items():
            compile_component(name, component, draft)
    merge_resources(draft)
    for stack in (draft.network, draft.data, draft.code):
        stack.check_names()
        if len(stack.resources) > MOST_RESOURCES:
            draft.problems.append(
                Diagnostic(
                    "too-many-resources",
                    f"the {stack.layer} stack would hold {len(stack.resources)} resources, more "
                    f"than CloudFormation's {MOST_RESOURCES}",
                    app.place("components", of_key=True),
                    "split the application in two",
                )
            )
    if draft.problems:
        raise InvalidApplication(draft.problems)
    ours = (draft.network, draft.data, draft.code)
    finished = [s.finish(f"{app.prefix}: {s.layer}") for s in ours if s.resources]
    sources = tuple(draft.sources[name] for name in sorted(draft.sources))
    return Templates((compile_artifacts(), *finished), sources)
