"""cfn-lint's findings on the compiled templates, at the lines they came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fairway.compile.template import StackTemplate, Templates
from fairway.define import App
from fairway.diagnostics import Diagnostic, Place, Severity


def lint_templates(app: App, templates: Templates) -> Iterator[Diagnostic]:
    """Run cfn-lint in this process; loading it takes half a second."""
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    for stack in templates.stacks:
        config = ManualArgs(regions=[app.region], include_checks=[])
        for match in lint(stack.to_json(indent=1), config=config):
            yield _to_diagnostic(app, stack, match)


def _to_diagnostic(app: App, stack: StackTemplate, match: Any) -> Diagnostic:
    path: Sequence[Any] = match.path or ()
    error = match.rule.severity == "error"
    logical_id = str(path[1]) if len(path) > 1 and path[0] == "Resources" else None
    about = f" ({logical_id} in {stack.name})" if logical_id else f" (in {stack.name})"
    return Diagnostic(
        f"cfn-{match.rule.id}",
        f"{match.message}{about}",
        find_place(app, stack, logical_id, path),
        f"see cfn-lint's rule {match.rule.id}: {match.rule.shortdesc}",
        Severity.ERROR if error else Severity.WARNING,
    )


def find_place(
    app: App, stack: StackTemplate, logical_id: str | None, path: Sequence[Any]
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
