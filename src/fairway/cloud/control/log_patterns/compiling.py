"""A pattern's kind, by its first character."""

from __future__ import annotations

from functools import lru_cache

from fairway.cloud.control.log_patterns.events import compile_fields, compile_json
from fairway.cloud.control.log_patterns.invalid import PatternInvalid
from fairway.cloud.control.log_patterns.terms import Match, compile_terms

LONGEST = 1024
"""Characters. FilterLogEvents, filterPattern: maximum length."""


@lru_cache(maxsize=128)
def compile_pattern(pattern: str) -> Match:
    """Whether a line matches; an empty pattern matches each. Raises PatternInvalid."""
    if len(pattern) > LONGEST:
        raise PatternInvalid(
            "1 validation error detected: Value at 'filterPattern' failed to satisfy constraint: "
            f"Member must have length less than or equal to {LONGEST}"
        )
    text = pattern.strip()
    if not text:
        return lambda line: True
    if text.startswith("{"):
        return compile_json(text)
    if text.startswith("["):
        return compile_fields(text)
    return compile_terms(text)
