"""cfn-lint's findings on the compiled templates, at the lines they came from."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fairway.check.linter import Job, Match
from fairway.compile.template import StackTemplate, Templates
from fairway.define import App
from fairway.diagnostics import Diagnostic, Place, Severity
from fairway.events import Report, StepAdvanced, StepFinished, StepStarted, ignore_events

if TYPE_CHECKING:
    from fairway.check.kept import KeptResults

STEP = "checking the templates with cfn-lint"


def lint_templates(app: App, templates: Templates) -> list[Diagnostic]:
    """What cfn-lint finds in the templates of one application. Raises LintFailed."""
    return lint_all([(app, templates)])


def lint_all(
    compiled: Iterable[tuple[App, Templates]],
    kept: KeptResults | None = None,
    report: Report = ignore_events,
    processors: int | None = None,
) -> list[Diagnostic]:
    """What cfn-lint finds, application by application. Raises LintFailed.

    A template that several share is looked at once, and told at the first; one that `kept` knows
    is not looked at again. processors: how many may be used; all when left out.
    """
    from fairway.check.kept import KeptResults
    from fairway.check.lint_worker import count_processors, count_workers, lint_jobs

    seen: dict[tuple[str, str], tuple[App, StackTemplate]] = {}
    for app, templates in compiled:
        for stack in templates.stacks:
            seen.setdefault((app.region, stack.digest), (app, stack))
    kept = kept or KeptResults(None)
    results = {key: found for key in seen if (found := kept.find(*key)) is not None}
    fresh = {key: seen[key][1] for key in seen if key not in results}
    began = time.monotonic()
    report(StepStarted(STEP))
    jobs = [Job(region, stack.to_json(indent=1)) for (region, _), stack in fresh.items()]
    workers = count_workers(len(jobs), processors or count_processors())
    try:
        for key, found in zip(fresh, lint_jobs(jobs, workers), strict=True):
            results[key] = found
            kept.add(*key, found)
            report(StepAdvanced(STEP, len(results), len(seen)))
    finally:
        kept.write()  # also what was found before an interruption
    detail = f"{len(seen)} template{'' if len(seen) == 1 else 's'}, {len(fresh)} new"
    report(StepFinished(STEP, time.monotonic() - began, detail))
    return [
        _to_diagnostic(app, stack, match)
        for key, (app, stack) in seen.items()
        for match in results[key]
    ]


def _to_diagnostic(app: App, stack: StackTemplate, match: Match) -> Diagnostic:
    path = match.path
    logical_id = str(path[1]) if len(path) > 1 and path[0] == "Resources" else None
    about = f" ({logical_id} in {stack.name})" if logical_id else f" (in {stack.name})"
    return Diagnostic(
        f"cfn-{match.rule}",
        f"{match.message}{about}",
        find_place(app, stack, logical_id, path),
        f"see cfn-lint's rule {match.rule}: {match.title}",
        Severity.ERROR if match.is_error else Severity.WARNING,
    )


def find_place(
    app: App, stack: StackTemplate, logical_id: str | None, path: Sequence[str | int]
) -> Place | None:
    """The line of the raw resource when the user wrote one, else of the component's key."""
    if logical_id is None:
        return None
    if logical_id in app.resources:
        return app.place("resources", logical_id, *path[2:], of_key=True)
    origin = stack.origins.get(logical_id)
    if origin is None:
        return None
    property_name = str(path[3]) if len(path) > 3 else ""
    return app.place(*origin.properties.get(property_name, origin.path), of_key=True)
