"""How a command that fails says so: in words on stderr, and on stdout to programs.

Both are made from one value, whatever was raised. docs/reference/commands.md has the document.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from fairway.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_USER_ERROR,
    FairwayError,
    InvalidApplication,
)

if TYPE_CHECKING:
    from fairway.diagnostics import Diagnostic

# Modules of the errors of whoever asks AWS; the second's are of answers that are none.
_NO_ANSWER = frozenset({"botocore.exceptions", "botocore.parsers"})


@dataclass
class Output:
    """What goes to standard output; one for a command line.

    as_json: whether a program reads it. done: what had come of the command before it failed.
    """

    as_json: bool = False
    done: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Why a command did not come to its end. code: constant, kebab-case.

    findings: what is wrong with the application, each with its place.
    """

    code: str
    summary: str
    exit_code: int
    hint: str | None = None
    detail: str | None = None
    findings: Sequence[Diagnostic] = ()


def asks_json(arguments: Sequence[str]) -> bool:
    """Whether a command line says --json, for errors that come before it is understood."""
    return "--json" in takewhile(lambda word: word != "--", arguments)


def find_output() -> Output:
    """The one of the command line that is under way; one that nobody looks at without it."""
    context = click.get_current_context(silent=True)
    return (context.find_object(Output) if context else None) or Output()


def leave_reader(stream: IO[str]) -> None:
    """Nothing more is written to a stream, not even what is still held back."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _saying() -> Iterator[None]:
    """Words on stderr; where nobody can be told them, a program is told all the same."""
    try:
        yield
    except OSError:
        leave_reader(sys.stderr)


def tell_failure(error: BaseException) -> Failure:
    """Say on stderr what was raised; the same as a value. A traceback goes to a file."""
    match error:
        case FairwayError():
            return _tell_error(error)
        case click.ClickException():
            return _tell_refusal(error)
        case KeyboardInterrupt() | click.Abort():
            told = str(error) if isinstance(error, click.Abort) else ""
            with _saying():
                click.echo(f"\n{told or 'interrupted'}", err=True)
            return Failure("interrupted", told or "interrupted", EXIT_INTERRUPTED)
    # Errors that a service's model names are made from these, in a module of their own.
    if any(base.__module__ in _NO_ANSWER for base in type(error).__mro__):
        from fairway.aws.endpoint import explain_no_answer

        assert isinstance(error, Exception)
        return _tell_error(explain_no_answer(error))
    return _tell_bug(error)


def print_failure(failure: Failure, done: Mapping[str, Any]) -> None:
    """The failure as JSON on one line, so that it can end a stream too; beside it what was done."""
    from fairway.cli.render.json import diagnostics_to_json, print_json

    error = {
        "code": failure.code,
        "summary": failure.summary,
        "hint": failure.hint,
        "detail": failure.detail,
        "exit_code": failure.exit_code,
        "findings": diagnostics_to_json(failure.findings),
    }
    print_json({**done, "error": error}, indent=None)


def _tell_error(error: FairwayError) -> Failure:
    from fairway.cli.render.human import show_error

    with _saying():
        show_error(error)
    findings = error.diagnostics if isinstance(error, InvalidApplication) else ()
    return Failure(
        error.code, error.summary, error.exit_code, error.hint, error.detail, tuple(findings)
    )


def _tell_refusal(error: click.ClickException) -> Failure:
    """A command line that cannot be understood: how it is used, and what is wrong with it."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    failure = Failure(
        "usage",
        error.format_message(),
        EXIT_USER_ERROR,
        f"try `{context.command_path} --help`" if context else None,
    )
    with _saying():
        _show_refusal(error, failure.summary, context)
    return failure


def _show_refusal(error: click.ClickException, summary: str, context: click.Context | None) -> None:
    from fairway.cli.render.human import say

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    if context is not None:
        say(context.get_usage(), err=True)
        say(f"Try '{context.command_path} --help' for help.\n", err=True)
    say(f"error: {summary}", err=True, fg="red")


def _tell_bug(error: BaseException) -> Failure:
    """One line on the screen, the traceback in a file."""
    import traceback

    try:
        directory = Path(".fairway") if Path(".fairway").is_dir() else Path.home() / ".fairway"
        directory.mkdir(mode=0o700, exist_ok=True)
        file = directory / f"bug-{datetime.now():%Y%m%d-%H%M%S}.log"
        file.write_text("".join(traceback.format_exception(error)))
        where = f"details in {file}"
    except (OSError, RuntimeError):  # no room, or no home
        where = None
    summary = f"this is a bug in Fairway: {type(error).__name__}: {error}"
    with _saying():
        click.echo(f"error: {summary}{f'; {where}' if where else ''}", err=True)
    return Failure("bug", summary, EXIT_BUG, detail=where)
