"""`fairway apply`: exactly the plan, carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fairway.apply import Release
from fairway.cli.delivery import Proposal, opened_target
from fairway.cli.options import environment_option, full_option, name_environment
from fairway.cli.render.human import say, say_next, show_status, summarise_plan
from fairway.cli.request import Request, deliver, request_options, say_release
from fairway.cli.selection import Selection
from fairway.cli.services import Opened, deliver_selected, propose_update
from fairway.cli.source_control import find_provenance
from fairway.cli.target import Start
from fairway.define import App
from fairway.errors import FairwayError
from fairway.events import Report
from fairway.operate.status import read_status
from fairway.plan.saved import SavedPlan, read_saved, require_same
from fairway.plan.short_way import take_full_way
from fairway.route import (
    find_app,
    load_app,
    pin_plan,
    plan_app,
    plan_removal,
    prepare_apply,
)


@click.command("apply", epilog="Example: fairway apply -e prod --yes")
@click.argument(
    "plan_file", metavar="[PLAN]", required=False, type=click.Path(path_type=Path, dir_okay=True)
)
@environment_option
@full_option
@request_options
def command(request: Request, plan_file: Path | None, environment: str, full: bool) -> None:
    """Plan, ask for consent, and carry out exactly what was shown.

    With a PLAN that `fairway plan --save` wrote: that plan and nothing else, or nothing at all
    when the file, the code or what is there has moved since. A failed update is rolled back,
    and the first real cause is told.

    Where code alone changes it is given to its functions directly, which takes seconds, unless
    the environment says `approve: true` or --full is given. The stack follows with the next
    change that goes through CloudFormation.

    What holds data goes only when it is named (--replace, --delete), and is backed up first.
    An environment with `approve: true` needs --approve or --consent. An apply that was killed
    is taken up again by the next one.

    In a root of services: all of them, a few side by side. Those without changes are not
    touched. After a failure no other is begun, and the next apply goes on.
    """
    saved = read_saved(plan_file) if plan_file else None
    if saved is not None:
        environment = _choose_environment(saved, environment)
        full = _choose_way(saved, full=full)
        deliver(_Apply(request.for_one(), environment, saved, full))
    else:
        deliver_selected(lambda one: _Apply(one, environment, None, full), request)


@dataclass(frozen=True)
class _Apply:
    request: Request
    environment: str
    saved: SavedPlan | None
    full: bool = False
    start: Start = "always"
    question: str = "Apply the changes of {}?"

    def read_services(self, selection: Selection) -> list[App]:
        """Services without a fault: what cannot be deployed is told before anything is."""
        return selection.load(self.environment)

    def propose_for(self, opened: Opened, report: Report) -> Proposal:
        """The plan of a service."""
        return propose_update(opened, report, full=self.full)

    def propose(self, report: Report) -> Proposal:
        """The plan for what the file says now; a saved one only if it is still that."""
        removes = self.saved is not None and self.saved.destroys
        app = (find_app if removes else load_app)(self.request.directory, self.environment)
        with opened_target(app, report, start="always") as target:
            aws = target.require_aws()
            unfinished = prepare_apply(app, aws, report)
            if removes:
                plan = plan_removal(app, aws, report)
            else:
                plan = plan_app(app, target.choose, aws, report)
            if self.full:
                plan = take_full_way(plan)
            if self.saved is not None:
                plan = pin_plan(plan, app, aws)
                require_same(self.saved, plan)
        return Proposal(
            app,
            target,
            plan,
            find_provenance(self.request.directory),
            "Apply these changes?",
            is_idle=plan.is_empty and not unfinished,
        )

    def tell_service(self, proposal: Proposal, release: Release) -> None:
        """The release of one of several."""
        say_release(f"of {proposal.app.service}", release)

    def suggest(self, proposals: Sequence[Proposal]) -> None:
        """To see what runs."""
        say_next(
            f"fairway status{name_environment(self.environment)}",
            started=any(proposal.target.started for proposal in proposals),
        )

    def describe(self, proposal: Proposal, release: Release | None) -> Mapping[str, Any]:
        """The release."""
        return {"release": asdict(release)} if release else {}

    def tell(self, proposal: Proposal, release: Release | None) -> None:
        """The release, and what runs."""
        if release is None:
            say(summarise_plan(proposal.plan))
        else:
            say()
            say_release(f"of {release.app}", release)
        show_status(read_status(proposal.app, proposal.target.require_aws()))
        say_next(
            f"fairway logs{name_environment(self.environment)} --follow",
            started=proposal.target.started,
        )


def _choose_environment(saved: SavedPlan, environment: str) -> str:
    """The plan's own; naming another one is a mistake that must not pass."""
    source = click.get_current_context().get_parameter_source("environment")
    if source is not ParameterSource.DEFAULT and environment != saved.environment:
        raise FairwayError(
            f"the plan is for {saved.environment}, not for {environment}",
            hint="leave out -e, or save a plan for the environment that you mean",
        )
    return saved.environment


def _choose_way(saved: SavedPlan, *, full: bool) -> bool:
    """The plan's own too."""
    if full and not saved.is_full and not saved.destroys:
        raise FairwayError(
            "the plan was not saved with --full",
            hint="leave out --full, or save one with `fairway plan --full --save FILE`",
        )
    return saved.is_full
