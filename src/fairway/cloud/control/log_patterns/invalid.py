"""The patterns that CloudWatch Logs refuses."""

from __future__ import annotations


class PatternInvalid(ValueError):
    """A filter pattern that is none. The text is what CloudWatch Logs answers."""


def refuse_characters(found: str) -> PatternInvalid:
    """What may only stand within double quotes stands outside them."""
    return PatternInvalid(f"Invalid character(s) in term '{found}'")


def refuse(why: str) -> PatternInvalid:
    """AWS says no more than the first three words."""
    return PatternInvalid(f"Invalid filter pattern: {why}")
