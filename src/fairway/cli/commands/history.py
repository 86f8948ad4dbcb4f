"""`fairway history`: what was released, when, by whom and how it ended."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from fairway.apply import Provenance, Release
from fairway.apply.journal import Step
from fairway.apply.lock import is_alive
from fairway.cli.options import (
    Number,
    directory_option,
    environment_option,
    json_option,
    name_environment,
    services_option,
)
from fairway.cli.render.human import say, say_next
from fairway.cli.render.json import print_json
from fairway.cli.render.progress import Progress
from fairway.cli.selection import Selection, select
from fairway.cli.target import open_target, open_targets
from fairway.errors import FairwayError
from fairway.operate.history import (
    History,
    find_killed,
    may_go_back,
    read_history,
    read_one,
)
from fairway.route import find_app


@click.command("history", epilog="Example: fairway history -e prod 12")
@click.argument("number", metavar="[N]", required=False, type=Number(min=1, names="release"))
@environment_option
@click.option(
    "--limit",
    type=Number(min=1, max=1000),
    default=20,
    show_default=True,
    metavar="COUNT",
    help="How many, the newest first.",
)
@directory_option
@services_option
@json_option
def command(
    number: int | None,
    environment: str,
    limit: int,
    directory: Path,
    services: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the releases of an environment, the failed and interrupted ones too.

    With N: that release with its changes, its steps and how long each took.

    In a root of services: the newest releases of all of them.
    """
    selection = select(directory, services)
    if selection.workspace is not None:
        if number is not None:
            raise FairwayError(
                "each service numbers its own releases", hint="add --service with its name"
            )
        _show_services(selection, environment, limit, as_json=as_json)
        return
    app = find_app(selection.directory, environment)
    with Progress(quiet=True) as progress:
        target = open_target(app, progress, must_answer=True)
    aws = target.require_aws()
    if number is not None:
        release, steps = read_one(app, aws, number)
        if as_json:
            print_json({**asdict(release), "steps": [asdict(step) for step in steps]})
        else:
            begun = release.outcome == "running"
            killed = find_killed(read_history(app, aws, limit)) if begun else frozenset[int]()
            _show_one(release, steps, is_killed=number in killed)
        return
    history = read_history(app, aws, limit)
    if as_json:
        print_json(_describe(history))
        return
    from fairway.operate.rollback import plan_rollback

    goes_back = may_go_back(history, lambda: plan_rollback(app, aws, None, Provenance())[0])
    _show_all(history, app.name, environment, goes_back=goes_back)


def _describe(history: History) -> dict[str, Any]:
    return {
        "current": history.current,
        "releases": [asdict(release) for release in history.releases],
        "lock": asdict(history.lock.lock) if history.lock else None,
        "more": history.more,
    }


def _show_services(selection: Selection, environment: str, limit: int, *, as_json: bool) -> None:
    """The newest releases of all services, by the time at which they began."""
    apps = selection.find(environment)
    with Progress(quiet=True) as progress:
        targets = open_targets(apps, progress, must_answer=True)
    histories = {
        app.service: read_history(app, target.require_aws(), limit)
        for app, target in zip(apps, targets, strict=True)
    }
    if as_json:
        print_json({"services": {name: _describe(one) for name, one in histories.items()}})
        return
    found = [(release, name) for name, one in histories.items() for release in one.releases]
    found.sort(key=lambda pair: pair[0].started, reverse=True)
    where = name_environment(environment)
    if not found:
        say(f"nothing of {selection.name} was released in {environment}")
        say_next(f"fairway apply{where}")
        return
    say(f"releases of {selection.name} in {environment}", bold=True)
    width = max(len(name) for _, name in found[:limit])
    for release, name in found[:limit]:
        _show_line(release, f"{name:<{width}} ", histories[name])
    more = sum(one.more for one in histories.values()) + len(found[limit:])
    if more:
        say(f"        and {more} before: --limit", dim=True)
    for name, one in histories.items():
        _show_lock(one, f"{name}: ")
    say_next(f"fairway history{where} --service {found[0][1]} {found[0][0].number}")


def _show_all(history: History, app: str, environment: str, *, goes_back: bool) -> None:
    where = name_environment(environment)
    if not history.releases:
        say(f"nothing of {app} was released in {environment}")
        say_next(f"fairway apply{where}")
        return
    say(f"releases of {app} in {environment}", bold=True)
    for release in history.releases:
        _show_line(release, "", history)
    if history.more:
        say(f"        and {history.more} before: --limit", dim=True)
    _show_lock(history, "")
    back = f", fairway rollback{where}" if goes_back else ""
    say_next(f"fairway history{where} {history.releases[0].number}{back}")


def _show_line(release: Release, label: str, history: History) -> None:
    mark = "*" if release.number == history.current else " "
    revision = release.revision or "-"
    outcome = "killed" if release.number in find_killed(history) else release.outcome
    took = "-" if release.outcome == "running" else f"{release.seconds:.1f} s"
    say(
        f"{mark}{label}{release.number:>5}  {release.started[:16].replace('T', ' ')}  "
        f"{outcome:<11}  {took:>8}  {tell_kind(release):<18}  {revision:<18}  "
        f"{release.actor}"
    )
    if release.cause:
        say(f"        {textwrap.shorten(release.cause, 160, placeholder=' ...')}", dim=True)


def _show_lock(history: History, label: str) -> None:
    if history.lock is None:
        return
    lock = history.lock.lock
    if is_alive(lock.holder):
        say(f"{label}being changed by {lock.holder.actor} since {lock.since}", fg="yellow")
    else:
        say(f"{label}left unfinished by {lock.holder.actor}, whose process is dead", fg="yellow")
        say("the next apply takes it up", dim=True)


def tell_kind(release: Release) -> str:
    """What the release was made by, and of which it was made."""
    if not release.origin:
        return release.kind
    word = "of" if release.kind == "promote" else "to"
    number = release.origin.rpartition("/")[2]
    return f"{release.kind} {word} {number if release.kind == 'rollback' else release.origin}"


def _show_one(release: Release, steps: list[Step], *, is_killed: bool) -> None:
    say(f"release {release.number} of {release.app} in {release.environment}", bold=True)
    counts = Counter(change["action"] for change in release.plan)
    outcome = f"{release.outcome} in {release.seconds:.1f} s"
    if release.outcome == "running":
        outcome = "killed; the next apply goes on" if is_killed else "running"
    rows = {
        "outcome": outcome,
        "cause": release.cause,
        "by": f"{release.actor}, `fairway {tell_kind(release)}`",
        "started": release.started,
        "revision": release.revision or "not under version control",
        "plan": ", ".join(f"{n} to {action}" for action, n in counts.items()) or "no changes",
        "code": ", ".join(f"{n} {d[:12]}" for n, d in release.artifacts.items()),
        "backups": ", ".join(f"{n}: {place}" for n, place in release.backups.items()),
    }
    for label, text in rows.items():
        if text:
            say(f"  {label:<9} {text}")
    for step in steps:
        state = "failed" if step.failed else "" if step.ended else "did not end"
        say(f"  step      {step.began[11:19]}  {step.name}  {state}".rstrip())
    for change in release.plan:
        say(f"  {change['action']:<9} {change['logical_id']:<24} {change['type']}", dim=True)
