"""`fairway destroy`: everything gone, after a plan and consent."""

from __future__ import annotations

from pathlib import Path

import click

from fairway.cli.consent import going_on_alone, require_consent
from fairway.cli.options import directory_option, environment_option, json_option, yes_option
from fairway.cli.render.human import say, say_next, show_plan
from fairway.cli.render.json import print_json
from fairway.cli.render.progress import Progress
from fairway.cli.source_control import find_actor, find_revision
from fairway.cli.target import open_target
from fairway.plan import Action, Plan
from fairway.route import apply_plan, find_app, plan_removal


@click.command("destroy", epilog="Example: fairway destroy -e poc --yes")
@environment_option
@yes_option
@click.option("-v", "--verbose", is_flag=True, help="Show every resource as it goes.")
@directory_option
@json_option
def command(environment: str, yes: bool, verbose: bool, directory: Path, as_json: bool) -> None:
    """Remove the application from an environment.

    Tables stay, with their rows and their key, unless the file says
    `on_delete: delete`; what stays is listed.
    """
    app = find_app(directory, environment)
    with Progress(quiet=as_json) as progress:
        target = open_target(app, progress, must_answer=True, start="if-deployed")
        aws = target.require_aws()
        plan = plan_removal(app, aws, progress)
    if not plan.stacks:
        if as_json:
            print_json({"changed": False, "kept": []})
        else:
            say(f"{app.name} is not deployed in {environment}")
        return
    if not as_json:
        show_plan(plan)
    require_consent(f"Remove {app.name} from {environment}?", yes=yes)
    with going_on_alone(), Progress(verbose=verbose, quiet=as_json) as progress:
        apply_plan(
            plan, aws, actor=find_actor(), revision=find_revision(directory), report=progress
        )
    kept = list_kept(plan)
    if as_json:
        print_json({"changed": True, "kept": kept})
        return
    say(f"{app.name} is gone from {environment}")
    for name in kept:
        say(f"  kept: {name}")
    if environment == "local":
        say_next("fairway down")


def list_kept(plan: Plan) -> list[str]:
    """What stays in the account after the stacks are gone."""
    return [
        f"{change.resource_type} {change.physical_id or change.logical_id}"
        for _, change in plan.changes()
        if change.action is Action.KEEP
    ]
