"""Stacks that CloudFormation does not change any more until something is done: why, and what.

AWS CloudFormation User Guide, "Stack status codes" and "Troubleshooting CloudFormation".
"""

from __future__ import annotations

from dataclasses import dataclass

from fairway.errors import DeploymentFailed


@dataclass(frozen=True)
class State:
    """What a status means and how it is mended. needs_repair: apply does not get past it."""

    means: str
    mended_by: str
    needs_repair: bool = True


STUCK: dict[str, State] = {
    "ROLLBACK_COMPLETE": State(
        "its creation failed and was undone: it is empty, and cannot be updated",
        "it is removed; what is kept on deletion stays, and apply makes it anew",
        needs_repair=False,
    ),
    "REVIEW_IN_PROGRESS": State(
        "its creation was prepared and never begun: it is empty",
        "what was prepared is removed, and it with it; apply makes it anew",
        needs_repair=False,
    ),
    "ROLLBACK_FAILED": State(
        "its creation failed, and so did the removal of what had been made",
        "it is removed; what is kept on deletion stays, and apply makes it anew",
    ),
    "CREATE_FAILED": State(
        "its creation failed and nothing was undone",
        "it is removed; what is kept on deletion stays, and apply makes it anew",
    ),
    "UPDATE_FAILED": State(
        "an update failed and nothing was undone",
        "the rollback is begun",
    ),
    "UPDATE_ROLLBACK_FAILED": State(
        "an update failed, and so did going back",
        "the rollback is tried again; with --skip, without the resources that hinder it",
    ),
    "DELETE_FAILED": State(
        "its deletion failed half way",
        "the deletion is tried again, after what holds it up is out of the way",
    ),
}


def refuse_stuck(stack: str, status: str, environment: str) -> None:
    """Raise DeploymentFailed for a stack that must be mended first."""
    state = STUCK.get(status)
    if state is None or not state.needs_repair:
        return
    where = "" if environment == "local" else f" -e {environment}"
    raise DeploymentFailed(
        f"{stack} is stuck in {status}: {state.means}; nothing was changed in it",
        hint=f"`fairway repair{where}` shows what hinders it, and mends it",
    )
