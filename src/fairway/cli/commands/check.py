"""`fairway check`: every problem at once."""

from __future__ import annotations

from pathlib import Path

import click

from fairway.check import check_definition, lint_templates
from fairway.cli.options import directory_option, json_option
from fairway.cli.render.human import say, say_next, show_diagnostics
from fairway.cli.render.json import diagnostics_to_json, print_json
from fairway.compile import compile_app
from fairway.define import define_app, list_environments
from fairway.diagnostics import Diagnostic
from fairway.errors import EXIT_OK, EXIT_USER_ERROR, InvalidApplication


@click.command("check", epilog="Example: fairway check && fairway plan -e prod")
@click.option("-e", "--env", "environment", metavar="ENV", help="Only this environment.")
@click.option("--fast", is_flag=True, help="Leave out cfn-lint, which takes a second or two.")
@directory_option
@json_option
def command(environment: str | None, fast: bool, directory: Path, as_json: bool) -> int:
    """Show every problem of the application, each with its place and a fix.

    Checks the file, what it refers to, and with cfn-lint the templates it
    compiles to, for every environment. Exit code 1 when there are errors.
    """
    names = [environment] if environment else list_environments(directory) or ["local"]
    findings: dict[Diagnostic, None] = {}
    for name in names:
        findings |= dict.fromkeys(_check_environment(directory, name, fast=fast))
    errors = sum(finding.is_error for finding in findings)
    if as_json:
        print_json(diagnostics_to_json(findings))
    else:
        show_diagnostics(findings, err=False)
        warnings = len(findings) - errors
        say(f"{_count(errors, 'error')}, {_count(warnings, 'warning')} in {', '.join(names)}")
        if not errors:
            say_next("fairway up, or fairway plan -e ENV")
    return EXIT_USER_ERROR if errors else EXIT_OK


def _check_environment(directory: Path, environment: str, *, fast: bool) -> list[Diagnostic]:
    definition = define_app(directory, environment)
    found = check_definition(definition)
    if definition.app is None or any(finding.is_error for finding in found):
        return found
    try:
        templates = compile_app(definition.app)
    except InvalidApplication as error:
        return [*found, *error.diagnostics]
    return found if fast else [*found, *lint_templates(definition.app, templates)]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
