"""Who may do what: policies compared as sets of single permissions.

The order of statements and of what is in them means nothing, so moving things about is no
change. Identity policies, trust, resource policies and Lambda's own permissions count alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, Literal

from fairway.plan.model import Action, Plan
from fairway.plan.naming import (
    find_own_names,
    list_components,
    name_principal,
    name_role,
    name_value,
    say_own_names,
)
from fairway.plan.reading import read_list, read_mapping, read_mappings, read_properties

Kind = Literal["identity", "trust", "resource", "path"]
_Source = tuple[str, str]  # the logical id of what holds a policy, and its stack
_BROAD_POLICIES = ("AdministratorAccess", "PowerUserAccess", "FullAccess")


@dataclass(frozen=True, slots=True)
class Grant:
    """One principal, one action, one resource; `resource` is named as a reviewer knows it.

    kind: path is what an endpoint lets through, which gives nobody a permission ("Control
    access to VPC endpoints using endpoint policies"). source: logical id of the resource that
    holds the policy.
    """

    principal: str
    effect: str
    action: str
    resource: str
    condition: str
    kind: Kind
    source: str
    stack: str

    @property
    def is_wildcard(self) -> bool:
        """Whether it reaches further than what it names."""
        if self.effect != "Allow" or self.kind == "path":
            return False
        if self.principal == "anyone" and not self.condition:
            return True
        broad = self.action == "*" or self.action.endswith(":*") or "all but" in self.action
        if self.kind == "identity":
            policy = self.action.startswith("policy ") and self.action.endswith(_BROAD_POLICIES)
            return broad or policy or self.resource == "*" or "all but" in self.resource
        # A resource's own policy that leaves the judgement to the account's IAM is no wildcard.
        return broad and self.principal != "this account"


_SORTED_BY = attrgetter(*(item.name for item in fields(Grant)))
_SAME_BUT_ACTION = attrgetter(*(item.name for item in fields(Grant) if item.name != "action"))


@dataclass(frozen=True, slots=True)
class PermissionChange:
    """Permissions that one principal gains or loses on one resource."""

    gained: bool
    principal: str
    effect: str
    actions: tuple[str, ...]
    resource: str
    condition: str
    kind: Kind
    source: str
    stack: str
    wildcard: bool


def compare_permissions(plan: Plan) -> tuple[PermissionChange, ...]:
    """What every principal gains and loses; wildcards first, then gains, then losses."""
    before: set[Grant] = set()
    after: set[Grant] = set()
    for stack in plan.stacks:
        kept = {c.logical_id for c in stack.changes if c.action is Action.KEEP}
        components = list_components(stack)
        there = stack.observed.template.get("Resources", {}) if stack.observed else {}
        wanted = stack.template.resources if stack.template else {}
        stays = {i: body for i, body in there.items() if i in kept}
        before.update(_list_all(stack.name, there, components))
        after.update(_list_all(stack.name, {**wanted, **stays}, components))
    gained, lost = after - before, before - after
    names = find_own_names(plan)
    changes = [
        replace(
            change,
            resource=say_own_names(change.resource, names),
            condition=say_own_names(change.condition, names),
        )
        for change in (*_group(gained, gained=True), *_group(lost, gained=False))
    ]
    return tuple(sorted(changes, key=_rank))


def list_grants(
    stack: str, logical_id: str, body: Mapping[str, Any], components: Mapping[str, str]
) -> Iterator[Grant]:
    """The permissions that one resource of a stack's template gives."""
    properties, source = read_properties(body), (logical_id, stack)
    match body.get("Type"):
        case "AWS::IAM::Role":
            yield from _list_role(source, properties, components)
        case "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" | "AWS::IAM::RolePolicy":
            roles = read_list(properties.get("Roles", properties.get("RoleName"))) or [logical_id]
            for role in roles:
                holder = name_value(role)
                holder = name_role(holder, components.get(holder, holder))
                document = properties.get("PolicyDocument")
                yield from _list_document(document, source, "identity", holder=holder)
        case "AWS::Lambda::Permission":
            yield _read_lambda_permission(source, properties)
        case "AWS::EC2::VPCEndpoint":
            yield from _list_document(properties.get("PolicyDocument"), source, "path")
        case _:
            named = next((properties[k] for k in _OWNERS if k in properties), None)
            owner = name_value(named) if named is not None else logical_id
            for document in _find_documents(properties):
                yield from _list_document(document, source, "resource", owner=owner)


# Properties by which a policy resource names whose policy it is.
_OWNERS = ("Bucket", "Queues", "Topics", "SecretId", "RepositoryName")


def describe_permission(change: PermissionChange) -> str:
    """A change of permissions in one line: `+ api: dynamodb:GetItem on Entries`."""
    sign = "+" if change.gained else "-"
    verb = "" if change.effect == "Allow" else "denied "
    through = f" through {change.source}" if change.kind == "path" else ""
    condition = f" if {change.condition}" if change.condition else ""
    mark = " (wildcard)" if change.wildcard else ""
    actions = show_actions(change.actions)
    return (
        f"{sign} {change.principal}: {verb}{actions} on {change.resource}{through}{condition}{mark}"
    )


def show_actions(actions: tuple[str, ...], most: int = 0) -> str:
    """Actions with their service once: `dynamodb:GetItem, PutItem (+9)`; most: 0 is all."""
    words: list[str] = []
    service = ""
    for action in actions[: most or None]:
        head, _, tail = action.rpartition(":")
        words.append(tail if head and head == service else action)
        service = head
    rest = len(actions) - len(words)
    return ", ".join(words) + (f" (+{rest})" if rest else "")


def _list_all(
    stack: str, resources: Mapping[str, Any], components: Mapping[str, str]
) -> Iterator[Grant]:
    for logical_id, body in resources.items():
        yield from list_grants(stack, logical_id, body, components)


def _list_role(
    source: _Source, properties: Mapping[str, Any], components: Mapping[str, str]
) -> Iterator[Grant]:
    logical_id = source[0]
    holder = name_role(logical_id, components.get(logical_id, logical_id))
    trust = properties.get("AssumeRolePolicyDocument")
    yield from _list_document(trust, source, "trust", owner=f"the role of {holder}")
    for policy in read_mappings(properties.get("Policies")):
        document = policy.get("PolicyDocument")
        yield from _list_document(document, source, "identity", holder=holder)
    for arn in read_list(properties.get("ManagedPolicyArns")):
        name = name_value(arn).removeprefix("policy/").rsplit("/", 1)[-1]
        yield Grant(holder, "Allow", f"policy {name}", "what it names", "", "identity", *source)


def _read_lambda_permission(source: _Source, properties: Mapping[str, Any]) -> Grant:
    conditions = [
        f"{key} is {name_value(properties[key])}"
        for key in ("SourceArn", "SourceAccount", "PrincipalOrgID", "FunctionUrlAuthType")
        if key in properties
    ]
    return Grant(
        name_principal(name_value(properties.get("Principal", "*"))),
        "Allow",
        str(properties.get("Action", "lambda:InvokeFunction")),
        name_value(properties.get("FunctionName", "")),
        " and ".join(conditions),
        "resource",
        *source,
    )


def _find_documents(value: Any) -> Iterator[Mapping[str, Any]]:
    """Policy documents at any depth of a resource's properties."""
    if isinstance(value, dict | Mapping):
        if "Statement" in value:
            yield value
            return
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            if not isinstance(item, str):
                yield from _find_documents(item)


def _list_document(
    document: Any, source: _Source, kind: Kind, *, holder: str = "", owner: str = ""
) -> Iterator[Grant]:
    """holder: who has an identity policy; owner: what another policy is about."""
    for statement in read_mappings(read_mapping(document).get("Statement")):
        principals = [holder] if holder else list(_read_principals(statement))
        actions = [str(item) for item in _read_either(statement, "Action")]
        resources = [owner] if owner else [str(i) for i in _read_either(statement, "Resource")]
        if kind == "resource" and statement.get("Resource") not in ("*", None):
            # Part of what the owner holds: objects below a path, messages of one queue.
            named = {name_value(item) for item in read_list(statement["Resource"])}
            resources = sorted(name if name.startswith(owner) else f"{owner}" for name in named)
        effect = str(statement.get("Effect", "Allow"))
        condition = _read_condition(statement.get("Condition"))
        for principal in principals:
            for action in actions:
                for resource in resources or ["*"]:
                    yield Grant(principal, effect, action, resource, condition, kind, *source)


def _read_either(statement: Mapping[str, Any], key: str) -> Iterator[str]:
    """Action or NotAction, Resource or NotResource."""
    for item in read_list(statement.get(key)):
        yield name_value(item)
    if f"Not{key}" in statement:
        yield f"all but {name_value(read_list(statement[f'Not{key}']))}"


def _read_principals(statement: Mapping[str, Any]) -> Iterator[str]:
    if "NotPrincipal" in statement:
        yield f"all but {name_value(statement['NotPrincipal'])}"
        return
    principal = statement.get("Principal", "*")
    if not isinstance(principal, Mapping) or principal.keys() & {"Ref", "Fn::Sub", "Fn::GetAtt"}:
        yield name_principal(name_value(principal))
        return
    for items in principal.values():
        for item in read_list(items):
            yield name_principal(name_value(item))


def _read_condition(condition: Any) -> str:
    if not condition:
        return ""
    if not isinstance(condition, Mapping):
        return name_value(condition)
    return " and ".join(
        f"{key} {operator} {name_value(value)}"
        for operator, tests in sorted(condition.items())
        for key, value in sorted(read_mapping(tests).items())
    )


def _group(grants: set[Grant], *, gained: bool) -> Iterator[PermissionChange]:
    """Grants that differ in their actions alone, as one change each."""
    groups: dict[tuple[Any, ...], list[Grant]] = defaultdict(list)
    for grant in sorted(grants, key=_SORTED_BY):  # its own order makes two tuples a comparison
        groups[_SAME_BUT_ACTION(grant), grant.is_wildcard].append(grant)
    for (_, wildcard), found in groups.items():
        first, actions = found[0], tuple(grant.action for grant in found)
        yield PermissionChange(
            gained,
            first.principal,
            first.effect,
            actions,
            first.resource,
            first.condition,
            first.kind,
            first.source,
            first.stack,
            wildcard,
        )


def _rank(change: PermissionChange) -> tuple[Any, ...]:
    kinds = ("identity", "resource", "trust", "path")
    grants = (change.effect == "Allow") == change.gained
    return (
        not (change.wildcard and change.gained),
        not grants,
        change.effect != "Allow",
        kinds.index(change.kind),
        change.principal.swapcase(),  # components have small letters, and come first
        change.resource,
        change.condition,
    )
