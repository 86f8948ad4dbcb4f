"""Verbs about many services: each takes the way of one application, side by side.

Everything is planned and consented to before anything is carried out. A service without changes
is not touched: no change set, no upload, no lock, no release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from fairway.apply import NO_CONSENT, Provenance
from fairway.cli.consent import Given, going_on_alone, require_consent
from fairway.cli.delivery import Delivery, Proposal, stopped_when_abandoned
from fairway.cli.failures import find_output
from fairway.cli.render.json import print_json
from fairway.cli.render.notices import show_limits_of
from fairway.cli.render.progress import Progress
from fairway.cli.render.services import count_services, show_plans
from fairway.cli.request import Request, Verb, deliver
from fairway.cli.selection import Selection, name_service, select
from fairway.cli.service_consent import gather_consents, require_services
from fairway.cli.shared_stack import changes_shared, settle_shared, share_once
from fairway.cli.source_control import find_provenance
from fairway.cli.target import Start, Target, open_targets
from fairway.define import App
from fairway.errors import DeploymentFailed, FairwayError
from fairway.events import Event as ReportedEvent
from fairway.events import Notice, Report, ResourceProgress, StepFinished, StepStarted
from fairway.plan.short_way import take_full_way
from fairway.route import find_busy, plan_app, prepare_apply

if TYPE_CHECKING:
    from fairway.apply import Consent, Release
    from fairway.plan.observe import Survey

AT_ONCE = 4
"""Services that are applied side by side; each has up to four stacks under way."""
_LOOK = 0.5  # seconds; a signal that comes just before a wait for a lock does not end it


@dataclass(frozen=True)
class Opened:
    """A service, its target, and all stacks there as they were seen at once.

    is_busy: whether somebody holds its lock, or a stack of it is not at rest.
    """

    app: App
    target: Target
    survey: Survey | None = None
    is_busy: bool = False


class ServiceVerb(Verb, Protocol):
    """A verb that applies plans, about many services: how they are read, opened and planned."""

    @property
    def environment(self) -> str:
        """Where."""

    @property
    def start(self) -> Start:
        """Whether a local cloud is started for it."""

    @property
    def question(self) -> str:
        """What is asked on a terminal about all of them; `{}` is which."""

    def read_services(self, selection: Selection) -> list[App]:
        """The services that it is about."""

    def propose_for(self, opened: Opened, report: Report) -> Proposal:
        """The plan for one of them; changes nothing that the plan is about."""

    def tell_service(self, proposal: Proposal, release: Release) -> None:
        """What came of one of them, in words."""

    def suggest(self, proposals: Sequence[Proposal]) -> None:
        """The next step after all of them."""


def deliver_selected(make: Callable[[Request], ServiceVerb], request: Request) -> None:
    """The verb about one application, or about the services of a root."""
    selection = select(request.directory, request.services)
    if selection.workspace is None:
        deliver(make(request.at(selection.directory)))
    else:
        deliver_services(make(request), selection)


def deliver_services(verb: ServiceVerb, selection: Selection) -> None:
    """Plan all, show, ask once, carry out, tell."""
    request = verb.request
    with Progress(verbose=request.verbose, quiet=request.as_json) as progress:
        apps = verb.read_services(selection)
        with opened_services(apps, progress, verb.start) as opened:
            proposals = propose_all(verb.propose_for, opened, progress)
    if proposals:
        with stopped_when_abandoned(proposals[0].app, proposals[0].target):
            require_services(proposals, request.given)
    work = [proposal for proposal in proposals if not proposal.is_idle]
    plans = {proposal.app.service: proposal.plan for proposal in proposals}
    if not request.as_json:
        show_plans(selection.name, verb.environment, plans)
        show_limits_of(plans.values(), verbose=request.verbose)
    releases: dict[str, Release] = {}
    try:
        if work:
            _carry_out(verb, work, releases)
    except BaseException:
        if releases:  # what is done stays, whatever became of the others
            find_output().done = describe_services(proposals, releases, verb.describe)
            _tell(verb, proposals, releases)
        raise
    _tell(verb, proposals, releases)
    if request.as_json:
        print_json(describe_services(proposals, releases, verb.describe))
    else:
        verb.suggest(proposals)


def _tell(
    verb: ServiceVerb, proposals: Sequence[Proposal], releases: Mapping[str, Release]
) -> None:
    by_name = {proposal.app.service: proposal for proposal in proposals}
    for service, release in () if verb.request.as_json else releases.items():
        verb.tell_service(by_name[service], release)


def _carry_out(verb: ServiceVerb, work: Sequence[Proposal], releases: dict[str, Release]) -> None:
    request = verb.request
    deliveries = [
        Delivery(p, request.given, request.verbose, request.as_json, request.show_events)
        for p in work
    ]
    with stopped_when_abandoned(work[0].app, work[0].target):
        consents = gather_consents(deliveries)
        if not all(proposal.plan.is_empty for proposal in work):
            require_consent(verb.question.format(count_services(len(work))), yes=request.given.yes)
    with going_on_alone(), Progress(verbose=request.verbose, quiet=request.as_json) as progress:
        carry_out_services(deliveries, consents, progress, releases)


def carry_out_services(
    deliveries: Sequence[Delivery],
    consents: Sequence[Consent],
    report: Report,
    releases: dict[str, Release],
) -> None:
    """Carry out what was consented to.

    releases: to be filled with them by the service's name, as they are made; also when it fails.
    """

    def work(delivery: Delivery, consent: Consent, stop: Event) -> Release:
        named = name_events(delivery.proposal.app.service, report)
        return settle_shared(delivery).carry_out(consent, named, stop)

    CarryingOut(work, releases).run(deliveries, consents)


@contextmanager
def opened_services(
    apps: Sequence[App], report: Report, start: Start = "never", *, must_answer: bool = True
) -> Iterator[list[Opened]]:
    """Services with targets, each asked once; a local cloud is stopped again when this fails."""
    if not apps:
        yield []
        return
    targets = open_targets(apps, report, must_answer=must_answer, start=start)
    with stopped_when_abandoned(apps[0], targets[0]):
        yield survey_services(apps, targets, report)


def survey_services(apps: Sequence[App], targets: Sequence[Target], report: Report) -> list[Opened]:
    """Each service with what one look at each target tells of it.

    Equal targets are one object, as from `open_targets`. One that cannot be asked tells nothing.
    """
    import time

    from fairway.plan.observe import survey_stacks

    step, began = "asking CloudFormation what is there", time.monotonic()
    report(StepStarted(step))
    found: dict[int, tuple[Survey | None, set[str]]] = {}
    for target in targets:
        if id(target) not in found:
            mine = [app for app, other in zip(apps, targets, strict=True) if other is target]
            survey = survey_stacks(target.aws) if target.aws else None
            busy = find_busy(mine, target.aws, survey) if target.aws and survey else set()
            found[id(target)] = survey, busy
    report(StepFinished(step, time.monotonic() - began, minor=True))
    return [
        Opened(app, target, found[id(target)][0], app.name in found[id(target)][1])
        for app, target in zip(apps, targets, strict=True)
    ]


def propose_all(
    propose: Callable[[Opened, Report], Proposal], opened: Iterable[Opened], report: Report
) -> list[Proposal]:
    """A proposal for each service; what they all share is proposed once at each target."""
    proposals: list[Proposal] = []
    changing: set[object] = set()
    for one in opened:
        try:
            proposal = propose(one, name_events(one.app.service, report))
        except FairwayError as error:
            name_service(error, one.app.service)
            raise
        plan = share_once(proposal.plan, one.target, changing)
        idle = proposal.is_idle or (plan.is_empty and not proposal.plan.is_empty)
        proposals.append(replace(proposal, plan=plan, is_idle=idle))
    return proposals


def name_events(service: str, report: Report) -> Report:
    """A report that says which service it is about; names in two services may be the same."""

    def tell(event: ReportedEvent) -> None:
        match event:
            case StepStarted() | StepFinished():
                event = replace(event, name=f"{service}: {event.name}")
            case Notice():
                event = replace(event, text=f"{service}: {event.text}")
            case ResourceProgress():
                event = replace(event, logical_id=f"{service}/{event.logical_id}")
        report(event)

    return tell


def propose_update(opened: Opened, report: Report, *, full: bool = False) -> Proposal:
    """What a service's file says now; it is looked at closely only when there is work in it."""
    app, target = opened.app, opened.target
    aws = target.require_aws()
    unfinished = opened.is_busy and prepare_apply(app, aws, report)
    survey = None if opened.is_busy else opened.survey
    plan = plan_app(app, target.choose, aws, report, survey)
    plan = take_full_way(plan) if full else plan
    if not plan.is_empty and not opened.is_busy:
        unfinished = prepare_apply(app, aws, report)
    idle = plan.is_empty and not unfinished
    provenance = Provenance() if idle else find_provenance(app.root)
    return Proposal(app, target, plan, provenance, "", is_idle=idle)


def bring_up(apps: Sequence[App], report: Report) -> Target:
    """Start the local cloud when needed, and bring services up to date on it.

    Raises ConsentMissing when something that holds data would go.
    """
    targets = open_targets(apps, report, must_answer=True, start="always")
    opened = survey_services(apps, targets, report)
    proposals = propose_all(propose_update, opened, report)
    work = [
        Delivery(replace(p, provenance=replace(p.provenance, kind="up")), Given())
        for p in proposals
        if not p.is_idle
    ]
    for table in (table for delivery in work for table in delivery.proposal.plan.kept_tables):
        report(Notice(f"{table} stays from before, as it is; a new, empty table is made"))
    carry_out_services(work, [NO_CONSENT] * len(work), report, {})
    return targets[0]


@dataclass
class CarryingOut:
    """Deliveries under way: a few side by side, none begun any more after a failure.

    releases: by the service's name, as they come, also what an interruption lets come to its
    end. failures: what ended badly.
    """

    work: Callable[[Delivery, Consent, Event], Release]
    releases: dict[str, Release] = field(default_factory=dict)
    failures: dict[str, BaseException] = field(default_factory=dict)
    _stop: Event = field(default_factory=Event)
    _alone: bool = False

    def run(self, deliveries: Sequence[Delivery], consents: Sequence[Consent]) -> None:
        """Carry them out. Raises DeploymentFailed, which names those that failed and the rest."""
        waiting = list(zip(deliveries, consents, strict=True))
        running: dict[Future[Release], str] = {}
        try:
            self._run_side_by_side(waiting, running)
        except KeyboardInterrupt:
            for future, service in running.items():
                if future.done():  # some came to their end meanwhile
                    self._note(service, future)
            raise
        if self.failures:
            raise self._explain([delivery.proposal.app.service for delivery, _ in waiting])

    def _run_side_by_side(
        self, waiting: list[tuple[Delivery, Consent]], running: dict[Future[Release], str]
    ) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                while (waiting and not self.failures) or running:
                    while waiting and not self.failures and self._has_room(running, waiting[0][0]):
                        delivery, consent = waiting.pop(0)
                        future = pool.submit(self.work, delivery, consent, self._stop)
                        running[future] = delivery.proposal.app.service
                        self._alone = changes_shared(delivery.proposal.plan)
                    for future in wait(running, _LOOK, FIRST_COMPLETED).done:
                        self._note(running.pop(future), future)
            except BaseException:
                self._stop.set()  # each notes how far it came, and gives its lock back
                raise

    def _has_room(self, running: Mapping[Future[Release], str], following: Delivery) -> bool:
        """Whether another may begin; what makes what others need runs alone."""
        alone = self._alone or changes_shared(following.proposal.plan)
        return len(running) < (1 if alone else AT_ONCE)

    def _note(self, service: str, future: Future[Release]) -> None:
        error = future.exception()
        if error is None:
            self.releases[service] = future.result()
        else:
            if isinstance(error, FairwayError):
                name_service(error, service)
            self.failures[service] = error

    def _explain(self, not_begun: Sequence[str]) -> BaseException:
        """The first failure, by its service's name, and what became of the others."""
        (service, first), *others = self.failures.items()
        strange = [e for e in self.failures.values() if not isinstance(e, FairwayError)]
        if strange or not isinstance(first, FairwayError):
            return strange[0]
        lines = [first.detail] if first.detail else []
        lines += [f"failed too: {name}: {error}" for name, error in others]
        if self.releases:
            lines.append(f"applied, and staying: {', '.join(self.releases)}")
        if not_begun:
            lines.append(f"not begun: {', '.join(not_begun)}")
        failure = DeploymentFailed(
            f"{service}: {first.summary}", hint=first.hint, detail="\n".join(lines) or None
        )
        failure.code = first.code
        return failure


def describe_services(
    proposals: Sequence[Proposal],
    releases: Mapping[str, Release],
    describe: Callable[[Proposal, Release | None], Mapping[str, Any]],
) -> dict[str, Any]:
    """The outcome for programs: an object a service, as the verb has it for one."""
    services = {}
    for proposal in proposals:
        name = proposal.app.service
        release = releases.get(name)
        services[name] = {"changed": release is not None, **describe(proposal, release)}
    return {"changed": bool(releases), "services": services}
