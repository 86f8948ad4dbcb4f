"""The route: fairway.yml -> App -> Templates -> Artifacts -> Plan -> Release.

Read top to bottom, this is what Fairway does. Everything up to the plan only
reads; `apply` alone changes anything, and reads only the plan. Removing an
application takes the same way with another plan.

What a plan without credentials needs is imported here, the rest where it is
used: otherwise loading it would take longer than planning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fairway.bundle import Artifact, Platform, Source, bundle_sources
from fairway.check import check_definition, require_valid
from fairway.compile import Templates, compile_app
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.draft import find_deployed, match_stack, name_stack
from fairway.define import LOCAL, App, Service, define_app, define_service
from fairway.define.app import FILE_NAME
from fairway.define.spec import Table
from fairway.errors import FairwayError, InvalidApplication
from fairway.events import Notice, Report, StepFinished, StepStarted, ignore_events
from fairway.plan import ObservedStack, Plan, plan_changes, plan_destruction
from fairway.plan.record import (
    ReleaseRecord,
    forget_begun,
    mark_begun,
    read_last_record,
    write_record,
)
from fairway.state import STATE_DIRECTORY

if TYPE_CHECKING:
    from threading import Event

    from fairway.apply import Consent, Provenance, Release
    from fairway.aws import Aws
    from fairway.plan.observe import Survey

    Ended = Callable[[Release], None]

# What a target runs code on, for a Lambda runtime and an architecture that the file names.
ChoosePlatform = Callable[[str, str], Platform]


def load_app(directory: Path, environment: str = LOCAL) -> App:
    """define, check: the application, or InvalidApplication with every problem."""
    return require_valid(define_app(directory, environment))


def find_app(directory: Path, environment: str = LOCAL) -> App:
    """define: enough for looking at what is deployed, whatever state the code is in.

    Raises InvalidApplication when fairway.yml leaves in doubt what to look at.
    """
    return define_app(directory, environment).find_app()


def load_services(services: Iterable[Service], environment: str = LOCAL) -> list[App]:
    """define, check: services of a root, or InvalidApplication with every problem of all."""
    found = [define_service(service, environment) for service in services]
    problems = [problem for definition in found for problem in check_definition(definition)]
    if any(problem.is_error for problem in problems):
        raise InvalidApplication(list(dict.fromkeys(problems)))
    return [definition.require_app() for definition in found]


def find_services(services: Iterable[Service], environment: str = LOCAL) -> list[App]:
    """define: services of a root, enough for looking at what is deployed."""
    found = [define_service(service, environment) for service in services]
    doubts = [d for one in found for d in (one.misleading if one.app else one.diagnostics)]
    if doubts:
        raise InvalidApplication(list(dict.fromkeys(doubts)))
    return [definition.find_app() for definition in found]


def bundle_app(
    app: App, templates: Templates, choose: ChoosePlatform, report: Report = ignore_events
) -> tuple[Artifact, ...]:
    """bundle: one archive for each source directory and platform."""
    sources = [
        Source(s.name, app.root / s.directory, choose(s.runtime, s.architecture))
        for s in templates.sources
    ]
    return bundle_sources(sources, app.home / STATE_DIRECTORY / "cache", report)


def plan_app(
    app: App,
    choose: ChoosePlatform,
    aws: Aws | None = None,
    report: Report = ignore_events,
    survey: Survey | None = None,
) -> Plan:
    """compile, bundle, plan: what would change.

    Without `aws` it is compared with the last release that this directory knows of; without
    one, everything counts as new. survey: one look at all stacks, when there are many
    applications; what did not change since the last release from here is then not asked for.
    """
    if aws is None:
        return _plan_by_record(app, choose, report)
    from fairway.aws.stacks import find_prefix_list
    from fairway.plan.given_code import note_key, observe_code
    from fairway.plan.observe import find_kept_tables, find_stacks

    names = [ARTIFACTS_STACK, *find_stacks(aws, app, survey)]
    observed = _observe(app, aws, names, report, survey)
    if survey is None or note_key(app.name, app.environment) in survey.notes:
        observed = observe_code(aws, app.name, app.environment, observed, report)
    else:
        observed = {name: replace(stack, codes={}) for name, stack in observed.items()}
    deployed = find_deployed(app, {name: stack.template for name, stack in observed.items()})
    templates = compile_app(app, deployed)
    artifacts = bundle_app(app, templates, choose, report)
    plan = plan_changes(
        app,
        templates,
        artifacts,
        observed,
        find_prefix_list=lambda service: find_prefix_list(aws, service),
    )
    data = name_stack(app, "data")
    if app.of_kind(Table) and data not in observed:
        plan = replace(plan, kept_tables=tuple(find_kept_tables(aws, data)))
    return plan


def _plan_by_record(app: App, choose: ChoosePlatform, report: Report) -> Plan:
    record = read_last_record(_locate_records(app))
    other = record is not None and (record.app, record.region) != (app.name, app.region)
    if record is not None and record.number and other:
        record = None
    observed = record.stacks if record else {}
    deployed = find_deployed(app, {name: stack.template for name, stack in observed.items()})
    templates = compile_app(app, deployed)
    artifacts = bundle_app(app, templates, choose, report)
    plan = plan_changes(app, templates, artifacts, observed, compared=False)
    return replace(plan, against=str(record) if record else "")


@contextmanager
def recording(app: App, aws: Aws, report: Report = ignore_events) -> Iterator[Ended]:
    """Around `apply_plan`, which is given what this yields: what stands after it is kept.

    It lies beside the application, for plans with nobody to ask. After a failure or an
    interruption it says what was left; a killed apply leaves a mark that it was begun. That
    nothing could be kept is told, and hides no error of the apply.
    """
    ends: list[Release] = []
    directory = _locate_records(app)
    now = _say_time(datetime.now(UTC))
    fresh = _keep_quietly(ignore_events, lambda: mark_begun(directory, now))  # the end tells it
    try:
        yield ends.append
    finally:
        if ends:
            _keep_quietly(report, lambda: record_release(app, aws, ends[-1]))
        elif fresh:  # refused before anything was changed
            _keep_quietly(report, lambda: forget_begun(directory))


def _keep_quietly(report: Report, keep: Callable[[], object]) -> object:
    """Do it, or say in a notice that it could not be done."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return keep()
    except (OSError, FairwayError, BotoCoreError, ClientError) as error:
        beside = "beside the application, for plans without credentials"
        report(Notice(f"what stands now could not be kept {beside}: {error}"))
        return None


def record_release(app: App, aws: Aws, release: Release) -> None:
    """Keep what stands after a release beside the application, for plans with nobody to ask."""
    from fairway.plan.given_code import observe_code
    from fairway.plan.observe import find_stacks, observe_stacks

    stacks = observe_stacks(aws, [ARTIFACTS_STACK, *find_stacks(aws, app)])
    stacks = observe_code(aws, app.name, app.environment, stacks)
    moving = tuple(n for n, s in stacks.items() if s.status.endswith("_IN_PROGRESS"))
    when = _say_time(datetime.fromisoformat(release.started))
    record = ReleaseRecord(
        release.number,
        app.name,
        app.environment,
        app.region,
        when,
        stacks,
        release.outcome,
        moving,
        kind=release.kind,
    )
    write_record(_locate_records(app), record)


def _say_time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _locate_records(app: App) -> Path:
    return app.home / STATE_DIRECTORY / "releases" / app.service / app.environment


def plan_removal(
    app: App, aws: Aws, report: Report = ignore_events, survey: Survey | None = None
) -> Plan:
    """plan: what removing the application from its environment would delete and keep."""
    from fairway.plan.observe import find_stacks

    return plan_destruction(app, _observe(app, aws, find_stacks(aws, app, survey), report, survey))


def inspect_plan(plan: Plan, aws: Aws, *, drift: bool, change_set: bool) -> Plan:
    """The plan with what CloudFormation says of it, as far as it is asked.

    drift: what was changed by others since. change_set: its own forecast; needs to write one.
    """
    from fairway.plan.drift import detect_drift
    from fairway.plan.forecast import forecast_changes

    if drift:
        plan = replace(plan, drift=detect_drift(aws, plan))
    if change_set:
        mark = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        plan = replace(plan, forecasts=forecast_changes(aws, plan, mark))
    return plan


def pin_plan(plan: Plan, app: App, aws: Aws) -> Plan:
    """The plan with the account and the file that it was made for: what a saved one names.

    What the root of services says, as who accepts what, is of the application too.
    """
    from fairway.plan.saved import digest_files

    account = aws.sts.get_caller_identity()["Account"]
    files = [place / FILE_NAME for place in (app.root, app.workspace) if place]
    return replace(plan, account=account, file_digest=digest_files(files))


def prepare_apply(
    app: App, aws: Aws, report: Report = ignore_events, *, mends: bool = False
) -> bool:
    """apply, before a plan is made for it: whether an apply that was killed is to be ended.

    Waits for what CloudFormation is still at. mends: whether stuck stacks are what is asked for.
    Raises LockHeld while somebody else applies, DeploymentFailed when a stack is stuck.
    """
    from fairway.apply.readiness import Scope, await_quiet

    scope = Scope(app.name, app.environment, partial(_owns, app))
    return await_quiet(aws, scope, report, datetime.now(UTC), mends=mends)


def _owns(app: App, stack: str) -> bool:
    return match_stack(app, stack) is not None


def find_busy(apps: Iterable[App], aws: Aws, survey: Survey) -> set[str]:
    """apply, of many: the names of those that need more than a plan before they are applied."""
    from fairway.apply.readiness import Scope
    from fairway.apply.readiness import find_busy as find

    scopes = [Scope(app.name, app.environment, partial(_owns, app)) for app in apps]
    return find(aws, scopes, survey.states)


def apply_plan(
    plan: Plan,
    aws: Aws,
    *,
    provenance: Provenance | None = None,
    consent: Consent | None = None,
    report: Report = ignore_events,
    stop: Event | None = None,
    ended: Ended | None = None,
) -> Release:
    """apply: exactly the plan. provenance: None for nobody known. consent: None for none.

    stop: set by another thread to end it as Ctrl-C does. ended: told the release that came of
    it, also a failed one; not called when nothing was begun.
    """
    from fairway.apply import NO_CONSENT, NOBODY, Applying
    from fairway.aws.stacks import find_prefix_list
    from fairway.plan.waiting import Pace

    applying = Applying(
        plan,
        aws,
        lambda service: find_prefix_list(aws, service),
        provenance=provenance or NOBODY,
        consent=consent or NO_CONSENT,
        report=report,
        pace=Pace(stop=stop) if stop else Pace(),
    )
    if ended is not None:
        applying.ended = ended
    return applying.run()


def observe_app(app: App, aws: Aws, survey: Survey) -> dict[str, ObservedStack]:
    """plan, without planning: the application's stacks."""
    from fairway.plan.observe import find_stacks

    return _observe(app, aws, find_stacks(aws, app, survey), ignore_events, survey)


def _remember(app: App) -> Mapping[str, ObservedStack]:
    """Stacks as they stood after the last release from here; asking anew does as well.

    What code runs is not remembered: others may have given it since, and no stack tells.
    """
    try:
        record = read_last_record(_locate_records(app))
    except FairwayError:
        return {}
    stacks = record.stacks if record else {}
    return {name: replace(stack, codes={}) for name, stack in stacks.items()}


def _observe(
    app: App, aws: Aws, names: list[str], report: Report, survey: Survey | None
) -> dict[str, ObservedStack]:
    from fairway.plan.observe import observe_stacks, observe_surveyed

    if survey is not None:
        return observe_surveyed(aws, names, survey, _remember(app))
    step, began = "asking CloudFormation what is there", time.monotonic()
    report(StepStarted(step))
    observed = observe_stacks(aws, names)
    report(StepFinished(step, time.monotonic() - began, minor=True))
    return observed
