"""What a function's role, or a service of AWS, may do: asked by the cloud itself.

Requests are checked where they enter (`identity`). What the cloud does on
behalf of a function or of a service, to read a queue or to hand on an event,
is no request; it is asked here, of the same policies and the same evaluator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fairway.cloud.control.denials import Denial, find_caller
from fairway.cloud.control.durable.touch import peek
from fairway.cloud.control.keys import KeyNeed, find_key, service_may_use

Tell = Callable[[Denial], None]


@dataclass(frozen=True, slots=True)
class FunctionRole:
    """A function acting in its role. role: ARN; function: name."""

    role: str
    function: str

    @property
    def principal(self) -> str:
        """The ARN that policies and refusals name."""
        account, name = self.role.split(":")[4], self.role.rsplit("/", 1)[-1]
        return f"arn:aws:sts::{account}:assumed-role/{name}/{self.function}"


def find_role(arn: str) -> FunctionRole | None:
    """Whom a function acts as, by its ARN with or without a qualifier; None without a function."""
    from ministack.services import lambda_svc

    parts = arn.split(":")
    record = lambda_svc._functions.get_scoped(parts[4], parts[3], parts[6])
    if record is None:
        return None
    config = record["config"]
    return FunctionRole(str(config.get("Role") or ""), str(config["FunctionName"]))


def find_refusal(who: FunctionRole, action: str, resource: str) -> Denial | None:
    """Why a role may not do this to a resource, its key included; None when it may."""
    if not role_allows(who, action, resource):
        return Denial(who.principal, action, resource)
    need = find_key(action, resource)
    return find_key_refusal(who, need) if need else None


def find_key_refusal(who: FunctionRole, need: KeyNeed) -> Denial | None:
    """The first use of a key that a role is refused, or None."""
    for action in need.actions:
        if not need.usable or not role_allows(who, action, need.key, need.context):
            return Denial(who.principal, action, need.key)
    return None


def role_allows(
    who: FunctionRole, action: str, resource: str, context: Mapping[str, str] | None = None
) -> bool:
    """Whether a role's policies and the resource's own allow an action. context: condition keys."""
    from ministack.core import iam_evaluator as evaluator
    from ministack.core.responses import request_scope
    from ministack.services import iam

    account, name = who.role.split(":")[4:5], who.role.rsplit("/", 1)[-1]
    if not account or ":role/" not in who.role:
        return False
    service, region = action.partition(":")[0], resource.split(":")[3]
    with request_scope(account[0], region or who.role.split(":")[3]):
        policies = evaluator._gather_role_policies(name, account[0])
        limits = evaluator._permissions_boundary(iam._roles, name, account[0])
        asked = evaluator.EvalContext(
            principal_arn=who.principal,
            principal_type="AssumedRole",
            principal_account=account[0],
            action=action,
            resource_arn=resource,
            region=region,
            service_context=dict(context or {}),
        )
        result = evaluator.evaluate(asked, policies, *limits)
        found = evaluator._resource_policy(service, resource)
        if found is not None:
            result = evaluator.combine_resource_policy(
                result, asked, *found, required=service == "kms", limits=limits
            )
    return str(result.decision) == "Allow"


def find_revision(principal: str) -> str | None:
    """What changes with the code and the variables of a function that calls; None without one."""
    from ministack.services import lambda_svc

    caller = find_caller(principal)
    for (account, _, name), record in peek(lambda_svc._functions._data).items():
        if caller and name == caller[1] and account == principal.split(":")[4]:
            return read_revision(record["config"])
    return None


def read_revision(config: Mapping[str, Any]) -> str:
    """The same of a function's configuration, as the API gives it."""
    variables = (config.get("Environment") or {}).get("Variables") or {}
    return f"{config.get('CodeSha256')} {sorted(variables)}"


def watch_denial(denial: Denial) -> Callable[[], bool]:
    """Ask later whether a function's call that was denied now would be denied still.

    It is until the policies say something else: a call's own keys, such as the rows that it
    named, decide too, and are not known later. Where a key of AWS KMS was refused, or what only
    "*" names, any change of the policies ends it. That of a function that is gone is none.
    """
    caller = find_caller(denial.principal)
    if caller is None:
        return lambda: True
    who = FunctionRole(*caller)
    before = _spell_policies(who, denial)
    is_plain = denial.resource.startswith("arn:") and not denial.action.startswith("kms:")

    def holds() -> bool:
        if find_revision(denial.principal) is None:
            return False
        if _spell_policies(who, denial) == before:
            return True
        return is_plain and not role_allows(who, denial.action, denial.resource)

    return holds


def _spell_policies(who: FunctionRole, denial: Denial) -> str:
    """All that decides whether a role may do something, to be compared."""
    from ministack.core import iam_evaluator as evaluator
    from ministack.core.responses import request_scope
    from ministack.services import iam

    account, name = who.role.split(":")[4], who.role.rsplit("/", 1)[-1]
    parts = denial.resource.split(":")
    with request_scope(account, parts[3] if len(parts) > 3 else ""):
        policies = evaluator._gather_role_policies(name, account)
        limits = evaluator._permissions_boundary(iam._roles, name, account)
        own = evaluator._resource_policy(denial.action.partition(":")[0], denial.resource)
    return repr((policies, limits, own))


def service_allows(
    policy: Any, service: str, action: str, resource: str, source: str, account: str
) -> bool:
    """Whether a resource's policy lets a service act on it for a source.

    policy: a document or its text; service: "sns.amazonaws.com"; source: the ARN
    that is aws:SourceArn; account: aws:SourceAccount. Page "AWS global condition
    context keys".
    """
    from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy

    asked = EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=resource.split(":")[3] if resource.startswith("arn:") else "",
        service_context={"aws:sourcearn": source, "aws:sourceaccount": account},
    )
    return str(evaluate_resource_policy(policy, asked, service=service).decision) == "Allow"


def service_may_send(service: str, action: str, queue: str) -> bool:
    """Whether a service may use the key of an encrypted queue or topic; True without a key."""
    need = find_key(action, queue)
    return need is None or service_may_use(need, service)
