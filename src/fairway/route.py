"""The route: fairway.yml -> App -> Templates -> Artifacts -> Plan -> Release.

Read top to bottom, this is what Fairway does. Everything up to the plan only
reads; `apply` alone changes anything, and reads only the plan. Removing an
application takes the same way with another plan.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fairway.apply import Applying, Release
from fairway.aws import Aws
from fairway.aws.stacks import find_prefix_list
from fairway.bundle import Artifact, Platform, Source, bundle_sources
from fairway.check import require_valid
from fairway.compile import Templates, compile_app
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.draft import name_stack, name_stacks
from fairway.define import LOCAL, App, define_app
from fairway.define.spec import Table
from fairway.events import Report, StepFinished, StepStarted, ignore_events
from fairway.plan import ObservedStack, Plan, plan_changes, plan_destruction
from fairway.plan.observe import find_kept_tables, observe_stacks

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
    """compile, bundle, plan: what would change. Without `aws` everything counts as new."""
    templates = compile_app(app)
    artifacts = bundle_app(app, templates, choose, report)
    if aws is None:
        return plan_changes(app, templates, artifacts, {}, compared=False)
    observed = _observe(aws, [ARTIFACTS_STACK, *name_stacks(app)], report)
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


def plan_removal(app: App, aws: Aws, report: Report = ignore_events) -> Plan:
    """plan: what removing the application from its environment would delete and keep."""
    return plan_destruction(app, _observe(aws, name_stacks(app), report))


def apply_plan(
    plan: Plan,
    aws: Aws,
    *,
    actor: str = "unknown",
    revision: str | None = None,
    report: Report = ignore_events,
) -> Release:
    """apply: exactly the plan."""
    applying = Applying(
        plan,
        aws,
        lambda service: find_prefix_list(aws, service),
        actor=actor,
        revision=revision,
        report=report,
    )
    return applying.run()


def _observe(aws: Aws, names: list[str], report: Report) -> dict[str, ObservedStack]:
    step, began = "asking CloudFormation what is there", time.monotonic()
    report(StepStarted(step))
    observed = observe_stacks(aws, names)
    report(StepFinished(step, time.monotonic() - began, minor=True))
    return observed
