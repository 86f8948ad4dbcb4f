"""`fairway plan`: what would change, without changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairway.cli.options import (
    directory_option,
    environment_option,
    json_option,
    name_environment,
)
from fairway.cli.render.human import say, say_next, show_costs, show_plan
from fairway.cli.render.json import plan_to_json, print_json
from fairway.cli.render.notices import show_local_limits
from fairway.cli.render.progress import Progress
from fairway.cli.target import Start, open_target, state_directory
from fairway.cloud.launch import stop_cloud
from fairway.define import LOCAL, App
from fairway.events import Report
from fairway.plan import Plan
from fairway.plan.saved import SavedPlan, save_plan, write_saved
from fairway.route import find_app, inspect_plan, load_app, pin_plan, plan_app, plan_removal

if TYPE_CHECKING:
    from fairway.aws import Aws

EXIT_CHANGES = 2


@dataclass(frozen=True)
class _Asked:
    """What the command line asks for, beside the application."""

    destroy: bool
    save: Path | None
    cost: bool
    drift: bool
    change_set: bool
    as_json: bool
    as_markdown: bool

    @property
    def must_answer(self) -> bool:
        return self.destroy or self.drift or self.change_set or self.save is not None

    @property
    def is_quiet(self) -> bool:
        return self.as_json or self.as_markdown


@click.command(
    "plan", epilog="Example: fairway plan -e prod --save plan.json && fairway apply plan.json"
)
@environment_option
@click.option("--destroy", is_flag=True, help="Plan the removal of everything.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the plan for `fairway apply FILE`, and print its digest.",
)
@click.option("--cost", is_flag=True, help="Show the monthly cost line by line.")
@click.option("--drift", is_flag=True, help="Look for changes made by others; slow on AWS.")
@click.option(
    "--change-set",
    is_flag=True,
    help="Compare with CloudFormation's own forecast; writes a change set and removes it.",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option("--exit-code", is_flag=True, help="Exit with 2 when there are changes.")
@directory_option
@json_option
def command(
    environment: str,
    destroy: bool,
    save: Path | None,
    cost: bool,
    drift: bool,
    change_set: bool,
    as_markdown: bool,
    exit_code: bool,
    directory: Path,
    as_json: bool,
) -> int:
    """Show what applying would create, update, replace and delete.

    Above the list stands what a review asks: which data may be lost, who gains which
    permission, what opens to the internet, what is interrupted, what it costs.

    Nothing is changed. Without AWS credentials it is compared with the last release made from
    this directory; without one, everything counts as new.
    """
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown exclude each other.")
    asked = _Asked(destroy, save, cost, drift, change_set, as_json, as_markdown)
    app = (find_app if destroy else load_app)(directory, environment)
    with Progress(quiet=asked.is_quiet) as progress:
        plan = _make_plan(app, asked, progress)
    saved = save_plan(plan) if save else None
    if saved and save:
        write_saved(saved, save)
    _show(plan, saved, asked)
    return EXIT_CHANGES if exit_code and not plan.is_empty else 0


def _make_plan(app: App, asked: _Asked, report: Report) -> Plan:
    start: Start = "always" if asked.save and app.environment == LOCAL else "if-deployed"
    target = open_target(app, report, must_answer=asked.must_answer, start=start)
    # Nothing that plans can write: its clients refuse, but for the change set that was asked for.
    written = ("CreateChangeSet", "DeleteChangeSet") if asked.change_set else ()
    aws = target.aws.reading(*written) if target.aws else None
    try:
        if asked.destroy:
            plan = plan_removal(app, _require(aws), report)
        else:
            plan = plan_app(app, target.choose, aws, report)
        if asked.drift or asked.change_set:
            plan = inspect_plan(plan, _require(aws), drift=asked.drift, change_set=asked.change_set)
        return pin_plan(plan, app, _require(aws)) if asked.save else plan
    finally:
        if target.started:  # only to be asked
            stop_cloud(state_directory(app.root))


def _require(aws: Aws | None) -> Aws:
    assert aws is not None, "the target was opened so that it must answer"
    return aws


def _show(plan: Plan, saved: SavedPlan | None, asked: _Asked) -> None:
    if asked.as_json:
        print_json({**plan_to_json(plan), "digest": saved.digest if saved else None})
        return
    if asked.as_markdown:
        from fairway.cli.render.markdown import write_plan

        click.echo(write_plan(plan, saved.digest if saved else None))
        return
    show_plan(plan)
    if asked.cost:
        show_costs(plan)
    show_local_limits(plan)
    if saved and asked.save:
        say(f"\nsaved in {asked.save}")
        say(f"digest {saved.digest}")
    _suggest(plan, asked.save)


def _suggest(plan: Plan, saved: Path | None) -> None:
    where = name_environment(plan.environment)
    if plan.is_empty:
        say_next(f"fairway status{where}")
    elif saved:
        say_next(f"fairway apply {saved}")
    else:
        say_next(f"fairway {'destroy' if plan.destroys else 'apply'}{where}")
