"""Patterns of terms, for lines of any form: ERROR "time out" -retried ?WARN %4[0-9][0-9]%."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fairway.cloud.control.log_patterns.expressions import compile_expression
from fairway.cloud.control.log_patterns.invalid import refuse, refuse_characters

Match = Callable[[str], bool]

_TERM = re.compile(
    r"""\s*(?P<sign>[-?]?)
    (?:"(?P<quoted>(?:\\.|[^"\\])*)" | %(?P<expression>[^%]*)% | (?P<word>[^\s"%]+))""",
    re.VERBOSE | re.DOTALL,
)
_REQUIRED, _EXCLUDED, _OPTIONAL = "", "-", "?"


def compile_terms(pattern: str) -> Match:
    """All terms must be in a line, in any order; with "-" none, with "?" one of them.

    Letters count as they are written, and a term matches within a word. Beside terms without
    a "?" those with one count for nothing. Raises PatternInvalid.
    """
    found: dict[str, list[Match]] = {_REQUIRED: [], _EXCLUDED: [], _OPTIONAL: []}
    for sign, match in _read_terms(pattern):
        found[sign].append(match)
    required, excluded, optional = found.values()
    if not required and not excluded:
        return lambda line: any(match(line) for match in optional)
    return lambda line: (
        all(match(line) for match in required) and not any(match(line) for match in excluded)
    )


def _read_terms(pattern: str) -> Iterator[tuple[str, Match]]:
    place, end = 0, len(pattern.rstrip())
    while place < end:
        term = _TERM.match(pattern, place)
        if term is None:
            raise refuse(f"what begins here has no end: {pattern[place:end].strip()}")
        yield term["sign"], _compile_term(term)
        place = term.end()


def _compile_term(term: re.Match[str]) -> Match:
    if term["expression"] is not None:
        search = compile_expression(term["expression"]).search
        return lambda line: search(line) is not None
    if term["quoted"] is not None:
        text = unescape(term["quoted"])
        return lambda line: text in line
    word = term["word"]
    unknown = [character for character in word if not (character.isalnum() or character == "_")]
    if unknown:
        raise refuse_characters(unknown[0])
    return lambda line: word in line


def unescape(quoted: str) -> str:
    """What stands between double quotes, where a backslash takes the next character as it is."""
    return re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
