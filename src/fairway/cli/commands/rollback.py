"""`fairway rollback`: an earlier release again, by the same route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import click

from fairway.apply import Release
from fairway.cli.delivery import Proposal, opened_target
from fairway.cli.options import Number, environment_option, full_option, name_environment
from fairway.cli.render.human import say, say_next, summarise_plan
from fairway.cli.request import Request, deliver, request_options, say_release
from fairway.cli.source_control import find_provenance
from fairway.events import Report
from fairway.operate.rollback import plan_rollback
from fairway.plan.short_way import take_full_way
from fairway.route import find_app, prepare_apply


@click.command("rollback", epilog="Example: fairway rollback -e prod 12 --yes")
@click.argument("number", metavar="[N]", required=False, type=Number(min=1, names="good-release"))
@environment_option
@click.option("--with-data", is_flag=True, help="Take the data's stacks back too.")
@full_option
@request_options
def command(
    request: Request, number: int | None, environment: str, with_data: bool, full: bool
) -> None:
    """Go back to release N, or to the good one before the one that runs.

    The templates and archives of that release are applied as they were; nothing is built
    anew. The stacks of data stay as they are, and with them every row. It is planned, shown
    and recorded like any other change.
    """
    deliver(_Rollback(request.for_one(), number, environment, with_data, full))


@dataclass(frozen=True)
class _Rollback:
    request: Request
    number: int | None
    environment: str
    with_data: bool
    full: bool

    def propose(self, report: Report) -> Proposal:
        """The templates and archives of the earlier release."""
        app = find_app(self.request.directory, self.environment)
        with opened_target(app, report, start="if-deployed") as target:
            aws = target.require_aws()
            unfinished = prepare_apply(app, aws, report)
            here = find_provenance(self.request.directory)
            plan, provenance = plan_rollback(
                app, aws, self.number, here, with_data=self.with_data, report=report
            )
            plan = take_full_way(plan) if self.full else plan
        return Proposal(
            app,
            target,
            plan,
            provenance,
            f"Go back to release {_find_earlier(provenance.origin)}?",
            is_idle=plan.is_empty and not unfinished,
        )

    def describe(self, proposal: Proposal, release: Release | None) -> Mapping[str, Any]:
        """The earlier release's number, and the one that was made of it."""
        earlier = {"to": _find_earlier(proposal.provenance.origin)}
        return {**earlier, "release": asdict(release)} if release else earlier

    def tell(self, proposal: Proposal, release: Release | None) -> None:
        """Which release it is again."""
        earlier = _find_earlier(proposal.provenance.origin)
        if release is None:
            say(summarise_plan(proposal.plan))
            say(f"what runs is what release {earlier} was")
        else:
            say_release(f"is release {earlier} again,", release)
            say("the file here was not changed: applying it goes forward again", dim=True)
        where = name_environment(self.environment)
        say_next(f"fairway status{where}", started=proposal.target.started)


def _find_earlier(origin: str) -> int:
    return int(origin.rpartition("/")[2])
