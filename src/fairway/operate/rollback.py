"""Back to an earlier release, by the same route: its templates against what is there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fairway.apply import Provenance, Release
from fairway.apply.journal import list_journals
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
from fairway.plan.observe import find_kept_tables, find_stacks, observe_stacks

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

    What a later apply left half done counts as the one that runs: the newest good one is before it.
    The stacks of data stay as they are unless with_data; a notice says when the release had
    them otherwise. Nothing is compiled and nothing is built. Raises FairwayError when there is
    no such release, or not all of it any more.
    """
    store = find_store(aws)
    if store is None:
        raise _refuse(app, number)
    observed = observe_stacks(aws, [ARTIFACTS_STACK, *find_stacks(aws, app)])
    observed = observe_code(aws, app.name, app.environment, observed, report)
    going = GoingBack(store, app, aws, observed, with_data)
    release, plan = going.choose(number)
    if not with_data:
        _tell_changed_data(release, going.find_latest(release), observed, report)
    if notice := going.explain_missing(release):
        report(Notice(notice))
    plan = replace(plan, kept_tables=tuple(_find_kept(aws, release, observed)))
    definition = store.read(f"definitions/{release.definition}.yml") if release.definition else None
    return plan, replace(
        provenance,
        kind="rollback",
        origin=f"{release.environment}/{release.number}",
        revision=release.revision,
        definition=definition.body.decode() if definition else "",
    )


@dataclass(frozen=True)
class GoingBack:
    """One rollback: what is there, and what going back to a release would do to it."""

    store: Store
    app: App
    aws: Aws
    observed: dict[str, ObservedStack]
    with_data: bool

    def choose(self, number: int | None) -> tuple[Release, Plan]:
        """The release of this number, else the good one before what runs; and the plan to it."""
        if number is None:
            return self._choose_earlier()
        release = read_release(self.store, self.app.name, self.app.environment, number)
        if release is None:
            raise _refuse(self.app, number)
        if not release.is_good:
            what = "removed the application" if release.kind == "destroy" else release.outcome
            where = f"{self.app.name} in {self.app.environment}"
            raise FairwayError(
                f"release {number} of {where} cannot be gone back to: {what}",
                hint="choose one that succeeded: `fairway history`",
            )
        return release, self.plan(release)

    def _choose_earlier(self) -> tuple[Release, Plan]:
        """The newest good one, when what was begun after it left something else; or the one before.

        An apply that failed, or was interrupted or killed, may have changed parts, or nothing.
        """
        good = list(itertools.islice(self._read_good(), 2))
        if good and self._find_last_number() > good[0].number:
            plan = self.plan(good[0])
            if not plan.is_empty:
                return good[0], plan
        if len(good) < 2:
            raise FairwayError(
                f"{self.app.name} has no earlier good release in {self.app.environment}",
                hint="`fairway history` lists all of them",
            )
        return good[1], self.plan(good[1])

    def find_latest(self, release: Release) -> Release:
        """The newest good release; the one given where there is none."""
        return next(self._read_good(), release)

    def plan(self, release: Release) -> Plan:
        """What going back to a release changes."""
        latest = self.find_latest(release)
        templates = _gather_templates(
            self.store, release, latest, self.observed, with_data=self.with_data
        )
        _check_outputs(templates, release)
        artifacts = [
            _find_artifact(self.store, n, d, release) for n, d in release.artifacts.items()
        ]
        return plan_changes(
            self.app,
            Templates(tuple(templates), ()),
            artifacts,
            self.observed,
            find_prefix_list=lambda service: find_prefix_list(self.aws, service),
        )

    def explain_missing(self, release: Release) -> str | None:
        """What going back means where what holds the release's data is not there any more."""
        there = self.observed.keys() - {ARTIFACTS_STACK}
        gone = [n for n, r in release.stacks.items() if r.layer == "data" and n not in there]
        if not there:
            last = read_release(
                self.store, self.app.name, self.app.environment, self._find_last_number()
            )
            by = f": release {last.number} removed it" if last and last.kind == "destroy" else ""
            what = f"{self.app.name} is not deployed in {self.app.environment}{by}"
            made = f"All of release {release.number} is made anew as it was, with no data in it"
        elif gone:
            names = ", ".join(gone)
            what = f"what release {release.number} kept data in is not there any more: {names}"
            made = "It is made anew as it was, with no data in it"
        else:
            return None
        return f"{what}. {made}; `fairway apply` makes what the file says now"

    def _read_good(self) -> Iterator[Release]:
        return read_good(self.store, self.app.name, self.app.environment)

    def _find_last_number(self) -> int:
        """The newest number, also of an apply that was killed."""
        done, killed = list_journals(self.store, self.app.name, self.app.environment)
        return max([*done, *killed], default=0)


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


def _tell_changed_data(
    release: Release, latest: Release, observed: Collection[str], report: Report
) -> None:
    """The release's code meets the data of today: say where that is not what it was made for."""
    for name, record in release.stacks.items():
        now = latest.stacks.get(name)
        changed = now is not None and now.digest != record.digest
        if record.layer == "data" and changed and name in observed:
            report(
                Notice(
                    f"{name} stays as it is now, and was otherwise in release {release.number}: "
                    "its code may not fit the data; --with-data takes that back too"
                )
            )


def _find_kept(aws: Aws, release: Release, observed: Mapping[str, ObservedStack]) -> Iterator[str]:
    """Tables that a removal left, beside which new ones are made."""
    for name, record in release.stacks.items():
        if record.layer == "data" and name not in observed:
            yield from find_kept_tables(aws, name)


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
