"""One way for every verb that applies a plan: consent, progress, the release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event

from fairway.apply import Consent, Provenance, Release
from fairway.cli.consent import (
    Given,
    gather_consent,
    going_on_alone,
    require_consent,
    require_known,
)
from fairway.cli.render.progress import Progress
from fairway.cli.target import Start, Target, open_target, state_directory
from fairway.cloud.launch import stop_cloud
from fairway.define import App
from fairway.errors import DeploymentFailed
from fairway.events import Report
from fairway.plan import Plan
from fairway.route import apply_plan, recording


@dataclass(frozen=True)
class Proposal:
    """What is to be applied, and where. question: asked on a terminal.

    is_idle: there is nothing to do, not even to end what an apply that was killed began.
    """

    app: App
    target: Target
    plan: Plan
    provenance: Provenance
    question: str
    is_idle: bool


@contextmanager
def opened_target(app: App, report: Report, start: Start = "never") -> Iterator[Target]:
    """A target that answers, closed again when planning for it fails or is interrupted."""
    target = open_target(app, report, must_answer=True, start=start)
    with stopped_when_abandoned(app, target):
        yield target


@contextmanager
def stopped_when_abandoned(app: App, target: Target) -> Iterator[None]:
    """Stop a local cloud that was started only to be asked, when nothing comes of the asking.

    Ctrl-C and a refused question end it too, and they are no errors of ours.
    """
    try:
        yield
    except BaseException:
        if target.started:
            stop_cloud(state_directory(app.home))
        raise


def refuse_unknown_names(proposal: Proposal, given: Given, whose: str = "") -> None:
    """Raise FairwayError for names that were given in vain, also where there is nothing to do.

    whose: as of require_known.
    """
    with stopped_when_abandoned(proposal.app, proposal.target):
        require_known(proposal.app, proposal.plan, proposal.target.require_aws(), given, whose)


@dataclass(frozen=True)
class Delivery:
    """A proposal, and the consent that was given beforehand."""

    proposal: Proposal
    given: Given
    verbose: bool = False
    quiet: bool = False
    show_events: bool = False

    def run(self) -> Release:
        """Ask for what consent is missing, and carry the plan out."""
        with stopped_when_abandoned(self.proposal.app, self.proposal.target):
            consent = self.gather()
            if not self.proposal.plan.is_empty:
                require_consent(self.proposal.question, yes=self.given.yes)
        with going_on_alone(), Progress(verbose=self.verbose, quiet=self.quiet) as progress:
            return self.carry_out(consent, progress)

    def carry_out(self, consent: Consent, report: Report, stop: Event | None = None) -> Release:
        """Apply the plan and keep a record of it. stop: set to end it as Ctrl-C does."""
        app, aws, plan = self.proposal.app, self.proposal.target.require_aws(), self.proposal.plan
        provenance = self.proposal.provenance
        try:
            with recording(app, aws, report) as ended:
                return apply_plan(
                    plan,
                    aws,
                    provenance=provenance,
                    consent=consent,
                    report=report,
                    stop=stop,
                    ended=ended,
                )
        except DeploymentFailed as error:
            if self.show_events and error.events:
                told = "\n".join(error.events)
                error.detail = f"{error.detail}\n{told}" if error.detail else told
            raise

    def gather(self) -> Consent:
        """Consent to what --yes does not cover. Raises FairwayError where it is missing."""
        target, plan = self.proposal.target, self.proposal.plan
        consent = gather_consent(self.proposal.app, plan, target.require_aws(), self.given)
        # On this machine trying costs a moment; on AWS a restored table, for as long as it takes.
        return replace(consent, try_restore=consent.try_restore or target.cloud is not None)
