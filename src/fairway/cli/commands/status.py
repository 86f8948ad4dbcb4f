"""`fairway status`: what runs and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from fairway.apply.stuck import STUCK
from fairway.cli.options import (
    directory_option,
    environment_option,
    json_option,
    name_environment,
    services_option,
)
from fairway.cli.render.human import say, say_next, show_status
from fairway.cli.render.json import print_json
from fairway.cli.render.notices import word_notice, word_notices
from fairway.cli.render.progress import Progress
from fairway.cli.selection import Selection, select
from fairway.cli.target import open_target
from fairway.cloud.launch import read_status as read_cloud_status
from fairway.operate.status import Status, read_status, tell_status
from fairway.route import find_app, observe_app


@click.command("status", epilog="Example: fairway status -e prod --json")
@environment_option
@directory_option
@services_option
@json_option
def command(environment: str, directory: Path, services: tuple[str, ...], as_json: bool) -> None:
    """Show addresses, functions and the state of each stack, in a root those of all services."""
    selection = select(directory, services)
    if selection.workspace is not None:
        _show_services(selection, environment, as_json=as_json)
        return
    app = find_app(selection.directory, environment)
    with Progress(quiet=True) as progress:
        target = open_target(app, progress, must_answer=True)
    status = read_status(app, target.require_aws())
    cloud = read_cloud_status(target.cloud) if target.cloud else None
    if as_json:
        print_json({**asdict(status), "cloud": cloud})
        return
    show_status(status, [word_notice(app, notice) for notice in (cloud or {}).get("notices", [])])
    _suggest([status], environment)


def _show_services(selection: Selection, environment: str, *, as_json: bool) -> None:
    """Each service in turn, after one look at all stacks."""
    from fairway.cli.services import opened_services

    apps = selection.find(environment)
    with Progress(quiet=True) as progress, opened_services(apps, progress) as opened:
        found = [
            tell_status(one.app, observe_app(one.app, one.target.require_aws(), one.survey))
            for one in opened
            if one.survey is not None
        ]
    cloud = next((one.target.cloud for one in opened), None)
    told = read_cloud_status(cloud) if cloud else None
    if as_json:
        services = {app.service: asdict(one) for app, one in zip(apps, found, strict=True)}
        print_json({"services": services, "cloud": told})
        return
    for status in found:
        show_status(status)
    for text in word_notices(apps, (told or {}).get("notices", [])):
        say(f"  note: {text}", dim=True)
    _suggest(found, environment)


def _suggest(found: Sequence[Status], environment: str) -> None:
    states = [state for status in found for state in status.stacks.values()]
    stuck = any(state in STUCK and STUCK[state].needs_repair for state in states)
    verb = "repair" if stuck else "logs" if any(s.is_deployed for s in found) else "apply"
    say_next(f"fairway {verb}{name_environment(environment)}")
