"""Decisions about requests, remembered by everything that they follow from.

Most requests of a function repeat: the same role, action and resource, under
the same policies. A decision is kept under the texts of all policies that took
part, so nothing has to be told of a change: other texts are another question.
Where a condition was looked at, or anything takes part that is not known here,
there is no question, and the evaluator is asked each time. Only that a call is
allowed is remembered, never that it is refused.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from fairway.cloud.control import keys

LIMIT = 4096
"""Decisions kept; then all are dropped, which costs one slow check each."""

SERVICES = frozenset({"dynamodb", "sns", "sqs"})
"""Whose decisions follow from identity, resource and key policies alone, as asked below."""

Question = tuple[Any, ...]


class Decisions:
    """Questions that were allowed before."""

    def __init__(self, evaluator: Any) -> None:
        self._evaluator = evaluator
        self._allowed: set[Question] = set()

    def ask(self, access_key_id: str, action: str, service: str, resource: str) -> Question | None:
        """All that the decision about a role's call follows from; None where that is not known."""
        from ministack.services import sts

        session = sts._sessions.get(access_key_id)
        if service not in SERVICES or session is None or not resource.startswith("arn:"):
            return None
        if session.get("PrincipalType") != "AssumedRole" or session.get("SessionPolicies"):
            return None
        principal, account = str(session["Arn"]), str(session["AccountId"])
        texts = self._gather_texts(principal, account)
        own = self._read_policy(service, resource)
        key = _read_key(action, resource)
        if texts is None or own is None or key is None:
            return None
        return (principal, account, action, resource, texts, own, key)

    def knows(self, question: Question | None) -> bool:
        """Whether exactly this was allowed before."""
        return question is not None and question in self._allowed

    def keep(self, question: Question | None) -> None:
        """The evaluator allowed it."""
        if question is None or self._looks_at_conditions(question):
            return
        if len(self._allowed) >= LIMIT:
            self._allowed.clear()
        self._allowed.add(question)

    def list_asked(self, question: Question) -> list[tuple[str, str]]:
        """The actions that a question is about, with their resources: the key's too."""
        _, _, action, resource, _, _, key = question
        uses = [(use, key[0]) for use in key[1]] if key else []
        return [(action, resource), *uses]

    def _gather_texts(self, principal: str, account: str) -> Question | None:
        from ministack.services import iam

        name = principal.split(":assumed-role/", 1)[-1].split("/", 1)[0]
        role = iam._roles.get_scoped(account, None, name)
        if role is None or role.get("PermissionsBoundary"):
            return None
        found = list((role.get("InlinePolicies") or {}).values())
        for arn in role.get("AttachedPolicies") or ():
            found.append(self._evaluator._resolve_managed_policy_document(arn, account) or "")
        return tuple(found) if all(isinstance(text, str) for text in found) else None

    def _read_policy(self, service: str, resource: str) -> Question | None:
        """The resource's own policy and its owner."""
        found = self._evaluator._resource_policy(service, resource)
        if found is None:
            return ("", "")
        policy, owner = found
        plain = isinstance(policy, str) and not has_conditions(policy)
        return (policy, str(owner)) if plain else None

    def _looks_at_conditions(self, question: Question) -> bool:
        texts, asked = question[4], self.list_asked(question)
        evaluator = self._evaluator
        return any(
            statement.conditions
            and evaluator._action_matches(name, statement.actions, statement.not_actions)
            and evaluator._resource_matches(on, statement.resources, statement.not_resources)
            for text in texts
            for statement in evaluator.parse_policy_document(text)
            for name, on in asked
        )


def _read_key(action: str, resource: str) -> Question | None:
    """The key's ARN, uses, state and policy; () without a key, None for one that is not usable."""
    reference = keys.find_reference(action, resource)
    if not reference:
        return ()
    record = keys.find_record(reference, resource)
    if record is None:
        return () if keys.is_managed(reference) else None
    policy = record.get("Policy") or ""
    usable = record.get("KeyState") == "Enabled"
    if not usable or not isinstance(policy, str) or has_conditions(policy):
        return None
    return (str(record["Arn"]), keys.NEEDS[action], policy)


@functools.lru_cache(maxsize=512)
def has_conditions(policy: str) -> bool:
    """Whether a condition, or what cannot be read, may decide about a caller who is no service."""
    if not policy:
        return False
    try:
        statements = json.loads(policy)["Statement"]
    except (ValueError, KeyError, TypeError):
        return True
    listed = statements if isinstance(statements, list) else [statements]
    return any(not isinstance(each, dict) or _may_depend(each) for each in listed)


def _may_depend(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal")
    of_services = isinstance(principal, dict) and set(principal) == {"Service"}
    return bool(statement.get("Condition")) and not of_services
