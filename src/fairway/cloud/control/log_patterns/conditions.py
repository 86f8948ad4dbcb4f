"""Conditions on the fields of an event, and how they are joined: `a = 1 && (b = "x*" || ...)`.

The same for fields of JSON events and for those between spaces; only the fields' names differ,
and that JSON has IS and NOT EXISTS besides.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairway.cloud.control.log_patterns.expressions import MOST, compile_expression
from fairway.cloud.control.log_patterns.invalid import PatternInvalid, refuse, refuse_characters
from fairway.cloud.control.log_patterns.terms import unescape

Find = Callable[[Any], Sequence[Any]]
"""An event's values at a field: none where it is missing, many where the field has a `*`."""

Condition = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<quoted>"(?:\\.|[^"\\])*")
    | (?P<expression>%[^%]*%)
    | (?P<sign>&&|\|\||!=|<=|>=|[=<>(){}\[\],]|\.\.\.)
    | (?P<selector>\$(?:\.?\[[^\]]*\]|\.[\w*-]+)+)
    | (?P<word>[\w.*+-]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NAMED = {"NULL": None, "TRUE": True, "FALSE": False}


@dataclass(frozen=True, slots=True)
class Token:
    """kind: "quoted", "expression", "sign", "selector", "word" or "end"."""

    kind: str
    text: str


@dataclass(slots=True)
class Tokens:
    """The parts of a pattern, taken from its beginning to its end."""

    rest: list[Token]
    expressions: int = field(default=0)

    def peek(self) -> Token:
        """The next one, which stays."""
        return self.rest[0] if self.rest else Token("end", "")

    def take(self) -> Token:
        """The next one, which is gone then."""
        return self.rest.pop(0) if self.rest else Token("end", "")

    def skip(self, text: str) -> bool:
        """Take the next if it is this sign or word."""
        found = self.peek().kind in ("sign", "word") and self.peek().text == text
        if found:
            self.rest.pop(0)
        return found

    def require(self, text: str) -> None:
        """Take the next, which must be this. Raises PatternInvalid."""
        if not self.skip(text):
            raise expect(f"'{text}'", self.peek())


def expect(what: str, found: Token) -> PatternInvalid:
    """Something else stands where one thing was expected."""
    return refuse(
        f"{what} is expected" + (f" before {found.text}" if found.text else " at its end")
    )


def read_tokens(pattern: str) -> Tokens:
    """Take a pattern apart. Raises PatternInvalid."""
    return Tokens(list(_split(pattern.strip())))


def _split(pattern: str) -> Iterator[Token]:
    place = 0
    while place < len(pattern):
        found = _TOKEN.match(pattern, place)
        if found is None or found.lastgroup is None:
            raise refuse_characters(pattern[place:].strip()[:1])
        yield Token(found.lastgroup, found[found.lastgroup])
        place = found.end()


def read_condition(tokens: Tokens, read_operand: Callable[[Tokens], Condition]) -> Condition:
    """Conditions joined by && and ||, of which && binds closer, and by parentheses."""
    found = [_read_all(tokens, read_operand)]
    while tokens.skip("||"):
        found.append(_read_all(tokens, read_operand))
    return found[0] if len(found) == 1 else lambda event: any(c(event) for c in found)


def _read_all(tokens: Tokens, read_operand: Callable[[Tokens], Condition]) -> Condition:
    found = [_read_one(tokens, read_operand)]
    while tokens.skip("&&"):
        found.append(_read_one(tokens, read_operand))
    return found[0] if len(found) == 1 else lambda event: all(c(event) for c in found)


def _read_one(tokens: Tokens, read_operand: Callable[[Tokens], Condition]) -> Condition:
    if not tokens.skip("("):
        return read_operand(tokens)
    found = read_condition(tokens, read_operand)
    tokens.require(")")
    return found


def read_named(tokens: Tokens, find: Find) -> Condition | None:
    """IS NULL, IS TRUE, IS FALSE and NOT EXISTS behind a field; None where none of them stands."""
    if tokens.skip("NOT"):
        tokens.require("EXISTS")
        return lambda event: not find(event)
    if not tokens.skip("IS"):
        return None
    token = tokens.take()
    if token.kind != "word" or token.text not in _NAMED:
        raise expect("NULL, TRUE or FALSE", token)
    wanted = _NAMED[token.text]
    return lambda event: any(value is wanted for value in find(event))


def read_comparison(tokens: Tokens, find: Find) -> Condition:
    """A sign and a value behind a field. Raises PatternInvalid.

    A field that is missing, or is a list or an object, meets no comparison, not even `!=`.
    """
    sign = tokens.take()
    if sign.text not in (*_ORDERS, "=", "!="):
        raise expect("one of = != < <= > >=", sign)
    value = tokens.take()
    if value.kind not in ("quoted", "expression", "word"):
        raise expect(f"a value after {sign.text}", value)
    if sign.text in _ORDERS:
        return _compare_numbers(_ORDERS[sign.text], value, find)
    if value.kind == "expression":
        tokens.expressions += 1
        if tokens.expressions > MOST:
            raise refuse(f"it has more than {MOST} regular expressions")
    equals = _compile_value(value)
    wanted = sign.text == "="
    return lambda event: any(
        equals(found) is wanted for found in find(event) if _is_comparable(found)
    )


def _is_comparable(found: Any) -> bool:
    return found is not None and not isinstance(found, dict | list)


def _compare_numbers(compare: Callable[[Any, Any], Any], value: Token, find: Find) -> Condition:
    limit = _read_number(value.text) if value.kind == "word" else None
    if limit is None:
        raise refuse(f"{value.text} is no number to compare with")

    def holds(event: Any) -> bool:
        numbers = [_read_number(found) for found in find(event)]
        return any(number is not None and compare(number, limit) for number in numbers)

    return holds


def _read_number(found: Any) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    if isinstance(found, str):
        return float(found) if _NUMBER.fullmatch(found) else None
    return float(found)


def _compile_value(value: Token) -> Callable[[Any], bool]:
    """Whether a field's value is this: a number as a number, text with `*` for any text."""
    if value.kind == "expression":
        search = compile_expression(value.text[1:-1]).search
        return lambda found: search(_spell(found)) is not None
    text = unescape(value.text[1:-1]) if value.kind == "quoted" else value.text
    number = _read_number(text) if value.kind == "word" else None
    parts = re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)

    def equals(found: Any) -> bool:
        if number is not None and not isinstance(found, str):
            return _read_number(found) == number
        return parts.fullmatch(_spell(found)) is not None

    return equals


def _spell(found: Any) -> str:
    """A field's value as JSON spells it."""
    if isinstance(found, bool):
        return "true" if found else "false"
    return str(found)
