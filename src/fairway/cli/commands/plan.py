"""`fairway plan`: what would change, without changing anything."""

from __future__ import annotations

from pathlib import Path

import click

from fairway.cli.options import directory_option, environment_option, json_option
from fairway.cli.render.human import say, say_next, show_plan
from fairway.cli.render.json import plan_to_json, print_json
from fairway.cli.render.progress import Progress
from fairway.cli.target import open_target, state_directory
from fairway.cloud.control.coverage import list_limits
from fairway.cloud.launch import stop_cloud
from fairway.define import LOCAL
from fairway.plan import Action, Plan
from fairway.route import find_app, load_app, plan_app, plan_removal

EXIT_CHANGES = 2


@click.command("plan", epilog="Example: fairway plan -e prod --destroy")
@environment_option
@click.option("--destroy", is_flag=True, help="Plan the removal of everything.")
@click.option("--exit-code", is_flag=True, help="Exit with 2 when there are changes.")
@directory_option
@json_option
def command(
    environment: str, destroy: bool, exit_code: bool, directory: Path, as_json: bool
) -> int:
    """Show what applying would create, update, replace and delete.

    Nothing is changed. Without AWS credentials everything counts as new.
    """
    app = (find_app if destroy else load_app)(directory, environment)
    with Progress(quiet=as_json) as progress:
        target = open_target(app, progress, must_answer=destroy, start="if-deployed")
        try:
            if destroy:
                plan = plan_removal(app, target.require_aws(), progress)
            else:
                plan = plan_app(app, target.choose, target.aws, progress)
        finally:
            if target.started:  # only to be asked
                stop_cloud(state_directory(directory))
    if as_json:
        print_json(plan_to_json(plan))
    else:
        show_plan(plan)
        show_local_notices(plan)
        _suggest(plan, environment)
    return EXIT_CHANGES if exit_code and not plan.is_empty else 0


def show_local_notices(plan: Plan) -> None:
    """What the local cloud does not do for what is new, in words, before anything is applied."""
    if plan.environment != LOCAL:
        return
    new = {change.resource_type for _, change in plan.changes() if change.action is Action.CREATE}
    limits = list_limits(new)
    if limits:
        say("\non the local cloud:", dim=True)
        for sentence in limits:
            say(f"  {sentence}", dim=True)


def _suggest(plan: Plan, environment: str) -> None:
    where = "" if environment == LOCAL else f" -e {environment}"
    if plan.is_empty:
        say_next(f"fairway status{where}")
    else:
        say_next(f"fairway {'destroy' if plan.destroys else 'apply'}{where}")
