"""`fairway apply`: exactly the plan, carried out."""

from __future__ import annotations

from pathlib import Path

import click

from fairway.apply import Release
from fairway.cli.commands.plan import show_local_notices
from fairway.cli.consent import going_on_alone, require_consent
from fairway.cli.options import directory_option, environment_option, json_option, yes_option
from fairway.cli.render.human import say, say_next, show_plan, show_status, summarise_plan
from fairway.cli.render.json import print_json
from fairway.cli.render.progress import Progress
from fairway.cli.source_control import find_actor, find_revision
from fairway.cli.target import open_target, state_directory
from fairway.cloud.launch import stop_cloud
from fairway.errors import FairwayError
from fairway.operate.status import read_status
from fairway.route import apply_plan, load_app, plan_app


@click.command("apply", epilog="Example: fairway apply -e prod --yes")
@environment_option
@yes_option
@click.option("-v", "--verbose", is_flag=True, help="Show every resource as it goes.")
@directory_option
@json_option
def command(environment: str, yes: bool, verbose: bool, directory: Path, as_json: bool) -> None:
    """Plan, ask for consent, and carry out exactly what was shown.

    A failed update is rolled back, and the first real cause is told.
    """
    app = load_app(directory, environment)
    with Progress(verbose=verbose, quiet=as_json) as progress:
        target = open_target(app, progress, must_answer=True, start="always")
        aws = target.require_aws()
        plan = plan_app(app, target.choose, aws, progress)
    if plan.is_empty:
        if as_json:
            print_json({"changed": False})
            return
        say(summarise_plan(plan))
    else:
        if not as_json:
            show_plan(plan)
            show_local_notices(plan)
        try:
            require_consent("Apply these changes?", yes=yes)
        except FairwayError:
            if target.started:  # only to be asked
                stop_cloud(state_directory(directory))
            raise
        with going_on_alone(), Progress(verbose=verbose, quiet=as_json) as progress:
            release = apply_plan(
                plan,
                aws,
                actor=find_actor(),
                revision=find_revision(directory),
                report=progress,
            )
        if as_json:
            print_json({"changed": True, "release": release})
            return
        _show_release(release)
    show_status(read_status(app, aws))
    where = "" if environment == "local" else f" -e {environment}"
    say_next(f"fairway logs{where} --follow")


def _show_release(release: Release) -> None:
    say()
    say(f"release {release.number} of {release.app} in {release.seconds:.1f} s", bold=True)
