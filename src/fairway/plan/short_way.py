"""The short way: code that alone changes is given to its functions, past CloudFormation.

An update of a stack takes it 20 seconds and more, UpdateFunctionCode a few. It is taken only
where CloudFormation would do nothing else either: docs/decisions/0019-the-short-way.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fairway.plan.compare import fill_parameters, find_references
from fairway.plan.model import Action, Change, CodeChange, Plan, StackPlan, Unknown
from fairway.plan.reading import read_properties

FUNCTION = "AWS::Lambda::Function"
# A published version holds the code that it was made of: who calls it would not get the new one.
_PUBLISHED = ("AWS::Lambda::Version", "AWS::Lambda::Alias")
_ANY = ("", "")
UNKNOWN_CODE = "sha256:"
"""What the name of code begins with that Fairway did not give."""
_MOST_NAMES = 5


def find_short_way(stacks: Sequence[StackPlan]) -> tuple[CodeChange, ...]:
    """The functions to be given code, when that is all that changes; empty when it is not."""
    found: list[CodeChange] = []
    for stack in stacks:
        if stack.observed is None or stack.template is None:
            return ()
        if not stack.is_changed:
            continue
        changes = [_read_code_change(stack, c) for c in stack.changes if c.action != Action.NONE]
        if not _is_otherwise_same(stack) or None in changes:
            return ()
        found += [change for change in changes if change is not None]
    concerned = {(change.stack, change.logical_id) for change in found}
    return () if {*concerned, _ANY} & set(_find_published(stacks)) else tuple(found)


def take_full_way(plan: Plan) -> Plan:
    """The plan through CloudFormation, also where code alone changes or stacks lag behind."""
    return replace(plan, short_way=(), full=True)


def describe_way(plan: Plan) -> str | None:
    """What is out of the ordinary about the way that a plan takes, in a sentence."""
    if plan.short_way:
        who = _list_names(change.component for change in plan.short_way)
        one = len(plan.short_way) == 1
        return (
            f"code only: {who} {'is' if one else 'are'} given {'its' if one else 'their'} new code "
            "directly; the stack follows with the next full apply (--full: now)"
        )
    lagging = {stack.name: list(_find_ahead(stack)) for stack in plan.stacks if stack.lags}
    names = [name for ahead in lagging.values() for name in ahead]
    if plan.is_empty or not names:
        return None
    stacks = ", ".join(stack for stack, ahead in lagging.items() if ahead)
    verb = "runs" if len(names) == 1 else "run"
    return f"also brings {stacks} up to the code that {_list_names(names)} already {verb}"


def _find_ahead(stack: StackPlan) -> Iterator[str]:
    """Components whose functions run already what their stack is about to be told."""
    if stack.template is None or stack.observed is None:
        return
    for change in stack.changes:
        wanted = find_code_key(stack.template.resources.get(change.logical_id), stack.parameters)
        runs = stack.observed.codes.get(change.logical_id)
        body = stack.observed.template.get("Resources", {}).get(change.logical_id)
        if runs == wanted is not None and find_code_key(body, stack.observed.parameters) != runs:
            yield change.component


def _list_names(found: Iterable[str]) -> str:
    names = list(dict.fromkeys(found))
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def find_code_key(body: Any, parameters: Mapping[str, str | Unknown]) -> str | None:
    """The key of a function's archive; None for what is no function, or has its code otherwise."""
    if not isinstance(body, Mapping) or body.get("Type") != FUNCTION:
        return None
    code = fill_parameters(read_properties(body).get("Code"), parameters)
    if not isinstance(code, Mapping) or code.keys() != {"S3Bucket", "S3Key"}:
        return None
    known = all(isinstance(value, str) for value in code.values())
    return str(code["S3Key"]) if known else None


def _is_otherwise_same(stack: StackPlan) -> bool:
    """Whether a stack is there, at rest, and differs in nothing but which archives it names."""
    there, template = stack.observed, stack.template
    if there is None or template is None or template.layer != "app":
        return False
    if not there.status.endswith("_COMPLETE") or template.template != there.template:
        return False
    fixed = stack.parameters.keys() - stack.archive_parameters
    return all(stack.parameters[name] == there.parameters.get(name) for name in fixed)


def _read_code_change(stack: StackPlan, change: Change) -> CodeChange | None:
    """A change as one of code alone; None when it is more than that."""
    there, template = stack.observed, stack.template
    if there is None or template is None or change.action is not Action.UPDATE:
        return None
    body = template.resources.get(change.logical_id)
    after = find_code_key(body, stack.parameters)
    before = there.codes.get(change.logical_id) or find_code_key(body, there.parameters)
    is_code = all(item.path == "Code.S3Key" for item in change.properties)
    if not is_code or not change.physical_id or after is None or before is None:
        return None
    if before.startswith(UNKNOWN_CODE):  # not to be put back, should another function fail
        return None
    return CodeChange(
        stack.name,
        change.logical_id,
        change.component,
        change.physical_id,
        before,
        after,
        change.place,
    )


def _find_published(stacks: Iterable[StackPlan]) -> Iterator[tuple[str, str]]:
    """Functions with versions, as stack and logical id; _ANY where it cannot be seen of which."""
    for stack in stacks:
        resources = stack.observed.template.get("Resources", {}) if stack.observed else {}
        functions = {name for name, body in resources.items() if body.get("Type") == FUNCTION}
        for body in resources.values():
            if body.get("Type") in _PUBLISHED:
                of = find_references(body) & functions
                # An alias names its function too, so what refers to none is of another stack.
                yield from ((stack.name, name) for name in of) if of else (_ANY,)
