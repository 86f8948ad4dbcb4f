"""fairway.yml + the name of an environment -> App, and every problem on the way."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fairway.define import source
from fairway.define.app import FILE_NAME, LOCAL, App
from fairway.define.spec import KINDS, Component, File, Network
from fairway.diagnostics import Diagnostic
from fairway.errors import InvalidApplication

OVERLAID = ("components", "network", "resources")


@dataclass(frozen=True)
class Definition:
    """What could be read: `app` is None only when the file as a whole could not be."""

    app: App | None
    diagnostics: tuple[Diagnostic, ...]

    def require_app(self) -> App:
        """The application, or every problem as one error."""
        if self.app is None or any(d.is_error for d in self.diagnostics):
            raise InvalidApplication(list(self.diagnostics))
        return self.app


def define_app(directory: Path, environment: str = LOCAL) -> Definition:
    """Read the application in `directory` as `environment` sees it."""
    file = directory / FILE_NAME
    tree, problems = source.read_source(file)
    if tree is None:
        return Definition(None, tuple(problems))
    problems += _check_file(tree)
    known = _environment_names(tree)
    if environment not in known:
        problems.append(_unknown_environment(tree, environment, known))
    merged = _apply_overlay(tree, environment)
    components, broken = _read_components(merged, problems)
    network = _read_network(merged, problems)
    plain = source.to_plain(merged)
    app = App(
        root=directory,
        name=_text(plain.get("app"), "app"),
        environment=environment,
        owner=_text(plain.get("owner"), "unknown"),
        region=_text(_own(merged, environment, "region") or plain.get("region"), "us-east-1"),
        account=_own(merged, environment, "account"),
        network=network,
        encryption=_text(plain.get("encryption"), "customer-key"),
        components=components,
        resources=plain.get("resources") or {},
        tree=merged,
        broken=frozenset(broken),
    )
    return Definition(app, tuple(problems))


def list_environments(directory: Path) -> list[str]:
    """The environments that the file names, `local` first; empty when it cannot be read."""
    tree, _ = source.read_source(directory / FILE_NAME)
    return _environment_names(tree) if tree else []


def _text(value: Any, default: str) -> str:
    return value if isinstance(value, str) else default


def _own(tree: source.Mapping, environment: str, key: str) -> str | None:
    """What the environment itself says of a key that is not overlaid."""
    node = _child(_child(_child(tree, "environments"), environment), key)
    value = source.to_plain(node) if node else None
    return value if isinstance(value, str) else None


def _child(node: source.Node | None, key: str) -> source.Node | None:
    if isinstance(node, source.Mapping) and key in node.entries:
        return node.entries[key].value
    return None


def _environment_names(tree: source.Mapping) -> list[str]:
    node = _child(tree, "environments")
    names = list(node.entries) if isinstance(node, source.Mapping) else []
    return [LOCAL, *(name for name in names if name != LOCAL)]


def _unknown_environment(tree: source.Mapping, name: str, known: list[str]) -> Diagnostic:
    near = nearest(name, known)
    hint = f"did you mean '{near}'?" if near else f"add `{name}: {{}}` under `environments`"
    return Diagnostic(
        "unknown-environment",
        f"there is no environment '{name}'; the file has {', '.join(known)}",
        source.find_place(tree, ("environments",), of_key=True),
        hint,
    )


def _apply_overlay(tree: source.Mapping, environment: str) -> source.Mapping:
    """The tree with the environment's components, network and resources merged in."""
    own = _child(_child(tree, "environments"), environment)
    if not isinstance(own, source.Mapping):
        return tree
    wanted = {k: e for k, e in own.entries.items() if k in OVERLAID}
    return source.overlay(tree, source.Mapping(wanted, own.place))


def _check_file(tree: source.Mapping) -> list[Diagnostic]:
    try:
        File.model_validate(source.to_plain(tree))
    except ValidationError as error:
        return [_explain(tree, (), File, detail, "") for detail in error.errors()]
    return []


def _read_components(
    tree: source.Mapping, problems: list[Diagnostic]
) -> tuple[dict[str, Component], set[str]]:
    node = _child(tree, "components")
    components: dict[str, Component] = {}
    broken: set[str] = set()
    if not isinstance(node, source.Mapping):
        return components, broken
    for name, entry in node.entries.items():
        found = _read_component(tree, name, entry, problems)
        if found is None:
            broken.add(name)
        else:
            components[name] = found
    return components, broken


def _read_component(
    tree: source.Mapping, name: str, entry: source.Entry, problems: list[Diagnostic]
) -> Component | None:
    if not isinstance(entry.value, source.Mapping):
        return None  # the file's own check has said so
    kind_node = _child(entry.value, "type")
    if kind_node is None:
        problems.append(
            Diagnostic(
                "missing-key",
                f"component '{name}' does not say its type",
                entry.place,
                f"add `type:` with one of {', '.join(KINDS)}",
            )
        )
        return None
    kind = source.to_plain(kind_node)
    model = KINDS.get(kind) if isinstance(kind, str) else None
    if model is None:
        near = nearest(kind, KINDS)
        problems.append(
            Diagnostic(
                "unknown-type",
                f"component '{name}' has the unknown type '{kind}'",
                kind_node.place,
                f"did you mean '{near}'?" if near else f"use one of {', '.join(KINDS)}",
            )
        )
        return None
    try:
        return model.model_validate(source.to_plain(entry.value))
    except ValidationError as error:
        subject = f" of component '{name}'"
        problems += [
            _explain(tree, ("components", name), model, detail, subject)
            for detail in error.errors()
        ]
        return None


def _read_network(tree: source.Mapping, problems: list[Diagnostic]) -> Network | None:
    node = _child(tree, "network")
    if node is None or source.to_plain(node) is None:
        return None
    try:
        return Network.model_validate(source.to_plain(node))
    except ValidationError as error:
        known = set(problems)
        explained = [_explain(tree, ("network",), Network, d, "") for d in error.errors()]
        problems += [d for d in explained if d not in known]
        return None


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if one is close."""
    matches = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "list_type": "a list",
}
_FOUND = {str: "text", bool: "true or false", int: "a number", float: "a number", dict: "a mapping"}


def _explain(
    tree: source.Mapping,
    prefix: source.Path_,
    model: type[Any],
    detail: ErrorDetails,
    subject: str,
) -> Diagnostic:
    """One of pydantic's findings in our words, at its place in the file."""
    path = (*prefix, *_strip_branches(tree, prefix, detail["loc"]))
    key = str(path[-1]) if path else ""
    code, value = detail["type"], detail["input"]
    place = source.find_place(tree, path, of_key=code == "extra_forbidden")
    context = detail.get("ctx", {})
    if code.startswith("fairway-"):
        return Diagnostic(code[8:], f"{context['text']}", place, context["hint"])
    if code == "extra_forbidden":
        return _explain_unknown_key(tree, path, model, key, subject)
    if code == "missing":
        place = source.find_place(tree, path[:-1], of_key=True)
        return Diagnostic("missing-key", f"'{key}' is missing{subject}", place, f"add `{key}:`")
    if code == "literal_error":
        expected = str(context["expected"]).replace(" or ", ", ")
        words = [w.strip(" '") for w in expected.split(",")]
        near = nearest(value, words)
        return Diagnostic(
            "bad-value",
            f"'{key}'{subject} cannot be {_show(value)}",
            place,
            f"did you mean '{near}'?" if near else f"use one of {', '.join(words)}",
        )
    if code in _EXPECTED:
        found = "nothing" if value is None else _FOUND.get(type(value), "a list")
        expected = _EXPECTED[code]
        hint = (
            f'put it in quotes: "{value}"'
            if expected == "text" and not isinstance(value, dict | list) and value is not None
            else f"write {expected}"
        )
        return Diagnostic(
            "wrong-type", f"'{key}'{subject} must be {expected}, not {found}", place, hint
        )
    if code == "string_pattern_mismatch":
        return Diagnostic(
            "bad-value",
            f"'{key}'{subject} cannot be {_show(value)}",
            place,
            _PATTERN_HINTS.get(key, f"it must match {context.get('pattern')}"),
        )
    return Diagnostic("bad-value", f"'{key}'{subject}: {detail['msg'].lower()}", place)


_PATTERN_HINTS = {
    "handler": "write `module.function`, like `app.handler` for `def handler` in app.py",
    "health_check": "write a path that starts with a slash, like /health",
    "region": "write a region's code, like eu-west-1",
    "certificate": "write the ARN of a certificate in AWS Certificate Manager",
    "vpc": "write the id of a VPC, like vpc-0a1b2c3d",
}


def _explain_unknown_key(
    tree: source.Mapping, path: source.Path_, model: type[Any], key: str, subject: str
) -> Diagnostic:
    known = list(_fields_at(model, path, tree))
    near = nearest(key, known)
    hint = f"did you mean '{near}'?" if near else f"known here: {', '.join(known)}"
    where = subject or (f" in '{path[-2]}'" if len(path) > 1 else "")
    place = source.find_place(tree, path, of_key=True)
    return Diagnostic("unknown-key", f"'{key}' is not a key{where}", place, hint)


def _fields_at(model: type[Any], path: source.Path_, tree: source.Mapping) -> Iterable[str]:
    """The fields of the model that holds the last step of the path."""
    steps = path[:-1]
    if path and path[0] == "components":
        steps = path[2:-1]
    elif path and path[0] == "network" and model is Network:
        steps = path[1:-1]
    for step in steps:
        model = _nested_model(model, str(step)) or model
    return list(model.model_fields)


def _nested_model(model: type[Any], step: str) -> type[Any] | None:
    field = model.model_fields.get(step)
    if field is None:
        return None
    candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
    candidates += [b for a in candidates for b in getattr(a, "__args__", ())]
    return next((c for c in candidates if isinstance(c, type) and hasattr(c, "model_fields")), None)


def _strip_branches(
    tree: source.Mapping, prefix: source.Path_, loc: tuple[int | str, ...]
) -> source.Path_:
    """Pydantic's location without the marks it adds for keys and union branches."""
    steps: list[source.Key] = []
    for position, step in enumerate(loc):
        if step == "[key]":
            continue
        later = position < len(loc) - 1 or position > 0
        if later and isinstance(step, str) and step in ("str", "KeyAttribute"):
            continue
        steps.append(step)
    return tuple(steps)


def _show(value: Any) -> str:
    text = f"'{value}'" if isinstance(value, str) else str(value).lower()
    return text if len(text) <= 60 else text[:57] + "..."
