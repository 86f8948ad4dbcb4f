"""The route: fairway.yml -> App -> Templates -> Artifacts -> Plan -> Release.

Read top to bottom, this is what Fairway does. Everything up to the plan only
reads; `apply` alone changes anything, and reads only the plan. Removing an
application takes the same way with another plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from fairway.apply import NO_CONSENT, NOBODY, Applying, Consent, Provenance, Release
from fairway.apply.readiness import Scope, await_quiet
from fairway.aws import Aws
from fairway.aws.stacks import find_prefix_list
from fairway.bundle import Artifact, Platform, Source, bundle_sources
from fairway.check import require_valid
from fairway.compile import Templates, compile_app
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.draft import find_deployed, match_stack, name_stack
from fairway.define import LOCAL, App, define_app
from fairway.define.app import FILE_NAME
from fairway.define.spec import Table
from fairway.events import Report, StepFinished, StepStarted, ignore_events
from fairway.plan import ObservedStack, Plan, plan_changes, plan_destruction
from fairway.plan.drift import detect_drift
from fairway.plan.forecast import forecast_changes
from fairway.plan.observe import find_kept_tables, find_stacks, observe_stacks
from fairway.plan.record import ReleaseRecord, read_last_record, write_record
from fairway.plan.saved import digest_file

STATE_DIRECTORY = ".fairway"

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


def bundle_app(
    app: App, templates: Templates, choose: ChoosePlatform, report: Report = ignore_events
) -> tuple[Artifact, ...]:
    """bundle: one archive for each source directory and platform."""
    sources = [
        Source(s.name, app.root / s.directory, choose(s.runtime, s.architecture))
        for s in templates.sources
    ]
    return bundle_sources(sources, app.root / STATE_DIRECTORY / "cache", report)


def plan_app(
    app: App,
    choose: ChoosePlatform,
    aws: Aws | None = None,
    report: Report = ignore_events,
) -> Plan:
    """compile, bundle, plan: what would change.

    Without `aws` it is compared with the last release that this directory knows of; without
    one, everything counts as new.
    """
    if aws is None:
        return _plan_by_record(app, choose, report)
    observed = _observe(aws, [ARTIFACTS_STACK, *find_stacks(aws, app)], report)
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
    if record is not None and (record.app, record.region) != (app.name, app.region):
        record = None
    observed = record.stacks if record else {}
    deployed = find_deployed(app, {name: stack.template for name, stack in observed.items()})
    templates = compile_app(app, deployed)
    artifacts = bundle_app(app, templates, choose, report)
    plan = plan_changes(app, templates, artifacts, observed, compared=False)
    return replace(plan, against=str(record) if record else "")


def record_release(app: App, aws: Aws, release: Release) -> None:
    """Keep what stands after a release beside the application, for plans with nobody to ask."""
    stacks = observe_stacks(aws, [ARTIFACTS_STACK, *find_stacks(aws, app)])
    when = release.started[:16].replace("T", " ") + " UTC"
    record = ReleaseRecord(release.number, app.name, app.environment, app.region, when, stacks)
    write_record(_locate_records(app), record)


def _locate_records(app: App) -> Path:
    return app.root / STATE_DIRECTORY / "releases" / app.environment


def plan_removal(app: App, aws: Aws, report: Report = ignore_events) -> Plan:
    """plan: what removing the application from its environment would delete and keep."""
    return plan_destruction(app, _observe(aws, find_stacks(aws, app), report))


def inspect_plan(plan: Plan, aws: Aws, *, drift: bool, change_set: bool) -> Plan:
    """The plan with what CloudFormation says of it, as far as it is asked.

    drift: what was changed by others since. change_set: its own forecast; needs to write one.
    """
    if drift:
        plan = replace(plan, drift=detect_drift(aws, plan))
    if change_set:
        mark = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
        plan = replace(plan, forecasts=forecast_changes(aws, plan, mark))
    return plan


def pin_plan(plan: Plan, app: App, aws: Aws) -> Plan:
    """The plan with the account and the file that it was made for: what a saved one names."""
    account = aws.sts.get_caller_identity()["Account"]
    return replace(plan, account=account, file_digest=digest_file(app.root / FILE_NAME))


def prepare_apply(
    app: App, aws: Aws, report: Report = ignore_events, *, mends: bool = False
) -> bool:
    """apply, before a plan is made for it: whether an apply that was killed is to be ended.

    Waits for what CloudFormation is still at. mends: whether stuck stacks are what is asked for.
    Raises LockHeld while somebody else applies, DeploymentFailed when a stack is stuck.
    """
    scope = Scope(app.name, app.environment, lambda name: match_stack(app, name) is not None)
    return await_quiet(aws, scope, report, datetime.now(UTC), mends=mends)


def apply_plan(
    plan: Plan,
    aws: Aws,
    *,
    provenance: Provenance = NOBODY,
    consent: Consent = NO_CONSENT,
    report: Report = ignore_events,
) -> Release:
    """apply: exactly the plan."""
    applying = Applying(
        plan,
        aws,
        lambda service: find_prefix_list(aws, service),
        provenance=provenance,
        consent=consent,
        report=report,
    )
    return applying.run()


def _observe(aws: Aws, names: list[str], report: Report) -> dict[str, ObservedStack]:
    step, began = "asking CloudFormation what is there", time.monotonic()
    report(StepStarted(step))
    observed = observe_stacks(aws, names)
    report(StepFinished(step, time.monotonic() - began, minor=True))
    return observed
