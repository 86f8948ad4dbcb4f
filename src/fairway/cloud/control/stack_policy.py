"""Stack policies: which resources an update may change.

CloudFormation User Guide, "Prevent updates to stack resources": with a policy,
everything is protected that no statement allows; an explicit deny wins.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Literal

Action = Literal["Update:Modify", "Update:Replace", "Update:Delete"]


def find_denial(policy: str, logical_id: str, kind: str, action: Action) -> str | None:
    """Why a policy forbids an update of a resource; None when it does not."""
    if not policy:
        return None
    target = f"LogicalResourceId/{logical_id}"
    statements = _as_list(json.loads(policy).get("Statement"))
    allowed = False
    for number, statement in enumerate(statements, 1):
        if not _applies(statement, target, kind, action):
            continue
        if statement.get("Effect") == "Deny":
            return (
                f"Action denied by stack policy: Statement [#{number}] explicitly denies "
                f"[{action}] for resource [{target}]"
            )
        allowed = True
    if allowed:
        return None
    return f"Action denied by stack policy: no statement allows [{action}] for resource [{target}]"


def _applies(statement: dict[str, Any], target: str, kind: str, action: str) -> bool:
    if "NotAction" in statement:
        acts = not _match(statement["NotAction"], action)
    else:
        acts = _match(statement.get("Action"), action)
    if "NotResource" in statement:
        names = not _match(statement["NotResource"], target)
    else:
        names = _match(statement.get("Resource", "*"), target)
    return acts and names and _is_type(statement.get("Condition") or {}, kind)


def _is_type(condition: dict[str, Any], kind: str) -> bool:
    """StringEquals and StringLike on ResourceType are the conditions that a stack policy knows."""
    wanted = [
        pattern
        for operator in ("StringEquals", "StringLike")
        for pattern in _as_list((condition.get(operator) or {}).get("ResourceType"))
    ]
    return not wanted or any(fnmatchcase(kind, str(pattern)) for pattern in wanted)


def _match(patterns: Any, value: str) -> bool:
    texts: Iterable[Any] = _as_list(patterns)
    return any(fnmatchcase(value, str(pattern)) for pattern in texts)


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]
