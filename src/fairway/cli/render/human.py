"""Values for people: plain words, colour only to help, data on stdout, the rest on stderr."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fairway.cli.render.review import list_costs, summarise_review
from fairway.define import LOCAL
from fairway.diagnostics import Diagnostic, Place, sort_diagnostics
from fairway.errors import FairwayError, InvalidApplication
from fairway.plan import review_plan
from fairway.plan.masking import Secret
from fairway.plan.model import Action, Change, Plan, PropertyChange, StackPlan, Unknown
from fairway.plan.permissions import PermissionChange, describe_permission
from fairway.plan.short_way import describe_way

if TYPE_CHECKING:
    from fairway.operate.status import Status

LONGEST_VALUE = 200
_DIGEST = re.compile(r"(?<=artifacts/)([0-9a-f]{12})[0-9a-f]{52}\.zip(?=\Z)")  # an archive's key
_MARKS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.REPLACE: ("±", "magenta"),
    Action.DELETE: ("-", "red"),
    Action.KEEP: ("=", "cyan"),
}


def say(text: str = "", *, err: bool = False, **style: Any) -> None:
    """Print a line; colour is dropped where it does not belong (NO_COLOR, pipes)."""
    colour = False if os.environ.get("NO_COLOR") else None
    click.secho(text, err=err, color=colour, **style)


def say_next(text: str, *, started: bool = False) -> None:
    """The recommended next step, on stderr.

    started: whether a local cloud was started on the way and goes on running; how it ends is added.
    """
    say(f"next: {text}{', fairway down' if started else ''}", err=True, dim=True)


def show_place(place: Place) -> str:
    """A place as an editor opens it, relative to here where that is shorter."""
    return f"{_shorten_path(place.file, os.getcwd())}:{place.line}:{place.column}"  # noqa: PTH109 - a string: hundreds of places


def show_file(file: Path) -> str:
    """A file as an editor opens it, relative to here where that is shorter."""
    return str(_shorten_path(file, os.getcwd()))  # noqa: PTH109 - as above


@lru_cache(maxsize=32)  # a plan shows hundreds of places, all in the same few files
def _shorten_path(file: Path, here: str) -> Path:
    try:
        return file.resolve().relative_to(here)
    except ValueError:
        return file


def show_diagnostics(diagnostics: Iterable[Diagnostic], *, err: bool) -> None:
    """Findings in the order of the file, each with its fix."""
    for finding in sort_diagnostics(list(diagnostics)):
        where = f"{show_place(finding.place)}: " if finding.place else ""
        colour = "red" if finding.is_error else "yellow"
        summary = show_plainly(finding.summary)
        say(f"{where}{finding.severity}: {summary} [{finding.code}]", err=err, fg=colour)
        if finding.hint:
            say(f"  hint: {show_plainly(finding.hint)}", err=err)


def show_plainly(text: str) -> str:
    """Text that may quote the user's file: nothing in it moves the cursor or ends the line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def show_error(error: FairwayError) -> None:
    """An error with its hint; an invalid application with all its findings."""
    if isinstance(error, InvalidApplication):
        show_diagnostics(error.diagnostics, err=True)
        say(f"error: {error.summary}", err=True, fg="red")
        return
    say(f"error: {error.summary}", err=True, fg="red")
    if error.hint:
        say(f"  hint: {error.hint}", err=True)
    if error.detail:
        for line in error.detail.splitlines():
            say(f"  {line}", err=True, dim=True)


def show_plan(plan: Plan) -> None:
    """A plan grouped by stack, with a summary on top."""
    say(summarise_plan(plan), bold=True)
    if not plan.compared:
        what = f"compared with {plan.against}" if plan.against else "everything counts as new"
        here = plan.environment == LOCAL
        nobody = "the local cloud does not run" if here else "no AWS credentials"
        say(f"{nobody}: {what}", dim=True)
    for table in plan.kept_tables:
        say(f"kept from before: {table} stays as it is; a new, empty table is made", fg="yellow")
    if plan.is_empty:
        _show_findings(plan)
        return
    if way := describe_way(plan):
        say(way)
    review = review_plan(plan)
    say()
    for topic, lines in summarise_review(plan, review):
        for position, line in enumerate(lines):
            say(f"  {'' if position else topic:<12}  {line}")
    permissions: dict[tuple[str, str], list[PermissionChange]] = {}
    for permission in review.permissions:
        permissions.setdefault((permission.stack, permission.source), []).append(permission)
    for stack in plan.stacks:
        if stack.is_changed:
            # All lines at once: each by itself is a call of the system, and a search for colour.
            say("\n".join(["", *_describe_stack(stack, permissions)]))
    _show_findings(plan)


def _show_findings(plan: Plan) -> None:
    for line in describe_findings(plan):
        say(line)


def describe_findings(plan: Plan) -> Iterator[str]:
    """Drift, and CloudFormation's own forecast, where they were asked for."""
    if plan.drift is not None:
        told = "changed by others since; this plan does not undo it" if plan.drift else "none"
        yield from ("", f"drift: {told}")
        for drift in plan.drift:
            place = f"  {show_place(drift.place)}" if drift.place else ""
            gone = "  is gone" if drift.is_gone else ""
            yield f"  {drift.stack}/{drift.logical_id}  {drift.resource_type}{place}{gone}"
            for item in drift.properties:
                yield f"      {item.path}: {show_value(item.before)} -> {show_value(item.after)}"
    if plan.forecasts is not None:
        yield from ("", "CloudFormation's forecast")
        yield from ([] if plan.forecasts else ["  not asked: nothing changes"])
        for forecast in plan.forecasts:
            if forecast.not_asked:
                yield f"  {forecast.stack}: not asked: {forecast.not_asked}"
            elif not forecast.differences:
                yield f"  {forecast.stack}: agrees"
            for difference in forecast.differences:
                yield f"  {forecast.stack}: {difference}"


def show_costs(plan: Plan) -> None:
    """The monthly cost line by line."""
    say("\ncost a month", bold=True)
    for line in list_costs(review_plan(plan).cost):
        say(f"  {line}")


def summarise_plan(plan: Plan) -> str:
    """One line: what the plan is for and how much it does."""
    where = f"{plan.app} in {plan.environment} ({plan.region})"
    if plan.is_empty:
        return f"{where}: nothing to change"
    counts = plan.count()
    words = [f"{counts[a]} to {a}" for a in _MARKS if counts[a]]
    rest = "outputs" if any(stack.outputs_changed for stack in plan.stacks) else "parameters"
    return f"{where}: {', '.join(words) or f'{rest} to update'}"


def _describe_stack(
    stack: StackPlan, permissions: Mapping[tuple[str, str], list[PermissionChange]]
) -> Iterator[str]:
    state = "new stack"
    if stack.template is None:
        state = "stack goes"
    elif stack.observed is not None:
        state = "stack changes"
    changes = [c for c in stack.changes if c.action is not Action.NONE]
    changes.sort(key=lambda change: change.action is not Action.KEEP)
    head = f"{stack.name}  {state}, {len(changes)} of {len(stack.changes)} resources"
    yield click.style(head, bold=True)
    width = max((len(c.logical_id) for c in changes), default=0)
    for change in changes:
        found = permissions.get((stack.name, change.logical_id), [])
        yield from _describe_change(change, width, found)


def _describe_change(
    change: Change, width: int, permissions: list[PermissionChange]
) -> Iterator[str]:
    mark, colour = _MARKS[change.action]
    place = f"  {show_place(change.place)}" if change.place else ""
    line = f"  {mark} {change.logical_id:<{width}}  {change.resource_type}"
    yield f"{click.style(line, fg=colour)}{click.style(place, dim=True)}"
    if change.action is Action.KEEP:
        yield f"      leaves the stack and stays in the account{_with_data(change)}"
    for item in change.properties:
        if not (permissions and _is_policy(item)):
            yield _describe_property(item, change.place)
    for permission in permissions:
        yield f"      {describe_permission(permission)}"
    if change.action is Action.REPLACE:
        kept = f"stays in the account{_with_data(change)}"
        old = kept if change.keeps_old else "is deleted"
        yield f"      a new one is made; the old one {old}"


def _with_data(change: Change) -> str:
    return "" if change.resource_type == "AWS::KMS::Key" else ", with its data"


def _is_policy(item: PropertyChange) -> bool:
    """Whether the permissions below tell it better."""
    return any(step in item.path for step in ("Policies", "PolicyDocument", "KeyPolicy"))


def _describe_property(item: PropertyChange, known: Place | None) -> str:
    verb = "replaces" if item.certain else "may replace"
    why = click.style(f"  {verb} the resource", fg="magenta") if item.replaces else ""
    where = f"  {show_place(item.place)}" if item.place and item.place != known else ""
    values = f"{show_value(item.before)} -> {show_value(item.after)}"
    return f"      {item.path}: {values}{why}{click.style(where, dim=True)}"


def show_value(value: Any) -> str:
    """A property's value on one line; secrets and values to come in words, digests cut short."""
    if value is None:
        return "(none)"
    text = _DIGEST.sub(r"\1...", value) if isinstance(value, str) else _write_value(value)
    plain = show_plainly(text)
    return plain if len(plain) <= LONGEST_VALUE else f"{plain[: LONGEST_VALUE - 3]}..."


def _write_value(value: Any) -> str:
    if isinstance(value, Unknown | Secret):
        return str(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def show_status(status: Status, notices: Iterable[str] = ()) -> None:
    """Stacks, addresses and functions."""
    say(f"{status.app} in {status.environment} ({status.region})", bold=True)
    if not status.is_deployed:
        say("  nothing is deployed")
    for label, values in (("url", status.urls), ("function", status.functions)):
        for name, value in values.items():
            say(f"  {label:<9} {name:<12} {value}")
    for name, state in status.stacks.items():
        good = state.endswith("_COMPLETE") and "ROLLBACK" not in state
        say(f"  {'stack':<9} {name:<12} {click.style(state, fg='green' if good else 'red')}")
    for notice in notices:
        say(f"  note: {notice}", dim=True)
