"""Consent: asked of a person, or given with --yes."""

from __future__ import annotations

import sys

import click

from fairway.errors import FairwayError


def require_consent(question: str, *, yes: bool) -> None:
    """Go on only with consent; without a terminal it must have been given already."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise FairwayError(
            "this needs consent, and there is no terminal to ask on; nothing was changed",
            hint="pass --yes",
        )
    if not click.confirm(question, err=True):
        raise FairwayError("not confirmed; nothing was changed")
