"""Consent: asked of a person, or given beforehand; and what Ctrl-C takes back of it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from fairway.apply import Consent
from fairway.apply.stateful import ConsentMissing, Endangered, find_endangered, require_named
from fairway.aws import Aws
from fairway.cli.interrupts import interrupted_by
from fairway.cli.names import Name
from fairway.cli.selection import name_some
from fairway.define import App
from fairway.define.definition import nearest
from fairway.errors import FairwayError
from fairway.operate.history import read_history
from fairway.plan import Action, Plan
from fairway.plan.saved import save_plan
from fairway.route import pin_plan

F = TypeVar("F", bound=Callable[..., Any])
FORMAT = 1
_SHORTEST_DIGEST = 12  # hex digits that still say one plan
_RECENT = 20  # releases
_GOING = (Action.DELETE, Action.REPLACE)


@dataclass(frozen=True)
class Given:
    """Consent as it was given: by options, and in a file.

    replace, delete: names. approve: the digest of a plan. try_restore: of backups, where that
    takes long.
    """

    yes: bool = False
    replace: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    approve: str | None = None
    try_restore: bool = False


def loss_options(function: F) -> F:
    """--replace and --delete: what may go although it holds data, by name."""
    for option, what in (("--replace", "replaced"), ("--delete", "deleted")):
        function = click.option(
            option,
            type=Name("with-data"),
            multiple=True,
            metavar="NAME",
            help=f"Let this be {what}, though it holds data; may be repeated.",
        )(function)
    return function


def consent_options(function: F) -> F:
    """The options that consent to more than --yes does."""
    for option in (
        loss_options,
        click.option(
            "--approve",
            metavar="DIGEST",
            help="Consent to the plan with this digest, and no other.",
        ),
        click.option(
            "--consent",
            "consent_file",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Consent that `fairway approve` wrote.",
        ),
        click.option(
            "--try-restore",
            is_flag=True,
            help="Try backups out before anything goes, also on AWS.",
        ),
    ):
        function = option(function)
    return function


def read_given(
    yes: bool,
    options: dict[str, Any],
) -> Given:
    """Consent from a command's options, which are taken out of them, with the file's added.

    A file or a digest is consent to one plan, and no other is applied: --yes is not needed too.
    """
    names = ("replace", "delete", "approve", "try_restore")
    given = Given(yes, *(options.pop(name) for name in names))
    if given.approve:
        given = replace(given, yes=True)
    file: Path | None = options.pop("consent_file")
    if file is None:
        return given
    content = _read_file(file)
    if given.approve and not _is_same(given.approve, content["plan"]):
        raise FairwayError(
            f"--approve names another plan than {file}", hint="leave one of the two out"
        )
    return Given(
        True,
        (*given.replace, *content["replace"]),
        (*given.delete, *content["delete"]),
        content["plan"],
        given.try_restore,
    )


def write_consent(file: Path, digest: str, given: Given, actor: str) -> None:
    """Write consent to a saved plan into a file, for a pipeline."""
    content = {
        "fairway_consent": FORMAT,
        "plan": digest,
        "replace": list(given.replace),
        "delete": list(given.delete),
        "by": actor,
    }
    try:
        file.write_text(json.dumps(content, indent=1) + "\n")
    except OSError as error:
        raise FairwayError(f"{file} cannot be written: {error.strerror}") from error


def _read_file(file: Path) -> dict[str, Any]:
    again = "write one with `fairway approve PLAN --to FILE`"
    try:
        content = json.loads(file.read_text())
    except OSError as error:
        raise FairwayError(f"{file} cannot be read: {error.strerror}", hint=again) from error
    except (ValueError, RecursionError) as error:
        raise FairwayError(f"{file} is not consent: it is not JSON", hint=again) from error
    whole = (
        isinstance(content, dict)
        and content.get("fairway_consent") == FORMAT
        and isinstance(content.get("plan"), str)
        and all(
            isinstance(content.get(key), list) and all(isinstance(n, str) for n in content[key])
            for key in ("replace", "delete")
        )
    )
    if not whole:
        raise FairwayError(f"{file} is not consent that Fairway wrote", hint=again)
    return dict(content)


def gather_consent(app: App, plan: Plan, aws: Aws, given: Given) -> Consent:
    """What may go, after asking on a terminal for names that were not given.

    Raises FairwayError where consent is missing: names of what holds data, and the plan's
    digest where the environment says `approve: true` or a digest was given.
    """
    if (app.approve or given.approve) and not plan.is_empty:
        _require_approval(app, plan, aws, given)
    named = {("replace", name) for name in given.replace}
    named |= {("delete", name) for name in given.delete}
    endangered = find_endangered(plan, aws)
    if sys.stdin.isatty():
        missing = [e for e in endangered if (e.verb, e.name) not in named]
        named |= {(e.verb, e.name) for e in missing if _ask(e, app.service)}
    require_named(endangered, named)
    require_known(app, plan, aws, given)
    return Consent(frozenset(named), given.try_restore)


def require_known(app: App, plan: Plan, aws: Aws, given: Given, whose: str = "") -> None:
    """Raise FairwayError for a name that was given and that nothing here has.

    What a recent release changed may be gone already: the command of an apply that was
    interrupted is run again as it was, and so is a pipeline's. whose: what stands before its names
    on the command line, `SERVICE/` where that is about many.
    """
    asked = [("replace", name) for name in given.replace]
    asked += [("delete", name) for name in given.delete]
    told = dict.fromkeys([*app.components, *app.broken, *app.resources])
    going = (change for _, change in plan.changes() if change.action in _GOING)
    told |= dict.fromkeys(change.component or change.logical_id for change in going)
    known = {change.component or change.logical_id for _, change in plan.changes()} | told.keys()
    if all(name in known for _, name in asked):
        return
    recent = read_history(app, aws, _RECENT).releases
    gone = {change["component"] or change["logical_id"] for r in recent for change in r.plan}
    for verb, name in asked:
        if name not in known | gone:
            near = nearest(name, known)
            there = name_some([whose + one for one in told]) or "no names"
            raise FairwayError(
                f"{app.name} has no '{name}' to {verb} in {app.environment}; nothing was changed",
                hint=f"did you mean '{whose}{near}'?"
                if near
                else f"leave it out; there are {there}",
            )


def _require_approval(app: App, plan: Plan, aws: Aws, given: Given) -> None:
    digest = save_plan(pin_plan(plan, app, aws)).digest
    if given.approve is None:
        raise ConsentMissing(
            f"{app.environment} needs consent to the plan itself; nothing was changed",
            hint=f"when it has been reviewed: --approve {digest}, or --consent FILE "
            "(`fairway plan --save`, then `fairway approve`, write one)",
        )
    if not _is_same(given.approve, digest):
        raise ConsentMissing(
            f"the consent is to plan {given.approve[:_SHORTEST_DIGEST]}, and this is "
            f"{digest[:_SHORTEST_DIGEST]}; nothing was changed",
            hint=f"review what it does now, then --approve {digest}",
        )


def _is_same(given: str, digest: str) -> bool:
    return len(given) >= _SHORTEST_DIGEST and digest.startswith(given)


def _ask(endangered: Endangered, service: str) -> bool:
    whose = f" of {service}" if service else ""
    click.echo(f"{endangered.name}{whose} holds {endangered.holds}.", err=True)
    with _answered():
        typed = click.prompt(
            f"Type its name to {endangered.verb} it", default="", show_default=False, err=True
        )
    return bool(typed.strip() == endangered.name)


def require_consent(question: str, *, yes: bool) -> None:
    """Go on only with consent; without a terminal it must have been given already."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConsentMissing(
            "this needs consent, and there is no terminal to ask on; nothing was changed",
            hint="pass --yes",
        )
    with _answered():
        confirmed = click.confirm(question, err=True)
    if not confirmed:
        raise ConsentMissing("not confirmed; nothing was changed")


@contextmanager
def _answered() -> Iterator[None]:
    """Ctrl-C instead of an answer ends the command, and says as much as a no."""
    try:
        yield
    except click.Abort:
        raise click.Abort("interrupted; nothing was changed") from None


@contextmanager
def going_on_alone() -> Iterator[None]:
    """Say, after Ctrl-C, what goes on without us and how to take it up again.

    A closed terminal and `kill` end the command as Ctrl-C does, so that the lock is given back.
    """
    try:
        with interrupted_by(signal.SIGTERM, signal.SIGHUP):
            yield
    except KeyboardInterrupt:
        click.echo(
            "\nCloudFormation finishes or rolls back what it began; "
            "run the same command again to go on from there",
            err=True,
        )
        raise
