"""The scan of the compiled templates: checkov's findings in our words, at the file's lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fairway.bundle.resolve import run_uv
from fairway.check.accepted import RULES, find_reason, name_finding
from fairway.check.lint import find_place
from fairway.check.policies import check_policies
from fairway.check.scanner import Failed, RunTool, Scan, scan_templates
from fairway.compile import Templates
from fairway.define import App
from fairway.diagnostics import Diagnostic, Severity


@dataclass(frozen=True, slots=True)
class Accepted:
    """A finding that the file says is meant to be, and why."""

    finding: Diagnostic
    reason: str


@dataclass(frozen=True, slots=True)
class SecurityReport:
    """One environment's scan. passed and skipped: how many of checkov's checks."""

    environment: str
    findings: tuple[Diagnostic, ...]
    accepted: tuple[Accepted, ...]
    passed: int
    skipped: int


def check_security(
    compiled: Mapping[str, tuple[App, Templates]], run: RunTool = run_uv
) -> list[SecurityReport]:
    """Scan the templates of some environments, by name. Raises ScanFailed."""
    scan = scan_templates({name: templates for name, (_, templates) in compiled.items()}, run)
    return [
        _report_environment(name, app, templates, scan)
        for name, (app, templates) in compiled.items()
    ]


def _report_environment(
    environment: str, app: App, templates: Templates, scan: Scan
) -> SecurityReport:
    findings = list(check_policies(app, templates))
    accepted: list[Accepted] = []
    failed = [found for found in scan.failed if found.environment == environment]
    for found in failed:
        diagnostic = _to_diagnostic(app, templates, found)
        reason = find_reason(app, found.check)
        if reason is None:
            findings.append(diagnostic)
        else:
            accepted.append(Accepted(diagnostic, reason))
    findings += _find_unused(app, {found.check for found in failed})
    return SecurityReport(
        environment,
        tuple(findings),
        tuple(accepted),
        scan.passed[environment],
        scan.skipped[environment],
    )


def _to_diagnostic(app: App, templates: Templates, found: Failed) -> Diagnostic:
    stack = next(s for s in templates.stacks if s.name == found.stack)
    name = name_finding(found.check)
    rule = RULES.get(name)
    accept = f"accept: {{{name}: why}}"
    fix = f"{rule.hint}, or say why it is meant to be" if rule else "say why it is meant to be"
    return Diagnostic(
        f"checkov-{found.check}",
        f"{found.name} ({found.logical_id} in {found.stack})",
        find_place(app, stack, found.logical_id, ("Resources", found.logical_id)),
        f"{fix}: `{accept}`",
        Severity.ERROR,
    )


def _find_unused(app: App, checks: set[str]) -> Iterator[Diagnostic]:
    """Reasons for what is not found: the file says less than it seems to."""
    used = checks | {name_finding(check) for check in checks}
    for name in app.accept.keys() - used:
        yield Diagnostic(
            "accepts-nothing",
            f"'{name}' is accepted in {app.environment}, and nothing of it is found",
            app.place("accept", name, of_key=True),
            "remove it",
            Severity.WARNING,
        )
