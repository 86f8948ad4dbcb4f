"""App -> Diagnostics: all rules, all findings, nothing thrown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fairway.check.accepted import check_accepted
from fairway.check.handlers import check_handlers
from fairway.check.limits import check_limits
from fairway.check.references import check_references
from fairway.check.routes import check_routes
from fairway.compile import compile_app
from fairway.define import App, Definition
from fairway.diagnostics import Diagnostic
from fairway.errors import InvalidApplication

RULES: tuple[Callable[[App], Iterator[Diagnostic]], ...] = (
    check_accepted,
    check_references,
    check_routes,
    check_handlers,
    check_limits,
)


def check_definition(definition: Definition) -> list[Diagnostic]:
    """Every finding on what could be read, those of reading included."""
    found = list(definition.diagnostics)
    if definition.app is not None:
        for check in RULES:
            found += check(definition.app)
        if not any(d.is_error for d in found):
            found += _check_templates(definition.app)
    return list(dict.fromkeys(found))


def _check_templates(app: App) -> list[Diagnostic]:
    """What only compiling can tell, here so that it is told before anything is started."""
    try:
        compile_app(app)
    except InvalidApplication as error:
        return error.diagnostics
    return []


def require_valid(definition: Definition) -> App:
    """The application when it has no errors. Raises InvalidApplication with all of them."""
    found = check_definition(definition)
    if definition.app is None or any(d.is_error for d in found):
        raise InvalidApplication(found)
    return definition.app
