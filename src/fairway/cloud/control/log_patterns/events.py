"""Events with fields: JSON objects, and lines whose fields stand between spaces."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from fairway.cloud.control.log_patterns.conditions import (
    Condition,
    Find,
    Tokens,
    expect,
    read_comparison,
    read_condition,
    read_named,
    read_tokens,
)
from fairway.cloud.control.log_patterns.invalid import PatternInvalid, refuse
from fairway.cloud.control.log_patterns.terms import Match

_STEP = re.compile(
    r"""\.?\[\s*(?:(?P<place>\d+)|(?P<any_place>\*)|"(?P<key>[^"]*)"|'(?P<other_key>[^']*)')\s*\]
    | \.(?:(?P<any_name>\*)|(?P<name>[\w-]+))""",
    re.VERBOSE,
)
_FIELD = re.compile(r'\[([^\]]*)\]|"([^"]*)"|(\S+)')


# --- JSON: { $.level = "ERROR" && $.took > 100 } --------------------------------


def compile_json(pattern: str) -> Match:
    """A pattern in braces: the line must be a JSON object that meets it. Raises PatternInvalid."""
    if not pattern.endswith("}"):
        raise PatternInvalid("If a filter pattern starts with '{' it must end with '}'")
    tokens = read_tokens(pattern)
    tokens.require("{")
    condition = read_condition(tokens, _read_property)
    tokens.require("}")
    _require_end(tokens)

    def match(line: str) -> bool:
        event = _read_object(line)
        return event is not None and condition(event)

    return match


def _read_object(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) else None


def _read_property(tokens: Tokens) -> Condition:
    token = tokens.take()
    if token.kind != "selector":
        raise expect("a property like $.name", token)
    find = _compile_selector(token.text)
    return read_named(tokens, find) or read_comparison(tokens, find)


def _compile_selector(selector: str) -> Find:
    steps: list[Callable[[Any], Sequence[Any]]] = []
    place = 1
    while place < len(selector):
        step = _STEP.match(selector, place)
        if step is None:
            raise refuse(f"{selector} is no property; write it like $.name, $.list[0] or $['a.b']")
        steps.append(_compile_step(step))
        place = step.end()

    def find(event: Any) -> Sequence[Any]:
        found: Sequence[Any] = [event]
        for take in steps:
            found = [deeper for value in found for deeper in take(value)]
        return found

    return find


def _compile_step(step: re.Match[str]) -> Callable[[Any], Sequence[Any]]:
    if step["place"] is not None:
        place = int(step["place"])
        return lambda value: value[place : place + 1] if isinstance(value, list) else ()
    if step["any_place"]:
        return lambda value: value if isinstance(value, list) else ()
    if step["any_name"]:
        return lambda value: list(value.values()) if isinstance(value, dict) else ()
    key = next(k for k in (step["key"], step["other_key"], step["name"]) if k is not None)
    return lambda value: [value[key]] if isinstance(value, dict) and key in value else ()


# --- between spaces: [ip, user, ..., status = 4*, bytes] --------------------------


def compile_fields(pattern: str) -> Match:
    """A pattern in brackets: one condition or name for each field. Raises PatternInvalid.

    What stands in brackets or double quotes is one field. `...` is any number of fields.
    """
    if not pattern.endswith("]"):
        raise PatternInvalid("If a filter pattern starts with '[' it must end with ']'")
    tokens = read_tokens(pattern)
    tokens.require("[")
    before, after = _read_fields(tokens)
    tokens.require("]")
    _require_end(tokens)

    def match(line: str) -> bool:
        fields = [next(g for g in f.groups() if g is not None) for f in _FIELD.finditer(line)]
        if after is None:
            return len(fields) == len(before) and _meet(before, fields)
        if len(fields) < len(before) + len(after):
            return False
        return _meet(before, fields) and _meet(after, fields[len(fields) - len(after) :])

    return match


def _meet(conditions: list[Condition], fields: list[str]) -> bool:
    return all(
        condition(found) for condition, found in zip(conditions, fields, strict=False)
    )  # the others are the ellipsis's


def _read_fields(tokens: Tokens) -> tuple[list[Condition], list[Condition] | None]:
    """The conditions before the ellipsis and those after it; None without one."""
    before: list[Condition] = []
    after: list[Condition] | None = None
    while True:
        if tokens.skip("..."):
            if after is not None:
                raise refuse("it has more than one ...")
            after = []
        else:
            (before if after is None else after).append(_read_field(tokens))
        if not tokens.skip(","):
            return before, after


def _read_field(tokens: Tokens) -> Condition:
    if tokens.peek().kind == "sign" and tokens.peek().text in (",", "]"):
        return lambda found: True  # a field without a name
    return read_condition(tokens, _read_name)


def _read_name(tokens: Tokens) -> Condition:
    token = tokens.take()
    if token.kind != "word" or not token.text.isidentifier():
        raise expect("the name of a field", token)
    if tokens.peek().text in (",", "]", "&&", "||", ")"):
        return lambda found: True
    return read_comparison(tokens, lambda found: [found])


def _require_end(tokens: Tokens) -> None:
    if tokens.peek().kind != "end":
        raise expect("the end", tokens.peek())
