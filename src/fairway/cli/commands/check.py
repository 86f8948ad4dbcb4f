"""`fairway check`: every problem at once."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairway.check import check_definition, lint_all
from fairway.cli.names import Name
from fairway.cli.options import directory_option, json_option, services_option
from fairway.cli.render.human import say, say_next, show_diagnostics, show_place, show_plainly
from fairway.cli.render.json import diagnostics_to_json, print_json
from fairway.cli.render.progress import Progress
from fairway.cli.selection import Selection, select
from fairway.compile import Templates, compile_app
from fairway.define import App, Definition, define_app, define_service, list_environments
from fairway.diagnostics import Diagnostic, sort_diagnostics
from fairway.errors import EXIT_OK, EXIT_USER_ERROR, FairwayError, InvalidApplication
from fairway.events import Report, StepFinished, StepStarted
from fairway.state import STATE_DIRECTORY

if TYPE_CHECKING:
    from fairway.check.kept import Surroundings
    from fairway.check.security import Accepted, SecurityReport

Compiled = dict[str, tuple[App, Templates]]


@click.command("check", epilog="Example: fairway check --security -e prod")
@click.option(
    "-e",
    "--env",
    "environment",
    metavar="ENV",
    type=Name("environment"),
    help="Only this environment.",
)
@click.option("--fast", is_flag=True, help="Leave out cfn-lint, which takes a second or two.")
@click.option("--security", is_flag=True, help="Scan the templates with checkov too.")
@click.option(
    "--sarif",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the findings as SARIF 2.1.0.",
)
@directory_option
@services_option
@json_option
def command(
    environment: str | None,
    fast: bool,
    security: bool,
    sarif: Path | None,
    directory: Path,
    services: tuple[str, ...],
    as_json: bool,
) -> int:
    """Show every problem of the application, each with its place and a fix.

    Checks the file, what it refers to, and with cfn-lint the templates it
    compiles to, for every environment. Exit code 1 when there are errors.

    --security scans the templates with checkov, which runs in an environment of
    its own (uv installs it the first time), and looks for wildcards in roles.
    What the file accepts, with a reason, is told and is no error.

    In a root of services: all problems of all of them.
    """
    selection = select(directory, services)
    directory = selection.directory
    names = [environment] if environment else list_environments(directory) or ["local"]
    asked = _Asked(fast, security, as_json)
    compiled: Compiled = {}
    of_root = selection.workspace.diagnostics if selection.workspace else ()
    ours = dict.fromkeys([*of_root, *selection.problems])
    for label, definition in _define_all(selection, names):
        ours |= dict.fromkeys(_check_definition(label, definition, compiled))
    ours = _drop_doubts(ours)
    asked.show(ours)  # at once: what takes its time comes after
    theirs, reports = _check_templates(compiled, asked, ours)
    asked.show(theirs)
    findings = [*ours, *theirs]
    if sarif is not None:
        accepted = [a for report in reports for a in report.accepted]
        _write_sarif(sarif, findings, accepted, directory)
    errors = sum(finding.is_error for finding in findings)
    if as_json:
        _print_json(findings, reports if security else None)
    else:
        _show_accepted(reports)
        warnings = len(findings) - errors
        where = f"in {', '.join(names)}"
        if selection.workspace is not None:
            where = f"in {_count(len(selection.services), 'service')}, {where}"
        say(f"{_count(errors, 'error')}, {_count(warnings, 'warning')} {where}")
        if not errors:
            say_next("fairway up, or fairway plan -e ENV")
    return EXIT_USER_ERROR if errors else EXIT_OK


@dataclass(frozen=True)
class _Asked:
    """What the command line asks for, beside the application."""

    fast: bool
    security: bool
    as_json: bool

    def show(self, findings: Iterable[Diagnostic]) -> None:
        """Findings as they come; JSON is one document at the end."""
        if not self.as_json:
            show_diagnostics(findings, err=False)


def _define_all(
    selection: Selection, environments: Sequence[str]
) -> Iterator[tuple[str, Definition]]:
    """Each environment by its name, in a root those of each service."""
    for environment in environments:
        if selection.workspace is None:
            yield environment, define_app(selection.directory, environment)
        for service in selection.services:
            yield f"{service.name} in {environment}", define_service(service, environment)


def _check_definition(label: str, definition: Definition, compiled: Compiled) -> list[Diagnostic]:
    """Our own findings; the templates of what is without errors go to `compiled`."""
    found = check_definition(definition)
    if definition.app is None or any(finding.is_error for finding in found):
        return found
    try:
        compiled[label] = (definition.app, compile_app(definition.app))
    except InvalidApplication as error:
        return [*found, *error.diagnostics]
    return found


def _drop_doubts(found: Collection[Diagnostic]) -> dict[Diagnostic, None]:
    """Without warnings of one environment of what is an error, at the same place, in another."""
    sure = {(finding.code, finding.place) for finding in found if finding.is_error}
    return {f: None for f in found if f.is_error or (f.code, f.place) not in sure}


def _check_templates(
    compiled: Compiled, asked: _Asked, known: Collection[Diagnostic]
) -> tuple[list[Diagnostic], Sequence[SecurityReport]]:
    """What cfn-lint and checkov find, beside each other, that is not known yet.

    Nothing where the templates cannot be made, since there are errors.
    """
    if any(finding.is_error for finding in known):
        if asked.security:
            say("not scanned: the templates cannot be made yet", err=True)
        return [], ()
    with Progress(quiet=asked.as_json) as progress, ThreadPoolExecutor(1) as pool:
        scan = pool.submit(_scan, compiled, progress) if asked.security else None
        linted = [] if asked.fast else _lint(compiled, progress)
        reports = scan.result() if scan else ()
    found = [*linted, *(finding for report in reports for finding in report.findings)]
    return [finding for finding in dict.fromkeys(found) if finding not in known], reports


def _scan(compiled: Compiled, report: Report) -> Sequence[SecurityReport]:
    from fairway.check.scanner import VERSION
    from fairway.check.security import check_security

    with _told(f"scanning with checkov {VERSION}", report):
        return check_security(compiled)


def _lint(compiled: Compiled, report: Report) -> list[Diagnostic]:
    """cfn-lint's findings; what was found in a template before is not looked for again."""
    from fairway.check.kept import KeptResults

    if not compiled:
        return []
    home = next(iter(compiled.values()))[0].home
    kept = KeptResults(home / STATE_DIRECTORY / "cache" / "lint.json", _find_surroundings())
    return lint_all(compiled.values(), kept, report)


def _find_surroundings() -> Surroundings | None:
    """None for a user without a home: then nothing is kept."""
    from fairway.check.kept import Surroundings

    xdg = os.environ.get("XDG_CACHE_HOME")
    caches = [Path(xdg) if xdg else Path("~/.cache"), Path("~/Library/Caches")]
    try:
        expanded = tuple(path.expanduser() for path in caches)
        return Surroundings(Path.home(), Path.cwd(), expanded, date.today())
    except RuntimeError:
        return None


@contextmanager
def _told(step: str, report: Report) -> Iterator[None]:
    began = time.monotonic()
    report(StepStarted(step))
    yield
    report(StepFinished(step, time.monotonic() - began))


def _write_sarif(
    file: Path, findings: Iterable[Diagnostic], accepted: Iterable[Accepted], root: Path
) -> None:
    from fairway.cli.render.sarif import write_sarif

    try:
        write_sarif(file, findings, accepted, root)
    except OSError as error:
        raise FairwayError(f"{file} cannot be written: {error.strerror or error}") from error


def _print_json(findings: Iterable[Diagnostic], reports: Sequence[SecurityReport] | None) -> None:
    if reports is None:
        print_json(diagnostics_to_json(findings))
        return
    scans = {
        report.environment: {
            "passed": report.passed,
            "skipped": report.skipped,
            "accepted": [
                {**diagnostics_to_json([a.finding])[0], "reason": a.reason} for a in report.accepted
            ],
        }
        for report in reports
    }
    print_json({"findings": diagnostics_to_json(findings), "scans": scans})


def _show_accepted(reports: Iterable[SecurityReport]) -> None:
    for report in reports:
        reasons = {a.finding: a.reason for a in report.accepted}
        for finding in sort_diagnostics(list(reasons)):
            where = f"{show_place(finding.place)}: " if finding.place else ""
            say(f"{where}accepted: {show_plainly(finding.summary)} [{finding.code}]", dim=True)
            say(f"  reason: {show_plainly(reasons[finding])}", dim=True)
        failed = sum(finding.is_error for finding in report.findings)
        say(
            f"scan of {report.environment}: {report.passed} passed, {failed} failed, "
            f"{len(report.accepted)} accepted, {report.skipped} skipped"
        )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
