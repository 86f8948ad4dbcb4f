"""A plan as plain JSON, with secrets and values to come in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fairway.diagnostics import Place
from fairway.plan.masking import Secret
from fairway.plan.model import Change, CodeChange, Drift, Plan, PropertyChange, Unknown
from fairway.plan.review import Review


def describe_plan(plan: Plan) -> dict[str, Any]:
    """Every change of every stack; places name the file without its directory."""
    return {
        "app": plan.app,
        "environment": plan.environment,
        "region": plan.region,
        "account": plan.account,
        "compared": plan.compared,
        "against": plan.against,
        "destroys": plan.destroys,
        "empty": plan.is_empty,
        "kept_tables": list(plan.kept_tables),
        "full": plan.full,
        "short_way": [_describe_code(change) for change in plan.short_way],
        "counts": {action.value: count for action, count in plan.count().items()},
        "drift": None if plan.drift is None else [_describe_drift(d) for d in plan.drift],
        "forecasts": None if plan.forecasts is None else [asdict(f) for f in plan.forecasts],
        "artifacts": [{"name": a.name, "digest": a.digest, "size": a.size} for a in plan.artifacts],
        "stacks": [
            {"name": stack.name, "changes": [_describe_change(c) for c in stack.changes]}
            for stack in plan.stacks
        ],
    }


def describe_review(review: Review) -> dict[str, Any]:
    """The review of a plan, with the sums of its costs."""
    costs: dict[str, Any] = {"as_of": review.cost.as_of, "missing": review.cost.missing}
    for name, estimate in (("before", review.cost.before), ("after", review.cost.after)):
        costs[name] = {
            "dollars_per_month": round(estimate.total, 2),
            "of_it_fixed": round(estimate.fixed, 2),
            "not_counted": list(estimate.not_counted),
            "items": [asdict(item) for item in estimate.items],
        }
    return {
        "data": [asdict(item) for item in review.data],
        "permissions": [asdict(item) for item in review.permissions],
        "internet": [asdict(item) for item in review.exposure],
        "interruption": [asdict(item) for item in review.interruptions],
        "cost": costs,
    }


def to_plain(value: Any) -> Any:
    """A value of a template for JSON; what cannot be told stands as a mapping that says why."""
    match value:
        case Unknown():
            return {"unknown_until": value.what}
        case Secret():
            return {"secret": True}
        case Mapping():
            return {key: to_plain(item) for key, item in value.items()}
        case list() | tuple():
            return [to_plain(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def describe_place(place: Place | None) -> dict[str, Any] | None:
    """A place by the name of its file, so that it is the same from every directory."""
    if place is None:
        return None
    return {"file": place.file.name, "line": place.line, "column": place.column}


def _describe_change(change: Change) -> dict[str, Any]:
    return {
        "logical_id": change.logical_id,
        "type": change.resource_type,
        "component": change.component,
        "action": change.action.value,
        "place": describe_place(change.place),
        "physical_id": change.physical_id,
        "keeps_old": change.keeps_old,
        "properties": [_describe_property(item) for item in change.properties],
    }


def _describe_property(item: PropertyChange) -> dict[str, Any]:
    return {
        "path": item.path,
        "before": to_plain(item.before),
        "after": to_plain(item.after),
        "replaces": item.replaces,
        "certain": item.certain,
        "place": describe_place(item.place),
    }


def _describe_code(change: CodeChange) -> dict[str, Any]:
    return {**asdict(change), "place": describe_place(change.place)}


def _describe_drift(drift: Drift) -> dict[str, Any]:
    return {
        "stack": drift.stack,
        "logical_id": drift.logical_id,
        "type": drift.resource_type,
        "is_gone": drift.is_gone,
        "properties": [_describe_property(item) for item in drift.properties],
        "place": describe_place(drift.place),
    }
