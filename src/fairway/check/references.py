"""References between components: they lead somewhere, mean something, and not in a circle."""

from __future__ import annotations

from collections.abc import Iterator

from fairway.compile.links import LINKS, find_access, name_variable
from fairway.define import App
from fairway.define.definition import nearest
from fairway.define.spec import Component, Function, HttpApi, LoadBalancer
from fairway.diagnostics import Diagnostic, Place, Severity


def check_references(app: App) -> Iterator[Diagnostic]:
    """Links and routes name components that exist and can be linked or routed to."""
    for name, function in app.of_kind(Function).items():
        for target, access in function.uses.items():
            yield from _check_link(app, name, target, access)
            yield from _check_reach(app, name, target)
    fronts: dict[str, LoadBalancer | HttpApi] = {
        **app.of_kind(LoadBalancer),
        **app.of_kind(HttpApi),
    }
    for name, front in fronts.items():
        for key, target in front.routes.items():
            yield from _check_route_target(app, name, key, target)
    yield from _check_cycles(app)
    yield from _check_variables(app)


def _check_link(app: App, name: str, target: str, access: str) -> Iterator[Diagnostic]:
    place = app.place("components", name, "uses", target, of_key=True)
    component = app.components.get(target)
    if component is None:
        if target not in app.broken:
            yield _unknown(app, f"'{name}' uses '{target}'", target, place)
        return
    if find_access(component, access) is None:
        known = LINKS.get(component.kind)
        value_place = app.place("components", name, "uses", target)
        if not known:
            yield Diagnostic(
                "bad-link",
                f"'{name}' uses '{target}', but {_article(component.kind)} cannot be used",
                place,
                "remove the link",
            )
            return
        near = nearest(access, known)
        yield Diagnostic(
            "bad-access",
            f"'{access}' is not an access to the {component.kind} '{target}'",
            value_place,
            f"did you mean '{near}'?" if near else f"use one of {', '.join(known)}",
        )


def _check_reach(app: App, name: str, target: str) -> Iterator[Diagnostic]:
    """An existing network gets no endpoints of ours: it must reach Lambda's API by itself."""
    existing = app.network is not None and app.network.existing is not None
    if existing and isinstance(app.components.get(target), Function):
        yield Diagnostic(
            "unreachable-link",
            f"'{name}' calls '{target}' from an existing network, and needs a way to Lambda's API",
            app.place("components", name, "uses", target, of_key=True),
            "see that the network has an interface endpoint for Lambda, or a NAT gateway",
            Severity.WARNING,
        )


def _check_route_target(app: App, name: str, key: str, target: str) -> Iterator[Diagnostic]:
    place = app.place("components", name, "routes", key)
    component = app.components.get(target)
    if component is None:
        if target not in app.broken:
            yield _unknown(app, f"the route '{key}' leads to '{target}'", target, place)
    elif not isinstance(component, Function):
        yield Diagnostic(
            "bad-route-target",
            f"the route '{key}' leads to '{target}', {_article(component.kind)}",
            place,
            "lead it to a function",
        )


def _article(kind: str) -> str:
    return f"an {kind}" if kind.startswith("http") else f"a {kind}"


def _unknown(app: App, what: str, target: str, place: Place) -> Diagnostic:
    near = nearest(target, app.components)
    hint = f"did you mean '{near}'?" if near else f"add `{target}:` under `components`"
    return Diagnostic(
        "unknown-component",
        f"{what}, which is not a component",
        place,
        hint,
    )


def _check_cycles(app: App) -> Iterator[Diagnostic]:
    """Each circle of links once, told at the link that closes it."""
    links = {
        name: [t for t in f.uses if isinstance(app.components.get(t), Function)]
        for name, f in app.of_kind(Function).items()
    }
    done: set[str] = set()
    for start in links:
        yield from _walk(app, links, start, [], done)


def _walk(
    app: App, links: dict[str, list[str]], name: str, trail: list[str], done: set[str]
) -> Iterator[Diagnostic]:
    if name in done:
        return
    trail.append(name)
    for target in links[name]:
        if target in trail:
            circle = " -> ".join([*trail[trail.index(target) :], target])
            yield Diagnostic(
                "cycle",
                f"the links go in a circle: {circle}",
                app.place("components", name, "uses", target, of_key=True),
                "remove one of them, or put a queue between",
            )
        else:
            yield from _walk(app, links, target, trail, done)
    trail.pop()
    done.add(name)


def _check_variables(app: App) -> Iterator[Diagnostic]:
    for name, function in app.of_kind(Function).items():
        for target, access_name in function.uses.items():
            component: Component | None = app.components.get(target)
            access = find_access(component, access_name) if component else None
            if access and (variable := name_variable(target, access)) in function.variables:
                yield Diagnostic(
                    "variable-clash",
                    f"'{name}' sets {variable}, which its link to '{target}' sets too",
                    app.place("components", name, "variables", variable, of_key=True),
                    "rename the variable",
                )
