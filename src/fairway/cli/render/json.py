"""Values for programs: JSON on stdout, stable names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click

from fairway.diagnostics import Diagnostic, Place, sort_diagnostics
from fairway.plan.model import Plan, Unknown


def print_json(value: Any) -> None:
    """Print a value built of dataclasses and plain types."""
    click.echo(json.dumps(value, indent=2, default=_simplify))


def diagnostics_to_json(diagnostics: Iterable[Diagnostic]) -> list[dict[str, Any]]:
    """Findings in the order of the file."""
    return [
        {**asdict(finding), "place": _place(finding.place)}
        for finding in sort_diagnostics(list(diagnostics))
    ]


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan: every change of every stack."""
    return {
        "app": plan.app,
        "environment": plan.environment,
        "region": plan.region,
        "compared": plan.compared,
        "destroys": plan.destroys,
        "empty": plan.is_empty,
        "kept_tables": list(plan.kept_tables),
        "counts": {action.value: count for action, count in plan.count().items()},
        "artifacts": [{"name": a.name, "digest": a.digest, "size": a.size} for a in plan.artifacts],
        "stacks": [
            {
                "name": stack.name,
                "changes": [
                    {
                        "logical_id": change.logical_id,
                        "type": change.resource_type,
                        "component": change.component,
                        "action": change.action.value,
                        "place": _place(change.place),
                        "physical_id": change.physical_id,
                        "keeps_old": change.keeps_old,
                        "properties": [asdict(item) for item in change.properties],
                    }
                    for change in stack.changes
                ],
            }
            for stack in plan.stacks
        ],
    }


def _place(place: Place | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {"file": str(place.file), "line": place.line, "column": place.column}


def _simplify(value: Any) -> Any:
    if isinstance(value, Unknown):
        return {"unknown_until": value.what}
    return str(value)
