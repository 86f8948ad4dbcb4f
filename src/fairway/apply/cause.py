"""The first real cause of a failure: the resource, its line, what to do; six lines at most."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fairway.errors import DeploymentFailed
from fairway.events import ResourceProgress
from fairway.plan.model import StackPlan

# What CloudFormation says of resources that only stopped because another one failed.
_NOT_CAUSES = (
    "Resource creation cancelled",
    "Resource update cancelled",
    "Resource deletion cancelled",
    "The following resource",
)
_LONGEST_REASON = 400

# What to do about a reason, the first that fits. Their words are AWS's own.
_HINTS: tuple[tuple[str, str], ...] = (
    (
        r"not authorized to perform:? (?P<action>[\w:-]+)|AccessDenied",
        "the credentials that apply lack a permission; grant it, then run the same command again",
    ),
    (
        r"already exists",
        "something outside the application has this name: rename one, or remove the other",
    ),
    (
        r"(?i)limit ?exceeded|maximum number|quota",
        "a limit of the account is reached: remove what is not used, or ask for more under "
        "Service Quotas",
    ),
    (r"(?i)rate exceeded|throttl", "AWS asked to slow down; run the same command again"),
    (r"(?i)not empty", "the bucket holds objects: `fairway repair` says how to empty it"),
    (
        r"(?i)(dependent object|in use|has dependencies)",
        "something still uses it; after a function left a network that takes up to 40 minutes: "
        "`fairway repair`",
    ),
    (
        r"(?i)certificate",
        "the certificate must be issued, for this domain, in this region and account",
    ),
    (r"(?i)timed? ?out|did not stabilize", "see `fairway logs` for why it did not become ready"),
)
_MEND = "mend the cause and run the same command again"


def explain_failure(
    plan: StackPlan, status: str, events: Sequence[ResourceProgress], stack: dict[str, Any]
) -> DeploymentFailed:
    """The error for a stack that ended badly; `events` are those of this operation."""
    failures = [e for e in events if e.status.endswith("_FAILED") and e.logical_id != plan.name]
    causes = [f for f in failures if not f.reason.startswith(_NOT_CAUSES)] or failures
    ending = _say_ending(status)
    if causes:
        first = causes[0]
        reason = first.reason or "no reason was given"
        change = next((c for c in plan.changes if c.logical_id == first.logical_id), None)
        where = f" ({change.place})" if change and change.place else ""
        summary = f"{first.logical_id}{where} in {plan.name}: {_shorten(reason)}{ending}"
    else:
        reason = stack.get("StackStatusReason", "no reason was given")
        summary = f"{plan.name} ended as {status}: {_shorten(reason)}{ending}"
    more = len({f.logical_id for f in causes[1:]} - {c.logical_id for c in causes[:1]})
    error = DeploymentFailed(summary, hint=find_hint(reason, status))
    if more:
        error.detail = f"{more} more failed on their own; --events shows everything"
    error.events = tuple(
        f"{e.status:<28} {e.logical_id}" + (f": {e.reason}" if e.reason else "") for e in events
    )
    return error


def find_hint(reason: str, status: str = "") -> str:
    """What to do about a reason that CloudFormation gave."""
    if status.endswith("ROLLBACK_FAILED") or status == "DELETE_FAILED":
        return "the stack is stuck: `fairway repair` explains and mends it"
    return next((hint for pattern, hint in _HINTS if re.search(pattern, reason)), _MEND)


def _say_ending(status: str) -> str:
    if "ROLLBACK_COMPLETE" in status:
        return "; this stack was rolled back"
    return "; rolling back failed too" if status.endswith("ROLLBACK_FAILED") else ""


def _shorten(text: str) -> str:
    """On one line, and not endless."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 3]}..."
