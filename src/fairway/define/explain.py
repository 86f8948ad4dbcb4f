"""Pydantic's findings in our words: what was found, what was wanted, what to write."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import ErrorDetails

from fairway.define import source
from fairway.define.file import Network
from fairway.define.spec import BRANCHES, KINDS
from fairway.diagnostics import Diagnostic, Place


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if one is close."""
    import difflib

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
_FOUND = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a fraction",
    dict: "a mapping",
}


@dataclass(frozen=True)
class _Finding:
    """One of pydantic's findings, at its place: `key` of `subject` is `value`."""

    code: str
    key: str
    subject: str
    value: Any
    place: Place
    bounds: Mapping[str, Any]  # what pydantic says that the value had to keep to

    def say(self, says: str) -> str:
        """Whom it is about, and what is wrong with it."""
        return f"'{self.key}'{self.subject} {says}"


def explain_error(
    tree: source.Mapping,
    prefix: source.Path_,
    model: type[Any],
    detail: ErrorDetails,
    subject: str,
) -> Diagnostic:
    """One of pydantic's findings in our words, at its place in the file."""
    path = (*prefix, *find_steps(detail["loc"]))
    # An entry of a list has no name of its own.
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    code, context = detail["type"], detail.get("ctx", {})
    if code == "dict_type" and key == "uses" and isinstance(detail["input"], list):
        return _explain_listed_links(tree, path, subject, detail["input"])
    of_key = code == "extra_forbidden" or "[key]" in detail["loc"]
    place = source.find_place(tree, path, of_key=of_key)
    if code.startswith("fairway-"):
        return Diagnostic(code[8:], f"{context['text']}", place, context["hint"])
    if code == "extra_forbidden":
        return _explain_unknown_key(tree, path, model, key, subject)
    if code == "missing":
        inside = subject.replace(" of ", " in ", 1)
        place = source.find_place(tree, path[:-1], of_key=True)
        return Diagnostic("missing-key", f"'{key}' is missing{inside}", place, f"add `{key}:`")
    finding = _Finding(code, key, subject, detail["input"], place, context)
    explain = next((found for codes, found in _EXPLAINED if code in codes), None)
    if explain is not None:
        return explain(finding)
    summary = finding.say(f"cannot be {show(finding.value)}: {detail['msg'].lower()}")
    return Diagnostic("bad-value", summary, place, "see the reference of the file")


def _explain_listed_links(
    tree: source.Mapping, path: source.Path_, subject: str, listed: list[Any]
) -> Diagnostic:
    """Components that are only named: what a link allows is never a default."""
    parts = source.to_plain(tree).get("components")
    kinds = parts if isinstance(parts, dict) else {}
    links = [f"{name}: {_show_access(kinds.get(name))}" for name in map(str, listed)]
    return Diagnostic(
        "wrong-type",
        f"'uses'{subject} must say for each component what it may do there",
        source.find_place(tree, path),
        f"write `uses: {{{', '.join(links)}}}`" if links else "write `uses: {rows: read-write}`",
    )


def _show_access(component: Any) -> str:
    is_function = isinstance(component, dict) and component.get("type") == "function"
    return "invoke" if is_function else "read-write"


def _explain_choice(finding: _Finding) -> Diagnostic:
    value = finding.value
    expected = str(finding.bounds["expected"]).replace(" or ", ", ")
    words = [w.strip(" '") for w in expected.split(",")]
    near = nearest(value, words)
    hint = f"did you mean '{near}'?" if near else f"use one of {', '.join(words)}"
    if str(value) in words and not isinstance(value, str):
        hint = f'put it in quotes: "{value}"'
    return Diagnostic("bad-value", finding.say(f"cannot be {show(value)}"), finding.place, hint)


def _explain_type(finding: _Finding) -> Diagnostic:
    value, expected = finding.value, _EXPECTED[finding.code]
    found = "nothing" if value is None else _FOUND.get(type(value), "a list")
    hint = f"write {expected}"
    if expected == "text" and not isinstance(value, dict | list) and value is not None:
        hint = f'put it in quotes: "{show(value)}"'
    summary = finding.say(f"must be {expected}, not {found}")
    return Diagnostic("wrong-type", summary, finding.place, hint)


def _explain_pattern(finding: _Finding) -> Diagnostic:
    hint = _PATTERN_HINTS.get(finding.key, f"it must match {finding.bounds.get('pattern')}")
    summary = finding.say(f"cannot be {show(finding.value)}")
    return Diagnostic("bad-value", summary, finding.place, hint)


def _explain_limit(finding: _Finding) -> Diagnostic:
    limit, hint = _LIMITS[finding.code]
    bounds = finding.bounds
    number = next(bounds[name] for name in ("min_length", "max_length", "ge") if name in bounds)
    if finding.code == "string_too_short" and number > 1:
        limit, hint = "is shorter than {} characters", "say more"
    summary = finding.say(limit.format(number))
    return Diagnostic("bad-value", summary, finding.place, hint.format(number))


# What pydantic found wrong with a length or a number: what must be, and what to do.
_LIMITS = {
    "too_short": ("must not be empty", "add at least one"),
    "too_long": ("has more than {} entries", "remove some"),
    "string_too_short": ("must not be empty", "write at least one character"),
    "string_too_long": ("is longer than {} characters", "shorten it"),
    "greater_than_equal": ("must be {} or more", "raise it, or leave it out"),
}


_PATTERN_HINTS = {
    "handler": "write `module.function`, like `app.handler` for `def handler` in app.py",
    "health_check": "write a path that starts with a slash, like /health",
    "scopes": "write each scope as an entry of its own, without spaces",
    "certificate": "write the ARN of a certificate in AWS Certificate Manager",
    "vpc": "write the id of a VPC, like vpc-0a1b2c3d",
    "private_subnets": "write the ids of subnets, like subnet-0a1b2c3d",
    "public_subnets": "write the ids of subnets, like subnet-0a1b2c3d",
    "owner": "use letters, digits, spaces and + - = . _ : / @, as in a tag",
}


# Which of pydantic's codes are of which concern.
_EXPLAINED: tuple[tuple[Collection[str], Callable[[_Finding], Diagnostic]], ...] = (
    (("literal_error",), _explain_choice),
    (_EXPECTED, _explain_type),
    (("string_pattern_mismatch",), _explain_pattern),
    (_LIMITS, _explain_limit),
)


def _explain_unknown_key(
    tree: source.Mapping, path: source.Path_, model: type[Any], key: str, subject: str
) -> Diagnostic:
    known = list(_fields_at(model, path, tree))
    near = nearest(key, known)
    hint = f"did you mean '{near}'?" if near else f"known here: {', '.join(known)}"
    others = [kind for kind, other in KINDS.items() if key in other.model_fields]
    if others and path[0] == "components" and len(path) == 3:
        hint = f"only {' and '.join(others)} has it; {hint}"
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


def find_steps(loc: tuple[int | str, ...]) -> source.Path_:
    """Pydantic's location without the marks it adds for keys and for branches of a union."""
    return tuple(step for step in loc if step not in ("[key]", *BRANCHES))


def show(value: Any) -> str:
    """A value of the file as a message names it."""
    if value is None:
        return "nothing"
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
