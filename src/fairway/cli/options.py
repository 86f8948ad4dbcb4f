"""Options that verbs share, spelled once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from fairway.cli.directories import find_directory
from fairway.cli.failures import find_output
from fairway.cli.names import Name

F = TypeVar("F", bound=Callable[..., Any])


class Number(click.IntRange):
    """A whole number from `min` on, up to `max` where there is one.

    names: of what, for the shell; a key of `names.LISTS`.
    """

    def __init__(self, min: int, max: int | None = None, names: str = "") -> None:  # noqa: A002
        super().__init__(min, max)
        self.names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Raises BadParameter."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            end = "" if self.max is None else f" to {self.max}"
            self.fail(f"{str(value)!r} is not a whole number from {self.min}{end}.", param, ctx)


def environment_option(function: F) -> F:
    """-e, --env: the environment, `local` when not said."""
    return click.option(
        "-e",
        "--env",
        "environment",
        default="local",
        metavar="ENV",
        show_default=True,
        type=Name("environment"),
        help="The environment.",
    )(function)


def name_environment(environment: str) -> str:
    """The option that a suggested command needs for an environment; none for `local`."""
    return "" if environment == "local" else f" -e {environment}"


def directory_option(function: F) -> F:
    """-C, --directory: where fairway.yml is; one that is named is taken as it is."""

    def find(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
        source = ctx.get_parameter_source(param.name or "")
        return find_directory(value) if source is ParameterSource.DEFAULT else value

    return click.option(
        "-C",
        "--directory",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        metavar="DIR",
        help="The application's directory; this one, or the nearest above with a fairway.yml, "
        "when not said.",
        is_eager=True,
        callback=find,
    )(function)


def services_option(function: F) -> F:
    """--service, any number: some of the services in a root, where all are meant without it."""
    return click.option(
        "--service",
        "services",
        multiple=True,
        metavar="NAME",
        type=Name("service"),
        help="In a root of services: only this one; may be repeated.",
    )(function)


def one_directory_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """-C and --service, for verbs about one application: `directory` is where that is."""

    @directory_option
    @click.option(
        "--service",
        metavar="NAME",
        type=Name("service"),
        help="In a root of services: which one.",
    )
    @wraps(function)
    def receive(*, directory: Path, service: str | None, **options: Any) -> Any:
        from fairway.cli.selection import choose_directory, name_service
        from fairway.errors import FairwayError

        try:
            return function(directory=choose_directory(directory, service), **options)
        except FairwayError as error:
            if service:
                name_service(error, service)
            raise

    return receive


def full_option(function: F) -> F:
    """--full: no short way for code."""
    return click.option(
        "--full",
        is_flag=True,
        help="Go through CloudFormation also where code alone changes.",
    )(function)


def verbose_option(text: str) -> Callable[[F], F]:
    """-v, --verbose: more of what the verb tells. text: what that is."""
    return click.option("-v", "--verbose", is_flag=True, help=text)


def json_option(function: F) -> F:
    """--json: data for programs on standard output, errors too."""
    return _json_option("Print JSON.")(function)


def json_lines_option(function: F) -> F:
    """--json of a verb that goes on printing."""
    return _json_option("Print one JSON object a line.")(function)


def _json_option(text: str) -> Callable[[F], F]:
    def note(ctx: click.Context, param: click.Parameter, value: bool) -> bool:
        find_output().as_json = value  # `--json` may stand there as the value of something else
        return value

    return click.option("--json", "as_json", is_flag=True, callback=note, help=text)


def yes_option(function: F) -> F:
    """-y, --yes: consent given beforehand."""
    return click.option("-y", "--yes", is_flag=True, help="Do not ask for consent.")(function)
