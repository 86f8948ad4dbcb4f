"""`fairway status`: what runs and where."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from fairway.apply.stuck import STUCK
from fairway.cli.options import directory_option, environment_option, json_option
from fairway.cli.render.human import say_next, show_status
from fairway.cli.render.json import print_json
from fairway.cli.render.notices import word_notice
from fairway.cli.render.progress import Progress
from fairway.cli.target import open_target
from fairway.cloud.launch import read_status as read_cloud_status
from fairway.operate.status import read_status
from fairway.route import find_app


@click.command("status", epilog="Example: fairway status -e prod --json")
@environment_option
@directory_option
@json_option
def command(environment: str, directory: Path, as_json: bool) -> None:
    """Show addresses, functions and the state of each stack."""
    app = find_app(directory, environment)
    with Progress(quiet=True) as progress:
        target = open_target(app, progress, must_answer=True)
    status = read_status(app, target.require_aws())
    cloud = read_cloud_status(target.cloud) if target.cloud else None
    if as_json:
        print_json({**asdict(status), "cloud": cloud})
        return
    show_status(status, [word_notice(app, notice) for notice in (cloud or {}).get("notices", [])])
    where = "" if environment == "local" else f" -e {environment}"
    stuck = any(state in STUCK and STUCK[state].needs_repair for state in status.stacks.values())
    verb = "repair" if stuck else "logs" if status.is_deployed else "apply"
    say_next(f"fairway {verb}{where}")
