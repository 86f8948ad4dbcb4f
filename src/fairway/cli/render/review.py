"""What a plan means, in ten lines at most: the same words on a terminal and in a pull request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from fairway.define import LOCAL
from fairway.plan.cost import CostChange, CostItem
from fairway.plan.model import Drift, Plan
from fairway.plan.permissions import PermissionChange, describe_permission, show_actions
from fairway.plan.review import Review

# Lines that each question gets; together ten.
_LINES = {"data": 2, "permissions": 3, "internet": 2, "interruption": 2, "cost": 1, "drift": 1}
# Where those are that did not fit, when the list below has them.
_REST = {"permissions": "below", "drift": "below"}
_MOST_NAMES = 3
_MOST_ACTIONS = 3


def summarise_review(plan: Plan, review: Review) -> list[tuple[str, list[str]]]:
    """Each question with its answer; none is left out, and what did not fit is counted."""
    answers = {
        "data": _say_data(review),
        "permissions": list(_say_permissions(review.permissions)),
        "internet": list(_say_exposure(review)),
        "interruption": list(_say_interruptions(review)),
        "cost": [say_cost(review.cost, plan.environment)],
    }
    if plan.drift is not None:
        answers["drift"] = [_say_drift(drift) for drift in plan.drift]
    none = {
        "data": "nothing is lost",
        "permissions": "nobody gains or loses any",
        "internet": "nothing opens or closes",
        "interruption": "none is expected",
        "drift": "nothing was changed by others",
    }
    most = dict(_LINES)
    if plan.drift is not None:
        most["interruption"] -= 1  # gives its second line to drift
    return [
        (topic, _shorten(lines, most[topic], _REST.get(topic, "in --json")) or [none[topic]])
        for topic, lines in answers.items()
    ]


def _say_drift(drift: Drift) -> str:
    paths = _name_some(item.path for item in drift.properties)
    return f"{drift.logical_id} was removed" if drift.is_gone else f"{drift.logical_id}: {paths}"


def _shorten(lines: Sequence[str], most: int, rest_in: str) -> list[str]:
    rest = len(lines) - most
    if rest <= 0:
        return list(lines)
    return [*lines[: most - 1], f"{lines[most - 1]}; {rest} more {rest_in}"]


def _say_data(review: Review) -> list[str]:
    return [f"{loss.severity}: {loss.what}" for loss in review.data]


def _say_permissions(changes: Iterable[PermissionChange]) -> Iterator[str]:
    """Wildcards one by one; the others by who gains or loses them, when they are many."""
    changes = list(changes)
    lines = list(dict.fromkeys(describe_briefly(c) for c in changes))
    if len(lines) <= _LINES["permissions"]:
        yield from lines
        return
    groups: dict[tuple[bool, str, bool], list[PermissionChange]] = defaultdict(list)
    limits = 0
    for change in changes:
        if change.wildcard and change.gained:
            yield describe_briefly(change)
        elif change.effect != "Allow" or change.kind == "path":
            limits += 1
        else:
            groups[change.gained, change.principal, change.kind == "trust"].append(change)
    for (gained, principal, trusts), found in groups.items():
        yield _say_group(gained, principal, found, trusts=trusts)
    if limits:
        yield f"{limits} changes of denials and endpoint policies"


def _say_group(gained: bool, principal: str, found: list[PermissionChange], *, trusts: bool) -> str:
    if len(found) == 1:
        return describe_briefly(found[0])
    count = sum(len(change.actions) for change in found)
    names = _name_some(change.resource for change in found)
    what = "may take on" if trusts else f"{count} permissions on"
    return f"{'+' if gained else '-'} {principal}: {what} {names}"


def describe_briefly(change: PermissionChange) -> str:
    """A change of permissions with its first actions only."""
    full, brief = show_actions(change.actions), show_actions(change.actions, _MOST_ACTIONS)
    return describe_permission(change).replace(full, brief, 1)


def _name_some(names: Iterable[str]) -> str:
    known = list(dict.fromkeys(names))
    rest = len(known) - _MOST_NAMES
    return ", ".join(known[:_MOST_NAMES]) + (f" (+{rest})" if rest > 0 else "")


def _say_exposure(review: Review) -> Iterator[str]:
    groups: dict[tuple[bool, str], list[str]] = defaultdict(list)
    for change in review.exposure:
        groups[change.opened, change.component].append(change.what)
    for (opened, component), ways in groups.items():
        yield f"{'+' if opened else '-'} {component}: {_name_some(ways)}"


def _say_interruptions(review: Review) -> Iterator[str]:
    groups: dict[str, list[str]] = defaultdict(list)
    for item in review.interruptions:
        groups[item.component].append(item.what)
    for component, effects in groups.items():
        yield f"{component} {_join(effects)}"


def _join(effects: Sequence[str]) -> str:
    rest = len(effects) - 1
    return effects[0] + (f", and {rest} effects more" if rest else "")


def say_cost(cost: CostChange, environment: str) -> str:
    """The monthly cost before and after, and what it rests on."""
    if cost.missing:
        return f"not known: {cost.missing}"
    before, after = show_dollars(cost.before.total), show_dollars(cost.after.total)
    amount = f"{after} a month as before" if before == after else f"{before} -> {after} a month"
    where = "nothing on this machine; on AWS " if environment == LOCAL else ""
    fixed = show_dollars(cost.after.fixed)
    basis = f", {'all' if fixed == after else fixed} of it without any use"
    rest = len(cost.after.not_counted)
    missing = f"; {rest} things not counted" if rest else ""
    return f"{where}{amount}{basis if cost.after.total else ''}{missing}; --cost tells"


def list_costs(cost: CostChange) -> Iterator[str]:
    """The bill, line by line: what it is for, what it rests on, where the price is from."""
    if cost.missing:
        yield f"not known: {cost.missing}"
        return
    old = {_identify(item): item.amount for item in cost.before.items}
    width = max((len(item.what) for item in cost.after.items), default=0)
    for item in cost.after.items:
        before = old.get(_identify(item), 0.0)
        change = f"{show_dollars(before)} -> {show_dollars(item.amount)}"
        price = f"{item.quantity:,.6g} x {item.unit}"
        yield f"{item.what:<{width}}  {change:<20}  {price}: {item.rests_on}"
    new = {_identify(item) for item in cost.after.items}
    for item in cost.before.items:
        if _identify(item) not in new:
            yield f"{item.what:<{width}}  {show_dollars(item.amount)} -> $0.00"
    sums = [show_dollars(estimate.total) for estimate in (cost.before, cost.after)]
    yield f"{'total':<{width}}  {' -> '.join(sums)}"
    for name in cost.after.not_counted:
        yield f"not counted: {name}"
    for source in dict.fromkeys(item.source for item in cost.after.items):
        yield f"price from: {source}"


def _identify(item: CostItem) -> tuple[str, str, str]:
    return (item.component, item.what, item.unit)


def show_dollars(amount: float) -> str:
    """US dollars and cents."""
    return f"${amount:,.2f}"
