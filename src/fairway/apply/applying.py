"""Plan -> Release: the only stage that changes anything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from fairway.apply.backup import BackingUp, Backup, find_filled, free_held, order_backups
from fairway.apply.cleaning import clean_up
from fairway.apply.giving_code import GivingCode
from fairway.apply.journal import Journal, end_killed, list_journals
from fairway.apply.lock import (
    HeldLock,
    Holder,
    IsAlive,
    find_holder,
    is_alive,
    release_lock,
    take_lock,
)
from fairway.apply.release import (
    NOBODY,
    Outcome,
    Provenance,
    Release,
    StackRecord,
    describe_changes,
    digest_definition,
    record_stack,
)
from fairway.apply.stack_operation import StackOperation
from fairway.apply.stateful import Endangered, find_endangered, require_named
from fairway.apply.store import Store, find_store
from fairway.apply.uploading import (
    empty_buckets,
    remove_left_buckets,
    upload_artifact,
    upload_template,
)
from fairway.apply.walking import walk_stacks
from fairway.aws import Aws
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.template import ArtifactBucket, PrefixList, StackOutput, StackTemplate
from fairway.errors import DeploymentFailed, FairwayError
from fairway.events import Notice, Report, StepFinished, StepStarted, ignore_events
from fairway.plan.model import ObservedStack, Plan, StackPlan, Unknown
from fairway.plan.waiting import Interrupted, Pace


@dataclass(frozen=True)
class Consent:
    """What may go: pairs of verb (replace, delete) and name. try_restore: of the backups."""

    named: frozenset[tuple[str, str]] = frozenset()
    try_restore: bool = False


NO_CONSENT = Consent()


@dataclass
class Applying:
    """One run of apply: the plan, the clients, and what has been handed on so far.

    provenance: told by the caller, kept in the release. now: the clock. find_prefix_list: AWS's
    prefix list of a service. holder: who takes the lock; alive: whether another holder lives.
    ended: told the release that was made of it, however it went.
    """

    plan: Plan
    aws: Aws
    find_prefix_list: Callable[[str], str]
    provenance: Provenance = NOBODY
    consent: Consent = NO_CONSENT
    report: Report = ignore_events
    pace: Pace = field(default_factory=Pace)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    holder: Holder | None = None
    alive: IsAlive = is_alive
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    given: dict[str, dict[str, str]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    backups: list[Backup] = field(default_factory=list)
    resumes: bool = False
    ended: Callable[[Release], None] = lambda release: None

    def run(self) -> Release:
        """Carry the plan out. Raises DeploymentFailed; what was done stays, and can go on.

        Raises ConsentMissing, and changes nothing, when something that holds data would go
        without having been named; LockHeld while somebody else applies.
        """
        require_named(find_endangered(self.plan, self.aws), self.consent.named)
        started = self.now()
        for stack in self.plan.stacks:
            if stack.name == ARTIFACTS_STACK:  # it holds the lock, so it comes before
                self.outputs[stack.name] = self._apply_stack(stack)
        store = self._find_store()
        held = self._take_lock(store)
        try:
            return self._apply_locked(store, started)
        finally:
            self._give_back(store, held)

    def _apply_locked(self, store: Store, started: datetime) -> Release:
        journal = self._open_journal(store, started)
        try:
            with self._freeing_held():
                self._carry_out(journal)
        except (KeyboardInterrupt, Interrupted):
            self._end(journal, started, "interrupted", "interrupted by its user")
            raise
        except FairwayError as error:
            self._tell_done(error)
            self._end(journal, started, "failed", error.summary)
            raise
        except Exception as error:
            self._end(journal, started, "failed", f"{type(error).__name__}: {error}")
            raise
        release = journal.end(self._draft(journal.release.number, started, "succeeded"))
        self.ended(release)
        if told := clean_up(journal.store, journal.release.number, self.now()):
            self.report(Notice(told))
        return release

    def _carry_out(self, journal: Journal) -> None:
        self._back_up(journal)
        for artifact in self.plan.artifacts:
            if not journal.store.has(artifact.key):
                with journal.step(f"upload {artifact.name}"):
                    upload_artifact(journal.store, artifact, self.report)
        wanted = [s for s in self.plan.stacks if s.name != ARTIFACTS_STACK and s.template]
        pace = Pace(first=0.01, growth=2.0, stop=self.pace.stop)
        code = GivingCode(self.aws, journal, self.report, pace)
        code.open(self.plan.stacks)
        if self.plan.short_way:
            self._take_short_way(wanted, code)
        else:
            walk_stacks(
                wanted, lambda s: self._apply_stack(s, journal, code), self.outputs, self.pace
            )
        for stack in self.plan.stacks:
            if stack.template is None:
                self._remove_stack(stack, journal)
        code.finish(self.plan.stacks, self.given)

    def _take_short_way(self, stacks: Sequence[StackPlan], code: GivingCode) -> None:
        """Nothing but code changes: functions are given theirs, and no stack is touched."""
        for stack in stacks:
            assert stack.template is not None
            assert stack.observed is not None
            self.given[stack.name] = self._resolve_parameters(stack, stack.template)
            self.outputs[stack.name] = dict(stack.observed.outputs)
            if any(change.stack == stack.name for change in self.plan.short_way):
                self._operate(stack).require_unmoved()
        code.give(self.plan.short_way)

    def _back_up(self, journal: Journal) -> None:
        """Make backups of what goes. Under the lock it is looked at once more."""
        endangered = find_endangered(self.plan, self.aws)
        require_named(endangered, self.consent.named)
        release = journal.release
        label = f"{release.app}-{release.environment}-{release.number}"
        way = BackingUp(journal.store, label, self.pace, self.consent.try_restore)
        for one in order_backups(self.aws, endangered):
            self._back_up_one(one, way, journal)
        if any(backup.held for backup in self.backups):
            for one in find_filled(find_endangered(self.plan, self.aws), endangered):
                self._back_up_one(one, way, journal)

    def _back_up_one(self, one: Endangered, way: BackingUp, journal: Journal) -> None:
        if not one.can_back_up:
            self.report(Notice(f"the {one.holds} of {one.name} cannot be backed up from here"))
            return
        with journal.step(f"back up {one.name}"), self._tell_step(f"back up {one.name}"):
            backup = way.back_up(one)
        if backup is not None:
            self.backups.append(backup)
            self.report(Notice(str(backup)))

    @contextmanager
    def _freeing_held(self) -> Iterator[None]:
        """Let others read again, at the end, what was read for a backup and stays."""
        failed = True
        try:
            yield
            failed = False
        finally:
            for told in free_held(self.aws, self.backups, failed=failed):
                self.report(Notice(told))

    def _apply_stack(
        self, stack: StackPlan, journal: Journal | None = None, code: GivingCode | None = None
    ) -> dict[str, str]:
        template = stack.template
        assert template is not None
        parameters = self._resolve_parameters(stack, template)
        self.given[stack.name] = parameters
        if stack.observed is not None and self._is_idle(stack, stack.observed, parameters):
            return dict(stack.observed.outputs)
        step = f"stack {stack.name}"
        with self._tell_step(step):
            if journal is None:
                return dict(self._operate(stack).deploy(template, parameters, None))
            with journal.step(step):
                url = upload_template(journal.store, template)
                assert code is not None
                with code.beside(stack, parameters):
                    outputs = self._operate(stack).deploy(template, parameters, url)
                remove_left_buckets(self.aws, stack)
        self.done.append(stack.name)
        return dict(outputs)

    def _is_idle(
        self, stack: StackPlan, there: ObservedStack, parameters: Mapping[str, str]
    ) -> bool:
        """Whether nothing is to be done to a stack.

        One that only lags behind what its functions were given follows when anything else is
        done, or it is asked for, and not when an apply is ended that was killed on the short way.
        """
        differing = {n for n, value in parameters.items() if there.parameters.get(n) != value}
        if self.plan.is_empty:
            differing -= stack.archive_parameters
        same = not differing and parameters.keys() == there.parameters.keys()
        return same and not stack.is_changed

    def _remove_stack(self, stack: StackPlan, journal: Journal) -> None:
        """Delete a stack the application no longer has; the plan has dependants first."""
        step = f"stack {stack.name}"
        with self._tell_step(step), journal.step(step):
            empty_buckets(self.aws, stack)
            self._operate(stack).delete()

    def _operate(self, stack: StackPlan) -> StackOperation:
        return StackOperation(
            self.aws,
            stack,
            self.report,
            self.now().strftime("%Y%m%d-%H%M%S-%f"),
            self.pace,
            environment=self.plan.environment,
            resumes=self.resumes,
            may_have_moved=stack.name == ARTIFACTS_STACK,  # all applications share it
        )

    @contextmanager
    def _tell_step(self, step: str) -> Iterator[None]:
        began = time.monotonic()
        self.report(StepStarted(step))
        yield
        self.report(StepFinished(step, time.monotonic() - began))

    def _tell_done(self, error: FairwayError) -> None:
        """A stack is rolled back by itself: those that went well before stay as they are now."""
        if self.done:
            stays = f"applied before it, and staying: {', '.join(self.done)}"
            error.detail = f"{error.detail}\n{stays}" if error.detail else stays

    def _resolve_parameters(self, stack: StackPlan, template: StackTemplate) -> dict[str, str]:
        """The values of the parameters, now that the stacks before are there."""
        values: dict[str, str] = {}
        for name, source in template.parameters.items():
            planned = stack.parameters[name]
            match source:
                case StackOutput():
                    values[name] = self.outputs[source.stack][source.output]
                case ArtifactBucket():
                    values[name] = self.outputs[ARTIFACTS_STACK]["BucketName"]
                case PrefixList() if isinstance(planned, Unknown):
                    values[name] = self.find_prefix_list(source.service)
                case _:
                    values[name] = str(planned)
        return values

    def _find_store(self) -> Store:
        """The artifact bucket, which the plan's first stack has made, or an earlier apply."""
        name = self.outputs.get(ARTIFACTS_STACK, {}).get("BucketName")
        store = Store(self.aws, name) if name else find_store(self.aws)
        if store is None:
            raise DeploymentFailed(
                f"the stack {ARTIFACTS_STACK} is gone, and with it the bucket of the releases",
                hint="run `fairway apply`, which makes it anew, and then this again",
            )
        return store

    def _take_lock(self, store: Store) -> HeldLock:
        holder = self.holder or find_holder(self.provenance.actor)
        plan, verb = self.plan, self.provenance.kind
        held, dead = take_lock(
            store, plan.app, plan.environment, verb, holder, self.now(), self.alive
        )
        if dead is not None:
            self.report(
                Notice(
                    f"process {dead.holder.pid} of {dead.holder.actor} held the lock since "
                    f"{dead.since} and is dead; its lock was taken over"
                )
            )
        return held

    def _give_back(self, store: Store, held: HeldLock) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            release_lock(store, held)
        except (ClientError, BotoCoreError) as error:
            where = f"-e {self.plan.environment} --break {held.lock.id}"
            self.report(Notice(f"the lock stays ({error}): `fairway unlock {where}` removes it"))

    def _open_journal(self, store: Store, started: datetime) -> Journal:
        """A journal with the next number; those of killed applies are ended first."""
        plan = self.plan
        done, killed = list_journals(store, plan.app, plan.environment)
        for number in killed:
            release, _ = end_killed(store, plan.app, plan.environment, number)
            self.report(Notice(f"release {number} was {release.cause}; this goes on from there"))
        self.resumes = bool(killed)
        number = max([*done, *killed], default=0) + 1
        definition = self.provenance.definition
        if definition:
            key = f"definitions/{digest_definition(definition)}.yml"
            store.keep(key, definition.encode())
        journal = Journal(store, self._draft(number, started, "running"), self.now)
        journal.open()
        return journal

    def _end(self, journal: Journal, started: datetime, outcome: Outcome, cause: str) -> None:
        """Record what went wrong; that this fails too must not hide why."""
        from botocore.exceptions import BotoCoreError, ClientError

        release = replace(self._draft(journal.release.number, started, outcome), cause=cause)
        self.ended(release)
        try:
            journal.end(release)
        except (ClientError, BotoCoreError, DeploymentFailed) as error:
            self.report(Notice(f"the release could not be recorded: {error}"))

    def _draft(self, number: int, started: datetime, outcome: Outcome) -> Release:
        plan, provenance = self.plan, self.provenance
        return Release(
            number=number,
            app=plan.app,
            environment=plan.environment,
            started=started.isoformat(timespec="seconds"),
            seconds=round((self.now() - started).total_seconds(), 3),
            actor=provenance.actor,
            revision=provenance.revision,
            outcome=outcome,
            stacks={s.name: self._record(s, s.template) for s in plan.stacks if s.template},
            artifacts={a.name: a.digest for a in plan.artifacts},
            region=plan.region,
            kind=provenance.kind,
            origin=provenance.origin,
            definition=digest_definition(provenance.definition),
            plan=describe_changes(plan),
            backups={backup.name: backup.place for backup in self.backups},
        )

    def _record(self, stack: StackPlan, template: StackTemplate) -> StackRecord:
        return replace(
            record_stack(template),
            parameters=dict(self.given.get(stack.name, {})),
            outputs=dict(self.outputs.get(stack.name, {})),
        )
