"""Routes: distinct, and in the form that their front takes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fairway.compile.components.load_balancer import list_rules
from fairway.define import App
from fairway.define.definition import nearest
from fairway.define.spec import Auth, Function, HttpApi, LoadBalancer
from fairway.define.values import parse_route
from fairway.diagnostics import Diagnostic, Place, Severity

# "Listener rules for your Application Load Balancer": path conditions.
_BALANCER_PATH = re.compile(r"[A-Za-z0-9_\-.$/~\"'@:+&*?]{1,128}\Z")
# "Quotas for your Application Load Balancers": rules of a listener, without the default one.
_MOST_RULES = 100
_PARAMETER = re.compile(r"\{[A-Za-z0-9._-]+\+?\}")


def check_routes(app: App) -> Iterator[Diagnostic]:
    """Every load balancer's and every HTTP API's routes."""
    for name, balancer in app.of_kind(LoadBalancer).items():
        yield from _check_balancer(app, name, balancer)
    for name, api in app.of_kind(HttpApi).items():
        yield from _check_api(app, name, api)


def _check_balancer(app: App, name: str, balancer: LoadBalancer) -> Iterator[Diagnostic]:
    for key in balancer.routes:
        _, path = parse_route(key)
        if not _BALANCER_PATH.match(path):
            hint = "use letters, digits, * and ?, at most 128 of them"
            if "{" in path:
                hint = "a load balancer has no path parameters; write * in its place"
            yield Diagnostic(
                "bad-route",
                f"a load balancer cannot match the path '{path}'",
                app.place("components", name, "routes", key, of_key=True),
                hint,
            )
    rules = len(list_rules(balancer))
    if rules > _MOST_RULES:
        yield Diagnostic(
            "too-many-routes",
            f"'{name}' needs {rules} rules, more than a listener's {_MOST_RULES}",
            app.place("components", name, "routes", of_key=True),
            "join routes with wildcards, or use an http-api",
        )


def _check_api(app: App, name: str, api: HttpApi) -> Iterator[Diagnostic]:
    if api.auth is not None:
        yield from _check_public(app, name, api, api.auth)
    seen: dict[tuple[str, str], str] = {}
    for key, target in api.routes.items():
        method, path = parse_route(key)
        place = app.place("components", name, "routes", key, of_key=True)
        yield from _check_api_path(path, key, place)
        alike = (method, _PARAMETER.sub("{}", path))
        if alike in seen:
            yield Diagnostic(
                "routes-alike",
                f"the routes '{seen[alike]}' and '{key}' match the same requests",
                place,
                "remove one of them",
            )
        seen.setdefault(alike, key)
        function = app.components.get(target)
        if isinstance(function, Function) and function.timeout > 30:
            yield Diagnostic(
                "slow-behind-api",
                f"'{target}' may run {function.timeout}s, but an HTTP API waits 30s at most",
                place,
                "lower its timeout, or use a load-balancer",
                Severity.WARNING,
            )


def _check_public(app: App, name: str, api: HttpApi, auth: Auth) -> Iterator[Diagnostic]:
    for index, key in enumerate(auth.public):
        if key not in api.routes:
            near = nearest(key, list(api.routes))
            hint = f"did you mean '{near}'?" if near else "write it as it stands under `routes`"
            yield Diagnostic(
                "unknown-route",
                f"'{key}' is not a route of '{name}', so it cannot be public",
                app.place("components", name, "auth", "public", index),
                hint,
            )
    if set(api.routes) <= set(auth.public):
        yield Diagnostic(
            "nothing-guarded",
            f"every route of '{name}' is public, so its tokens guard nothing",
            app.place("components", name, "auth", "public", of_key=True),
            "take routes off `public`, or remove `auth`",
        )


def _check_api_path(path: str, key: str, place: Place) -> Iterator[Diagnostic]:
    rest = _PARAMETER.sub("", path)
    greedy = [part for part in path.split("/") if part.endswith("+}")]
    hint = None
    if "*" in rest or "?" in rest:
        hint = "an HTTP API has no wildcards; write {name} or {name+} in their place"
    elif "{" in rest or "}" in rest:
        hint = "write a parameter as {name}, with letters, digits, dots and dashes"
    elif greedy and not path.endswith(greedy[0]):
        hint = "a {name+} parameter must come last"
    if hint:
        yield Diagnostic(
            "bad-route",
            f"an HTTP API cannot match the path of '{key}'",
            place,
            hint,
        )
