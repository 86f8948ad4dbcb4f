"""The first real cause, in six lines at most, and a hint that fits it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.apply.cause import explain_failure, find_hint
from fairway.apply.stuck import STUCK, refuse_stuck
from fairway.diagnostics import Place
from fairway.errors import DeploymentFailed
from fairway.events import ResourceProgress
from fairway.plan.model import Action, Change, StackPlan

PLACE = Place(Path("fairway.yml"), 12, 3)
PLAN = StackPlan(
    "shop-prod-app",
    None,
    None,
    {},
    (Change("Api", "AWS::Lambda::Function", "api", Action.UPDATE, PLACE),),
)


def tell(logical_id: str, status: str, reason: str = "") -> ResourceProgress:
    return ResourceProgress("shop-prod-app", logical_id, "AWS::X::Y", status, reason)


def test_the_first_cause_not_what_it_cancelled() -> None:
    events = [
        tell("shop-prod-app", "UPDATE_IN_PROGRESS"),
        tell("Web", "CREATE_FAILED", "Resource creation cancelled"),
        tell("Api", "UPDATE_FAILED", "User: x is not authorized to perform: kms:Decrypt on y"),
        tell("Queue", "CREATE_FAILED", "Queue already exists"),
        tell("shop-prod-app", "UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed"),
    ]
    error = explain_failure(PLAN, "UPDATE_ROLLBACK_COMPLETE", events, {})
    assert error.summary == (
        "Api (fairway.yml:12:3) in shop-prod-app: User: x is not authorized to perform: "
        "kms:Decrypt on y; this stack was rolled back"
    )
    assert "lack a permission" in (error.hint or "")
    assert error.detail == "1 more failed on their own; --events shows everything"
    assert len(error.events) == 5
    assert "UPDATE_FAILED" in error.events[2]


def test_reasons_of_many_lines_stay_short() -> None:
    events = [tell("Api", "UPDATE_FAILED", "line\n" * 500)]
    error = explain_failure(PLAN, "UPDATE_ROLLBACK_FAILED", events, {})
    assert "\n" not in error.summary
    assert len(error.summary) < 600
    assert error.summary.endswith("rolling back failed too")
    assert "fairway repair" in (error.hint or "")


def test_without_any_event() -> None:
    error = explain_failure(PLAN, "UPDATE_FAILED", [], {"StackStatusReason": "who knows"})
    assert "ended as UPDATE_FAILED: who knows" in error.summary


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("shop-api already exists in stack x", "this name"),
        ("The maximum number of VPCs has been reached.", "Service Quotas"),
        ("The bucket you tried to delete is not empty", "how to empty it"),
        ("resource sg-1 has a dependent object", "40 minutes"),
        ("Rate exceeded", "slow down"),
        ("something else", "mend the cause"),
    ],
)
def test_hints(reason: str, word: str) -> None:
    assert word in find_hint(reason)


@pytest.mark.parametrize("status", STUCK)
def test_stuck_states(status: str) -> None:
    if not STUCK[status].needs_repair:
        refuse_stuck("shop-prod-app", status, "prod")
        return
    with pytest.raises(DeploymentFailed, match=f"stuck in {status}") as refused:
        refuse_stuck("shop-prod-app", status, "prod")
    assert "fairway repair -e prod" in (refused.value.hint or "")
