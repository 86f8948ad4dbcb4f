"""Values for programs: JSON on stdout, stable names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click

from fairway.diagnostics import Diagnostic, Place, sort_diagnostics
from fairway.plan import Plan, review_plan
from fairway.plan.describe import describe_plan, describe_review, to_plain


def print_json(value: Any, indent: int | None = 2) -> None:
    """Print a value built of dataclasses and plain types; on one line without `indent`."""
    click.echo(json.dumps(value, indent=indent, default=_simplify))


def diagnostics_to_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """Findings in the order of the file."""
    return [
        {**asdict(finding), "place": _place(finding.place)}
        for finding in sort_diagnostics(list(diagnostics))
    ]


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan: every change of every stack, and the review of it."""
    return {**describe_plan(plan), "review": describe_review(review_plan(plan))}


def _place(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"file": str(place.file), "line": place.line, "column": place.column}


def _simplify(value: Any) -> Any:
    return to_plain(value)
