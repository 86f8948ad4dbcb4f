"""App -> Templates: one pass over the components, then the raw resources merged last."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairway.compile.artifacts import compile_artifacts
from fairway.compile.components.function import compile_function
from fairway.compile.components.http_api import compile_http_api
from fairway.compile.components.load_balancer import compile_load_balancer
from fairway.compile.components.network import compile_network
from fairway.compile.components.table import compile_table
from fairway.compile.draft import Draft, start_draft
from fairway.compile.template import Origin, Templates
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
    _merge_resources(draft)
    for stack in (draft.network, draft.data, draft.code):
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


def _merge_resources(draft: Draft) -> None:
    """The escape hatch: overlay known resources key by key, add new ones to the app stack."""
    stacks = (draft.network, draft.data, draft.code)
    for logical_id, raw in draft.app.resources.items():
        place = draft.app.place("resources", logical_id, of_key=True)
        owner = next((s for s in stacks if logical_id in s.resources), None)
        if not isinstance(raw, dict):
            draft.problems.append(
                Diagnostic(
                    "bad-resource",
                    f"the resource {logical_id} must be keys and values",
                    place,
                    "write it as in a CloudFormation template, with Type and Properties",
                )
            )
        elif owner is None and not isinstance(raw.get("Type"), str):
            known = ", ".join(sorted(draft.code.resources))
            draft.problems.append(
                Diagnostic(
                    "bad-resource",
                    f"the resource {logical_id} has no Type, and Fairway makes none of that name",
                    place,
                    f"add `Type:`, or name one of {known}",
                )
            )
        elif owner is None:
            origin = Origin(logical_id, ("resources", logical_id), {})
            draft.code.resources[logical_id] = raw
            draft.code.origins[logical_id] = origin
        else:
            _overlay_resource(draft, owner.resources, logical_id, raw)


def _overlay_resource(
    draft: Draft, resources: dict[str, Any], logical_id: str, raw: dict[str, Any]
) -> None:
    ours = resources[logical_id]
    if raw.get("Type", ours["Type"]) != ours["Type"]:
        draft.problems.append(
            Diagnostic(
                "resource-clash",
                f"the resource {logical_id} is a {ours['Type']} here and cannot become a "
                f"{raw['Type']}",
                draft.app.place("resources", logical_id, "Type"),
                "choose another name for it",
            )
        )
        return
    resources[logical_id] = overlay_plain(ours, raw)


def overlay_plain(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two plain mappings merged key by key, the second winning."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = overlay_plain(old, value) if both else value  # type: ignore[arg-type]
    return merged
