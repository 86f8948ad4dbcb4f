"""Values for people: plain words, colour only to help, data on stdout, the rest on stderr."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from fairway.diagnostics import Diagnostic, Place, sort_diagnostics
from fairway.errors import FairwayError, InvalidApplication
from fairway.operate.status import Status
from fairway.plan.model import Action, Change, Plan, PropertyChange, StackPlan, Unknown

LONGEST_VALUE = 200
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


def say_next(text: str) -> None:
    """The recommended next step, on stderr."""
    say(f"next: {text}", err=True, dim=True)


def show_place(place: Place) -> str:
    """A place as an editor opens it, relative to here where that is shorter."""
    try:
        file = place.file.resolve().relative_to(Path.cwd())
    except ValueError:
        file = place.file
    return f"{file}:{place.line}:{place.column}"


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
        say("no credentials, no running cloud: everything counts as new", dim=True)
    for table in plan.kept_tables:
        say(f"kept from before: {table} stays as it is; a new, empty table is made", fg="yellow")
    for stack in plan.stacks:
        if stack.is_changed:
            say()
            _show_stack(stack)


def summarise_plan(plan: Plan) -> str:
    """One line: what the plan is for and how much it does."""
    where = f"{plan.app} in {plan.environment} ({plan.region})"
    if plan.is_empty:
        return f"{where}: nothing to change"
    counts = plan.count()
    words = [f"{counts[a]} to {a}" for a in _MARKS if counts[a]]
    return f"{where}: {', '.join(words) or 'outputs to update'}"


def _show_stack(stack: StackPlan) -> None:
    state = "new stack"
    if stack.template is None:
        state = "stack goes"
    elif stack.observed is not None:
        state = "stack changes"
    changes = [c for c in stack.changes if c.action is not Action.NONE]
    changes.sort(key=lambda change: change.action is not Action.KEEP)
    say(f"{stack.name}  {state}, {len(changes)} of {len(stack.changes)} resources", bold=True)
    width = max((len(c.logical_id) for c in changes), default=0)
    for change in changes:
        _show_change(change, width)


def _show_change(change: Change, width: int) -> None:
    mark, colour = _MARKS[change.action]
    place = f"  {show_place(change.place)}" if change.place else ""
    line = f"  {mark} {change.logical_id:<{width}}  {change.resource_type}"
    say(f"{click.style(line, fg=colour)}{click.style(place, dim=True)}")
    if change.action is Action.KEEP:
        say(f"      leaves the stack and stays in the account{_with_data(change)}")
    if change.action in (Action.UPDATE, Action.REPLACE):
        for item in change.properties:
            _show_property(item)
    if change.action is Action.REPLACE:
        kept = f"stays in the account{_with_data(change)}"
        old = kept if change.keeps_old else "is deleted"
        say(f"      a new one is made; the old one {old}")


def _with_data(change: Change) -> str:
    return "" if change.resource_type == "AWS::KMS::Key" else ", with its data"


def _show_property(item: PropertyChange) -> None:
    why = click.style("  replaces the resource", fg="magenta") if item.replaces else ""
    say(f"      {item.path}: {show_value(item.before)} -> {show_value(item.after)}{why}")


def show_value(value: Any) -> str:
    """A property's value on one line."""
    from fairway.compile.template import dump_canonical

    if value is None:
        return "(none)"
    if isinstance(value, Unknown):
        return str(value)
    text = value if isinstance(value, str) else dump_canonical(_with_words(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _with_words(value: Any) -> Any:
    if isinstance(value, Unknown):
        return str(value)
    if isinstance(value, dict):
        return {key: _with_words(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_words(item) for item in value]
    return value


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
