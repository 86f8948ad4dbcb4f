"""What policies allowed, once each: what a role or a user really uses.

CloudTrail and IAM's "last accessed information" answer this on AWS. Whoever wants to
make a policy smaller takes away what is granted and is not here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

LIMIT = 20_000
"""Calls kept; then those go that were not made again for longest."""

LONGEST = 2_048
"""Characters of a resource; no ARN is longer, but a request may name what it likes."""

Tell = Callable[["Allowance"], None]


@dataclass(frozen=True, slots=True)
class Allowance:
    """One call that a policy allowed. principal, resource: ARNs; action: "dynamodb:PutItem"."""

    principal: str
    action: str
    resource: str


class Allowances:
    """The calls since the start of this cloud, but for those of the account's owner."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._kept: OrderedDict[Allowance, None] = OrderedDict()

    def note(self, allowance: Allowance) -> None:
        """A call was allowed."""
        if allowance in self._kept:
            self._kept.move_to_end(allowance)
            return
        if allowance.principal.endswith(":root") or len(allowance.resource) > LONGEST:
            return
        self._kept[allowance] = None
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def describe(self) -> list[dict[str, Any]]:
        """All; what was called last comes last."""
        return [asdict(allowance) for allowance in list(self._kept)]


def tell_allowed(evaluator: Any, original: Callable[..., Any], tell: Tell) -> Callable[..., Any]:
    """Ask the evaluator, and tell of what it allows. original: ministack's `enforce`."""

    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: Any = None,
    ) -> Any:
        result = original(access_key_id, iam_action, service, region, resource_arn, service_context)
        if result is None:
            tell(Allowance(_name_principal(evaluator, access_key_id), iam_action, resource_arn))
        return result

    return enforce


def _name_principal(evaluator: Any, access_key_id: str) -> str:
    """The ARN behind a key; "anonymous" for a call without one, which a policy let in."""
    from ministack.core import responses
    from ministack.services import sts

    if not access_key_id:
        return "anonymous"
    session = sts._sessions.get(access_key_id)
    if session is not None:
        return str(session["Arn"])
    found = evaluator.resolve_credential(access_key_id, responses.get_account_id())
    known = isinstance(found, evaluator.ResolvedCredential) and found.principal_arn
    return str(known or "anonymous")
