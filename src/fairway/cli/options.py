"""Options that verbs share, spelled once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

F = TypeVar("F", bound=Callable[..., Any])


def complete_environments(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The environments that the file in the directory names, `local` first."""
    from fairway.define import list_environments

    directory = ctx.params.get("directory") or Path()
    return [CompletionItem(n) for n in list_environments(directory) if n.startswith(incomplete)]


def environment_option(function: F) -> F:
    """-e, --env: the environment, `local` when not said."""
    return click.option(
        "-e",
        "--env",
        "environment",
        default="local",
        metavar="ENV",
        show_default=True,
        shell_complete=complete_environments,
        help="The environment.",
    )(function)


def name_environment(environment: str) -> str:
    """The option that a suggested command needs for an environment; none for `local`."""
    return "" if environment == "local" else f" -e {environment}"


def directory_option(function: F) -> F:
    """-C, --directory: where fairway.yml is."""
    return click.option(
        "-C",
        "--directory",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        metavar="DIR",
        help="The application's directory; this one when not said.",
        is_eager=True,
    )(function)


def json_option(function: F) -> F:
    """--json: data for programs on standard output."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def yes_option(function: F) -> F:
    """-y, --yes: consent given beforehand."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask for consent.")(function)
