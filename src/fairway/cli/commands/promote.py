"""`fairway promote`: a release of one environment into another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import click

from fairway.apply import Release
from fairway.cli.delivery import Proposal, opened_target
from fairway.cli.names import Name
from fairway.cli.options import Number, full_option, name_environment
from fairway.cli.render.human import say, say_next, summarise_plan
from fairway.cli.request import Request, deliver, request_options, say_release
from fairway.cli.source_control import find_provenance
from fairway.cli.target import open_target, state_directory
from fairway.events import Report
from fairway.operate.promote import define_target, find_release, plan_promotion, require_promotable
from fairway.plan.short_way import take_full_way
from fairway.route import find_app, prepare_apply


@click.command("promote", epilog="Example: fairway promote poc prod --yes")
@click.argument("source", metavar="FROM", type=Name("environment"))
@click.argument("destination", metavar="TO", type=Name("environment"))
@click.option(
    "--release",
    "number",
    type=Number(min=1, names="good-release"),
    metavar="N",
    help="Bring this release; the newest good one when not said.",
)
@full_option
@request_options
def command(
    request: Request, source: str, destination: str, number: int | None, full: bool
) -> None:
    """Bring what was released in FROM to TO: the same definition, the same bytes.

    The definition is the one that was released, with TO's own settings; the archives are
    copied, not built anew. It is planned, shown and recorded like any other change.
    """
    require_promotable(source, destination)
    deliver(_Promote(request.for_one(), source, destination, number, full))


@dataclass(frozen=True)
class _Promote:
    request: Request
    source: str
    destination: str
    number: int | None
    full: bool

    def propose(self, report: Report) -> Proposal:
        """The released definition as the destination sees it, with the released archives."""
        directory = self.request.directory
        origin = find_app(directory, self.source)
        there = find_app(directory, self.destination)
        source_aws = open_target(origin, report, must_answer=True).require_aws()
        found, definition = find_release(origin, source_aws, self.number)
        app = define_target(origin, definition, there)
        with opened_target(app, report) as target:
            aws = target.require_aws()
            unfinished = prepare_apply(app, aws, report)
            cache = state_directory(origin.home) / "cache" / "promoted"
            plan, provenance = plan_promotion(
                app, found, source_aws, aws, cache, find_provenance(directory), definition
            )
            plan = take_full_way(plan) if self.full else plan
        return Proposal(
            app,
            target,
            plan,
            provenance,
            f"Bring release {found.number} of {self.source} to {self.destination}?",
            is_idle=plan.is_empty and not unfinished,
        )

    def describe(self, proposal: Proposal, release: Release | None) -> Mapping[str, Any]:
        """The release in the destination."""
        return {"release": asdict(release)} if release else {}

    def tell(self, proposal: Proposal, release: Release | None) -> None:
        """Which release it is of which."""
        if release is None:
            say(summarise_plan(proposal.plan))
            return
        number = proposal.provenance.origin.rpartition("/")[2]
        say_release(f"of {self.destination} is release {number} of {self.source},", release)
        say_next(f"fairway status{name_environment(self.destination)}")
