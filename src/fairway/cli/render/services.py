"""Plans of many services: what stays is counted, what changes is shown in full, then the sum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fairway.cli.render.human import say, show_costs, show_plan
from fairway.cli.render.review import show_dollars
from fairway.plan import Action, Plan
from fairway.plan.cost import compare_costs

_ACTED = (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE, Action.KEEP)
_MOST_NAMES = 6


def summarise_plans(root: str, environment: str, plans: Mapping[str, Plan]) -> Iterator[str]:
    """A line with how many services change and how much, and one that counts the others.

    plans: by the service's name.
    """
    changed = {name: plan for name, plan in plans.items() if not plan.is_empty}
    where = f"{root} in {environment}"
    if not changed:
        yield f"{where}: {count_services(len(plans))}, nothing to change"
        return
    counts = {a: sum(plan.count()[a] for plan in changed.values()) for a in _ACTED}
    words = [f"{number} to {action}" for action, number in counts.items() if number]
    changes = "changes" if len(changed) == 1 else "change"
    outputs = any(stack.outputs_changed for plan in changed.values() for stack in plan.stacks)
    rest_of = "outputs" if outputs else "parameters"
    yield (
        f"{where}: {len(changed)} of {count_services(len(plans))} {changes}: "
        f"{', '.join(words) or f'{rest_of} to update'}"
    )
    rest = [name for name in plans if name not in changed]
    if rest:
        some = ", ".join(rest[:_MOST_NAMES]) + (", ..." if len(rest) > _MOST_NAMES else "")
        yield f"{count_services(len(rest))}: no change ({some})"


def sum_costs(plans: Mapping[str, Plan]) -> str:
    """What the services that change cost a month, before and after; empty when not known."""
    costs = [compare_costs(plan) for plan in plans.values() if not plan.is_empty]
    if not costs or any(cost.missing for cost in costs):
        return ""
    before = show_dollars(sum(cost.before.total for cost in costs))
    after = show_dollars(sum(cost.after.total for cost in costs))
    return f"together on AWS: {before} -> {after} a month; --cost tells of what"


def show_plans(
    root: str, environment: str, plans: Mapping[str, Plan], *, costs: bool = False
) -> None:
    """The plans of services, by the service's name. costs: line by line."""
    first, *more = summarise_plans(root, environment, plans)
    say(first, bold=True)
    for line in more:
        say(line)
    changed = [plan for plan in plans.values() if not plan.is_empty]
    for plan in changed:
        say()
        show_plan(plan)
        if costs:
            show_costs(plan)
    total = sum_costs(plans) if len(changed) > 1 else ""
    if total:
        say(f"\n{total}")


def count_services(number: int) -> str:
    """`1 service`, `2 services`."""
    return f"{number} service{'' if number == 1 else 's'}"
