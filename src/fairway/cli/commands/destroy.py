"""`fairway destroy`: everything gone, after a plan and consent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from fairway.apply import Provenance, Release
from fairway.cli.delivery import Proposal, opened_target
from fairway.cli.options import environment_option
from fairway.cli.render.human import say, say_next
from fairway.cli.request import Request, request_options
from fairway.cli.selection import Selection
from fairway.cli.services import Opened, deliver_selected
from fairway.cli.source_control import find_provenance
from fairway.cli.target import Start
from fairway.define import App
from fairway.events import Report
from fairway.plan import Action, Plan
from fairway.route import find_app, plan_removal, prepare_apply


@click.command("destroy", epilog="Example: fairway destroy -e poc --yes")
@environment_option
@request_options
def command(request: Request, environment: str) -> None:
    """Remove the application from an environment.

    Tables stay, with their rows and their key, unless the file says
    `on_delete: delete`; what stays is listed. What holds data and does not stay goes only
    when it is named (--delete), and is backed up first.

    In a root of services: all of them.
    """
    deliver_selected(lambda one: _Destroy(one, environment), request)


@dataclass(frozen=True)
class _Destroy:
    request: Request
    environment: str
    start: Start = "if-deployed"
    question: str = "Remove {}?"

    def read_services(self, selection: Selection) -> list[App]:
        """Services whatever state their code is in."""
        return selection.find(self.environment)

    def propose_for(self, opened: Opened, report: Report) -> Proposal:
        """The removal of a service's stacks, if it has any."""
        app, target = opened.app, opened.target
        aws = target.require_aws()
        if opened.is_busy:
            prepare_apply(app, aws, report, mends=True)
        plan = plan_removal(app, aws, report, None if opened.is_busy else opened.survey)
        idle = not plan.stacks
        provenance = Provenance() if idle else find_provenance(app.root)
        provenance = replace(provenance, kind="destroy")
        return Proposal(app, target, plan, provenance, self.question, is_idle=idle)

    def propose(self, report: Report) -> Proposal:
        """The removal of every stack that is there, stuck ones too."""
        app = find_app(self.request.directory, self.environment)
        with opened_target(app, report, start="if-deployed") as target:
            aws = target.require_aws()
            prepare_apply(app, aws, report, mends=True)
            plan = plan_removal(app, aws, report)
        return Proposal(
            app,
            target,
            plan,
            replace(find_provenance(self.request.directory), kind="destroy"),
            f"Remove {app.name} from {self.environment}?",
            is_idle=not plan.stacks,
        )

    def describe(self, proposal: Proposal, release: Release | None) -> Mapping[str, Any]:
        """What stays."""
        return {"kept": list_kept(proposal.plan)}

    def tell(self, proposal: Proposal, release: Release | None) -> None:
        """That it is gone, and what stays."""
        if release is None:
            say(f"{proposal.app.name} is not deployed in {self.environment}")
            return
        self.tell_service(proposal, release)
        self.suggest([proposal])

    def tell_service(self, proposal: Proposal, release: Release) -> None:
        """The same of one of several."""
        say(f"{proposal.app.name} is gone from {self.environment}")
        for name in list_kept(proposal.plan):
            say(f"  kept: {name}")

    def suggest(self, proposals: Sequence[Proposal]) -> None:
        """On this machine, to stop what ran them."""
        if self.environment == "local":
            say_next("fairway down")


def list_kept(plan: Plan) -> list[str]:
    """What stays in the account after the stacks are gone."""
    return [
        f"{change.resource_type} {change.physical_id or change.logical_id}"
        for _, change in plan.changes()
        if change.action is Action.KEEP
    ]
