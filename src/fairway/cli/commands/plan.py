"""`fairway plan`: what would change, without changing anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fairway.cli.options import (
    directory_option,
    environment_option,
    full_option,
    json_option,
    name_environment,
    services_option,
    verbose_option,
)
from fairway.cli.render.human import say, say_next, show_costs, show_plan
from fairway.cli.render.json import plan_to_json, print_json
from fairway.cli.render.notices import show_limits_of, show_local_limits
from fairway.cli.render.progress import Progress
from fairway.cli.selection import Selection, select
from fairway.cli.target import Start, Target, open_target, open_targets, state_directory
from fairway.define import LOCAL, App, find_home
from fairway.errors import FairwayError
from fairway.events import Report
from fairway.plan import Plan
from fairway.plan.saved import SavedPlan, save_plan, write_saved
from fairway.plan.short_way import take_full_way
from fairway.route import find_app, inspect_plan, load_app, pin_plan, plan_app, plan_removal

if TYPE_CHECKING:
    from fairway.aws import Aws
    from fairway.plan.observe import Survey

EXIT_CHANGES = 2


@dataclass(frozen=True)
class _Asked:
    """What the command line asks for, beside the application."""

    destroy: bool
    save: Path | None
    cost: bool
    drift: bool
    change_set: bool
    full: bool
    verbose: bool
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
@full_option
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a pull request.")
@click.option("--exit-code", is_flag=True, help="Exit with 2 when there are changes.")
@verbose_option("List what the local cloud leaves out.")
@directory_option
@services_option
@json_option
def command(
    environment: str,
    destroy: bool,
    save: Path | None,
    cost: bool,
    drift: bool,
    change_set: bool,
    full: bool,
    as_markdown: bool,
    exit_code: bool,
    verbose: bool,
    directory: Path,
    services: tuple[str, ...],
    as_json: bool,
) -> int:
    """Show what applying would create, update, replace and delete.

    Above the list stands what a review asks: which data may be lost, who gains which
    permission, what opens to the internet, what is interrupted, what it costs.

    Nothing is changed. Without AWS credentials it is compared with the last release made from
    this directory; without one, everything counts as new.

    In a root of services: all of them; those that change in full, the others as a number.
    """
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown exclude each other.")
    asked = _Asked(destroy, save, cost, drift, change_set, full, verbose, as_json, as_markdown)
    selection = select(directory, services)
    if selection.workspace is not None:
        plans = _plan_services(selection, environment, asked)
        _show_services(selection, environment, plans, asked)
        changed = any(not plan.is_empty for plan in plans.values())
        return EXIT_CHANGES if exit_code and changed else 0
    app = (find_app if destroy else load_app)(selection.directory, environment)
    with Progress(quiet=asked.is_quiet) as progress:
        plan = _make_plan(app, asked, progress)
    saved = save_plan(plan) if save else None
    if saved and save:
        write_saved(saved, save)
    _show(plan, saved, asked, choose_idle_verb(selection, environment))
    return EXIT_CHANGES if exit_code and not plan.is_empty else 0


def _make_plan(app: App, asked: _Asked, report: Report) -> Plan:
    start: Start = "always" if asked.save and app.environment == LOCAL else "if-deployed"
    target = open_target(app, report, must_answer=asked.must_answer, start=start)
    with _ended_afterwards(app, target):
        reading = _make_reading(target, asked)
        plan = _plan_on(app, reading, asked, report)
        return pin_plan(plan, app, _require(reading.aws)) if asked.save else plan


def _plan_services(selection: Selection, environment: str, asked: _Asked) -> dict[str, Plan]:
    """The plan of each service, by its name, after one look at what is there."""
    from fairway.cli.services import name_events, survey_services
    from fairway.cli.shared_stack import share_once

    if asked.save:
        raise FairwayError(
            "a saved plan is of one service", hint="add --service with its name, and save each"
        )
    plans: dict[str, Plan] = {}
    with Progress(quiet=asked.is_quiet) as progress:
        apps = (selection.find if asked.destroy else selection.load)(environment)
        must_answer = asked.must_answer
        targets = open_targets(apps, progress, must_answer=must_answer, start="if-deployed")
        if not targets:
            return plans
        with _ended_afterwards(apps[0], targets[0]):
            readings = {id(target): _make_reading(target, asked) for target in targets}
            there = [readings[id(target)] for target in targets]
            changing: set[object] = set()
            for one in survey_services(apps, there, progress):
                report = name_events(one.app.service, progress)
                plan = _plan_on(one.app, one.target, asked, report, one.survey)
                plans[one.app.service] = share_once(plan, one.target, changing)
    return plans


def _plan_on(
    app: App, target: Target, asked: _Asked, report: Report, survey: Survey | None = None
) -> Plan:
    """The plan for an application on a target that was opened for reading."""
    if asked.destroy:
        plan = plan_removal(app, _require(target.aws), report, survey)
    else:
        plan = plan_app(app, target.choose, target.aws, report, survey)
        plan = take_full_way(plan) if asked.full else plan
    if asked.drift or asked.change_set:
        aws = _require(target.aws)
        plan = inspect_plan(plan, aws, drift=asked.drift, change_set=asked.change_set)
    return plan


def _make_reading(target: Target, asked: _Asked) -> Target:
    """Nothing that plans can write: its clients refuse, but for the change set asked for."""
    written = ("CreateChangeSet", "DeleteChangeSet") if asked.change_set else ()
    return replace(target, aws=target.aws.reading(*written)) if target.aws else target


@contextmanager
def _ended_afterwards(app: App, target: Target) -> Iterator[None]:
    try:
        yield
    finally:
        if target.started:  # only to be asked
            from fairway.cloud.launch import stop_cloud

            stop_cloud(state_directory(app.home))


def _require(aws: Aws | None) -> Aws:
    assert aws is not None, "the target was opened so that it must answer"
    return aws


def _show(plan: Plan, saved: SavedPlan | None, asked: _Asked, idle_verb: str) -> None:
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
    show_local_limits(plan, verbose=asked.verbose)
    if saved and asked.save:
        say(f"\nsaved in {asked.save}")
        say(f"digest {saved.digest}")
    _suggest(plan, asked.save, idle_verb)


def _show_services(
    selection: Selection, environment: str, plans: Mapping[str, Plan], asked: _Asked
) -> None:
    if asked.as_json:
        described = {name: plan_to_json(plan) for name, plan in plans.items()}
        changed = [name for name, plan in plans.items() if not plan.is_empty]
        print_json({"environment": environment, "changed": changed, "services": described})
        return
    if asked.as_markdown:
        from fairway.cli.render.markdown import write_plans

        click.echo(write_plans(selection.name, environment, plans))
        return
    from fairway.cli.render.services import show_plans

    show_plans(selection.name, environment, plans, costs=asked.cost)
    show_limits_of(plans.values(), verbose=asked.verbose)
    where, changes = name_environment(environment), any(not p.is_empty for p in plans.values())
    verb = _choose_verb(destroys=asked.destroy, full=asked.full)
    say_next(f"fairway {verb if changes else choose_idle_verb(selection, environment)}{where}")


def choose_idle_verb(selection: Selection, environment: str) -> str:
    """What to do when nothing changes. A local cloud that does not run has no status to show."""
    if environment != LOCAL:
        return "status"
    from fairway.cloud.launch import find_cloud

    return "status" if find_cloud(state_directory(find_home(selection.directory))) else "up"


def _suggest(plan: Plan, saved: Path | None, idle_verb: str) -> None:
    where = name_environment(plan.environment)
    if plan.is_empty:
        say_next(f"fairway {idle_verb}{where}")
    elif saved:
        say_next(f"fairway apply {saved}")
    else:
        say_next(f"fairway {_choose_verb(destroys=plan.destroys, full=plan.full)}{where}")


def _choose_verb(*, destroys: bool, full: bool) -> str:
    """What does just what was shown."""
    return "destroy" if destroys else "apply --full" if full else "apply"
