"""A plan as Markdown: the review on top, the list folded below it, for a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from fairway.cli.render.human import (
    describe_findings,
    show_place,
    show_plainly,
    show_value,
    summarise_plan,
)
from fairway.cli.render.review import list_costs, summarise_review
from fairway.cli.render.services import summarise_plans
from fairway.plan import Action, Plan, StackPlan, review_plan
from fairway.plan.model import Change
from fairway.plan.permissions import describe_permission
from fairway.plan.review import Review
from fairway.plan.short_way import describe_way

# "Comments on a pull request" of the usual hosts take 65,536 characters.
LONGEST = 60_000
_MARKS = {
    Action.CREATE: "+",
    Action.UPDATE: "!",
    Action.REPLACE: "!",
    Action.DELETE: "-",
    Action.KEEP: "#",
}


def write_plan(plan: Plan, digest: str | None = None) -> str:
    """The plan; what is too long for a comment is cut, and said to be."""
    lines = [f"### {_escape(summarise_plan(plan))}", ""]
    if not plan.compared:
        lines += [f"Compared with {plan.against or 'nothing: everything counts as new'}.", ""]
    if way := describe_way(plan):
        lines += [f"{_escape(way)}.", ""]
    if not plan.is_empty:
        lines += list(_write_review(plan, review_plan(plan)))
    if digest:
        lines += [f"Digest of the saved plan: `{digest}`", ""]
    return _cut("\n".join(lines))


def write_plans(root: str, environment: str, plans: Mapping[str, Plan]) -> str:
    """The plans of services by their names; those that stay as they are count as a number."""
    first, *more = summarise_plans(root, environment, plans)
    parts = [f"### {_escape(first)}", *map(_escape, more)]
    parts += [f"#{write_plan(plan)}" for plan in plans.values() if not plan.is_empty]
    return _cut("\n\n".join(parts))


def _cut(text: str) -> str:
    if len(text) <= LONGEST:
        return text.rstrip("\n")
    return text[:LONGEST].rsplit("\n", 1)[0] + "\n(cut: `fairway plan` shows all of it)\n"


def _write_review(plan: Plan, review: Review) -> Iterator[str]:
    yield from ("| | |", "| --- | --- |")
    for topic, answers in summarise_review(plan, review):
        yield f"| **{topic}** | {'<br>'.join(_escape(answer) for answer in answers)} |"
    yield ""
    for stack in plan.stacks:
        if stack.is_changed:
            yield from _write_stack(stack, review)
    notes = list(describe_findings(plan))
    if notes:
        yield from _fence("text", notes)
        yield ""
    yield from ("<details><summary>cost a month, line by line</summary>", "")
    yield from _fence("text", list(list_costs(review.cost)))
    yield from ("", "</details>", "")


def _write_stack(stack: StackPlan, review: Review) -> Iterator[str]:
    changes = [c for c in stack.changes if c.action is not Action.NONE]
    yield f"<details><summary>{stack.name}: {len(changes)} of {len(stack.changes)}</summary>"
    yield ""
    lines = [line for change in changes for line in _write_change(stack, change, review)]
    yield from _fence("diff", lines)
    yield from ("", "</details>", "")


def _write_change(stack: StackPlan, change: Change, review: Review) -> Iterator[str]:
    """A resource as lines of a diff: hosts colour them by their first sign."""
    place = f"  {show_place(change.place)}" if change.place else ""
    mark = _MARKS[change.action]
    yield f"{mark} {change.action} {change.logical_id}  {change.resource_type}{place}"
    for item in change.properties:
        verb = "replaces" if item.certain else "may replace"
        why = f"  {verb} the resource" if item.replaces else ""
        yield f"    {item.path}: {show_value(item.before)} -> {show_value(item.after)}{why}"
    for permission in review.permissions:
        if (permission.stack, permission.source) == (stack.name, change.logical_id):
            yield f"    {describe_permission(permission)}"


def _fence(language: str, lines: list[str]) -> Iterator[str]:
    """A block of text that no text in it can end."""
    plain = [show_plainly(line) for line in lines]
    longest = max((len(run) for line in plain for run in re.findall("`+", line)), default=0)
    ticks = "`" * max(3, longest + 1)
    yield from (f"{ticks}{language}", *plain, ticks)


def _escape(text: str) -> str:
    """Text that Markdown shows as it is, also in a table."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", show_plainly(text))
