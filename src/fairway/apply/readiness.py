"""Before a plan is made for being applied: nobody else applies, and nothing is under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fairway.apply.journal import list_journals
from fairway.apply.lock import LOCKS, IsAlive, explain_lock, is_alive, lock_key, read_lock
from fairway.apply.store import find_store
from fairway.apply.stuck import refuse_stuck
from fairway.aws import Aws
from fairway.aws.stacks import list_states
from fairway.events import Report, StepFinished, StepStarted
from fairway.plan.waiting import Pace

_AT_REST = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
_PREPARED = "REVIEW_IN_PROGRESS"  # nothing moves in it until somebody executes


@dataclass(frozen=True)
class Scope:
    """What is asked about: an application in an environment, and which stacks are its own."""

    app: str
    environment: str
    owns: Callable[[str], bool]


def find_busy(aws: Aws, scopes: Sequence[Scope], states: Mapping[str, str]) -> set[str]:
    """The applications that somebody holds the lock of, or that have a stack not at rest.

    states: of all stacks. One question for all, where `await_quiet` asks some for each.
    """
    store = find_store(aws) if states else None
    locked = set(store.list(LOCKS)) if store is not None else set()
    return {
        scope.app
        for scope in scopes
        if lock_key(scope.app, scope.environment) in locked
        or any(scope.owns(n) and status not in _AT_REST for n, status in states.items())
    }


def await_quiet(
    aws: Aws,
    scope: Scope,
    report: Report,
    now: datetime,
    *,
    mends: bool = False,
    pace: Pace | None = None,
    alive: IsAlive = is_alive,
) -> bool:
    """Wait until CloudFormation is done with the stacks; whether a killed apply is to be ended.

    mends: whether stuck stacks are what is asked for. Raises LockHeld while somebody else
    applies, DeploymentFailed when a stack is stuck.
    """
    store = find_store(aws)
    unfinished = False
    if store is not None:
        held = read_lock(store, scope.app, scope.environment)
        if held is not None and alive(held.lock.holder):
            raise explain_lock(held.lock, now)
        unfinished = held is not None or bool(list_journals(store, scope.app, scope.environment)[1])
    states = _wait_for_rest(aws, scope, report, pace or Pace())
    if not mends:
        for name, status in states.items():
            refuse_stuck(name, status, scope.environment)
    return unfinished


def _wait_for_rest(aws: Aws, scope: Scope, report: Report, pace: Pace) -> dict[str, str]:
    """The states of the scope's stacks once nothing is under way in them."""
    told, began = "", time.monotonic()
    for _ in pace.beats():
        states = {n: status for n, status in list_states(aws).items() if scope.owns(n)}
        moving = [
            f"{name} ({status})"
            for name, status in states.items()
            if status.endswith("_IN_PROGRESS") and status != _PREPARED
        ]
        if not moving:
            if told:
                report(StepFinished(told, time.monotonic() - began))
            return states
        if not told:
            told = f"waiting for CloudFormation, which is busy with {', '.join(sorted(moving))}"
            report(StepStarted(told))
    raise AssertionError("beats are endless")
