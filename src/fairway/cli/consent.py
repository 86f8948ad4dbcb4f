"""Consent: asked of a person, or given with --yes; and what Ctrl-C takes back of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def going_on_alone() -> Iterator[None]:
    """Say, after Ctrl-C, what goes on without us and how to take it up again."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(
            "\nCloudFormation finishes or rolls back what it began; "
            "run the same command again to go on from there",
            err=True,
        )
        raise
