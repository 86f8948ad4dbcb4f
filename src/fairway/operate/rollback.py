"""Back to an earlier release, by the same route: its templates against what is there."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

from fairway.apply import Provenance, Release
from fairway.apply.release import StackRecord, read_release, read_source
from fairway.apply.store import Store, find_store
from fairway.apply.uploading import template_key
from fairway.aws import Aws
from fairway.aws.stacks import find_prefix_list
from fairway.bundle import Artifact
from fairway.compile import Templates
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.template import Layer, StackOutput, StackTemplate
from fairway.define import App
from fairway.errors import FairwayError
from fairway.events import Notice, Report, ignore_events
from fairway.operate.history import read_good
from fairway.plan import ObservedStack, Plan, plan_changes
from fairway.plan.given_code import observe_code
from fairway.plan.observe import find_stacks, observe_stacks

_ORDER: tuple[Layer, ...] = ("artifacts", "network", "data", "app")
_STAYS: tuple[Layer, ...] = ("artifacts", "data")


def plan_rollback(
    app: App,
    aws: Aws,
    number: int | None,
    provenance: Provenance,
    *,
    with_data: bool = False,
    report: Report = ignore_events,
) -> tuple[Plan, Provenance]:
    """plan: back to a release, or to the good one before the one that runs.

    The stacks of data stay as they are unless with_data; a notice says when the release had
    them otherwise. Nothing is compiled and nothing is built. Raises FairwayError when there is
    no such release, or not all of it any more.
    """
    store = find_store(aws)
    if store is None:
        raise _refuse(app, number)
    release = _choose(store, app, number)
    observed = observe_stacks(aws, [ARTIFACTS_STACK, *find_stacks(aws, app)])
    observed = observe_code(aws, app.name, app.environment, observed, report)
    latest = next(read_good(store, app.name, app.environment), release)
    templates = _gather_templates(store, release, latest, observed, with_data=with_data)
    _check_outputs(templates, release)
    if not with_data:
        _tell_changed_data(release, latest, report)
    artifacts = [_find_artifact(store, n, d, release) for n, d in release.artifacts.items()]
    plan = plan_changes(
        app,
        Templates(tuple(templates), ()),
        artifacts,
        observed,
        find_prefix_list=lambda service: find_prefix_list(aws, service),
    )
    definition = store.read(f"definitions/{release.definition}.yml") if release.definition else None
    return plan, replace(
        provenance,
        kind="rollback",
        origin=f"{release.environment}/{release.number}",
        revision=release.revision,
        definition=definition.body.decode() if definition else "",
    )


def _choose(store: Store, app: App, number: int | None) -> Release:
    if number is None:
        good = list(itertools.islice(read_good(store, app.name, app.environment), 2))
        if len(good) < 2:
            raise FairwayError(
                f"{app.name} has no earlier good release in {app.environment}",
                hint="`fairway history` lists all of them",
            )
        return good[1]
    release = read_release(store, app.name, app.environment, number)
    if release is None:
        raise _refuse(app, number)
    if not release.is_good:
        what = "removed the application" if release.kind == "destroy" else release.outcome
        raise FairwayError(
            f"release {number} of {app.name} in {app.environment} cannot be gone back to: {what}",
            hint="choose one that succeeded: `fairway history`",
        )
    return release


def _refuse(app: App, number: int | None) -> FairwayError:
    which = f"release {number}" if number is not None else "release"
    return FairwayError(
        f"{app.name} has no {which} in {app.environment}", hint="`fairway history` lists them"
    )


def _gather_templates(
    store: Store,
    release: Release,
    latest: Release,
    observed: dict[str, ObservedStack],
    *,
    with_data: bool,
) -> list[StackTemplate]:
    """The release's templates; for what stays, those that are deployed."""
    stays = ("artifacts",) if with_data else _STAYS
    found = [
        _restore(store, name, record, release)
        for name, record in release.stacks.items()
        if record.layer not in stays or name not in observed
    ]
    for name, stack in observed.items():
        record = latest.stacks.get(name) or release.stacks.get(name)
        if record is not None and record.layer in stays:
            found.append(_rebuild(name, record, dict(stack.template)))
    return sorted(found, key=lambda template: (_ORDER.index(template.layer), template.name))


def _restore(store: Store, name: str, record: StackRecord, release: Release) -> StackTemplate:
    stored = store.read(template_key(record.digest))
    if stored is None:
        raise _explain_missing(release, f"the template of {name}")
    return _rebuild(name, record, json.loads(stored.body))


def _rebuild(name: str, record: StackRecord, body: dict[str, object]) -> StackTemplate:
    return StackTemplate(
        name,
        record.layer,
        body,
        {parameter: read_source(source) for parameter, source in record.sources.items()},
        {},  # no line of the file is behind it: that may have moved on
        record.tags,
    )


def _check_outputs(templates: list[StackTemplate], release: Release) -> None:
    """The data that stays must still hand on what the release takes."""
    given = {t.name: set(t.template.get("Outputs", {})) for t in templates}
    for template in templates:
        for source in template.parameters.values():
            if isinstance(source, StackOutput) and source.output not in given.get(source.stack, ()):
                raise FairwayError(
                    f"release {release.number} needs {source.output} of {source.stack}, which is "
                    "no longer there",
                    hint="--with-data takes the data's stacks back too; read its plan with care",
                )


def _tell_changed_data(release: Release, latest: Release, report: Report) -> None:
    """The release's code meets the data of today: say where that is not what it was made for."""
    for name, record in release.stacks.items():
        now = latest.stacks.get(name)
        if record.layer == "data" and now is not None and now.digest != record.digest:
            report(
                Notice(
                    f"{name} stays as it is now, and was otherwise in release {release.number}: "
                    "its code may not fit the data; --with-data takes that back too"
                )
            )


def _find_artifact(store: Store, name: str, digest: str, release: Release) -> Artifact:
    artifact = Artifact(name, digest, Path(), 0)
    if not store.has(artifact.key):
        raise _explain_missing(release, f"the archive of {name}")
    return artifact


def _explain_missing(release: Release, what: str) -> FairwayError:
    return FairwayError(
        f"{what} of release {release.number} is no longer kept",
        hint=f"check out {release.revision or 'its revision'} and apply that",
    )
