"""Code given to functions directly: UpdateFunctionCode, a wait, and the note of it in the bucket.

Lambda developer guide, "Lambda function states": a function takes new code only at rest, and has
it when LastUpdateStatus is Successful. API reference, UpdateFunctionCode: RevisionId refuses the
change when somebody else was there first. docs/decisions/0019-the-short-way.md says the rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from fairway.apply.cause import find_hint
from fairway.apply.journal import Journal
from fairway.aws import Aws, explain_client_error
from fairway.aws.endpoint import explain_no_answer
from fairway.aws.stacks import describe_stack
from fairway.errors import DeploymentFailed
from fairway.events import Report, StepFinished, StepStarted
from fairway.plan.given_code import CodeNote, Given, Place, dump_note, note_key, parse_note
from fairway.plan.model import CodeChange, StackPlan
from fairway.plan.short_way import find_code_key
from fairway.plan.waiting import Interrupted, Pace

FUNCTIONS_AT_ONCE = 8
_LATER = "the next apply tells what runs, and puts it right"
_PATIENCE = 200  # questions about one function; with the longest pauses ten minutes


@dataclass
class GivingCode:
    """One apply's way to functions. note: as it lies in the bucket, with its tag."""

    aws: Aws
    journal: Journal
    report: Report
    pace: Pace = field(default_factory=lambda: Pace(first=0.01, growth=2.0))
    note: CodeNote = field(default_factory=CodeNote)
    etag: str = ""
    _digests: dict[str, str] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def open(self, stacks: Sequence[StackPlan]) -> None:
        """Read the note. stacks: of the plan, which was made knowing what functions run."""
        found = self.journal.store.read(self._key)
        if found is not None:
            self.note, self.etag = _take_up(parse_note(found.body), stacks), found.etag
            self._digests |= {key: digest for digest, key in self.note.archives.items()}

    # --- the short way -------------------------------------------------------

    def give(self, changes: Sequence[CodeChange]) -> None:
        """Give each function its code, side by side.

        Raises DeploymentFailed with the first cause; all of them then have the code again that
        they were meant to run before.
        """
        asked = {(c.stack, c.logical_id): Given(c.function, c.before, c.after) for c in changes}
        archives = self._name_archives(key for c in changes for key in (c.before, c.after))
        self._note(lambda note: _add(note, asked, archives))
        failure = self._give_all(changes)
        if failure is None:
            return
        stays = self._take_back(changes)
        if isinstance(failure, DeploymentFailed):
            failure.detail = "\n".join(filter(None, (failure.detail, stays))) or None
        raise failure

    def _give_all(self, changes: Sequence[CodeChange]) -> Exception | None:
        failures: list[Exception] = []

        def give(change: CodeChange) -> None:
            if failures:
                return
            try:
                with self._step(f"code of {change.component}"):
                    self._give_one(change)
            except Exception as error:
                failures.append(error)

        with ThreadPoolExecutor(FUNCTIONS_AT_ONCE) as pool:
            futures = [pool.submit(give, change) for change in changes]
            try:
                wait(futures)
            except KeyboardInterrupt:
                self.pace.stop.set()  # or leaving would wait for Lambda
                raise
        interrupted = [error for error in failures if isinstance(error, Interrupted)]
        if interrupted:
            raise interrupted[0]
        return failures[0] if failures else None

    def _give_one(self, change: CodeChange) -> None:
        from botocore.exceptions import ClientError

        try:
            found = self._await_rest(change.function)
            runs = found["CodeSha256"]
            if runs == self._digest(change.after):  # given before a kill
                return
            if runs != self._digest(change.before):
                raise DeploymentFailed(
                    f"the code of {_name(change)} was changed by somebody else after the plan was "
                    "made; nothing was changed in it",
                    hint="run the same command again: it plans anew",
                )
            self._update(change.function, change.after, found["RevisionId"])
        except ClientError as error:
            raise _explain(_name(change), error) from error

    def _take_back(self, changes: Sequence[CodeChange]) -> str:
        """Give all functions the code that they were meant to run; what came of it, in words."""
        places = [(change.stack, change.logical_id) for change in changes]
        names = {(c.stack, c.logical_id): c.component for c in changes}
        return self._give_again(places, names)

    # --- beside an update of a stack -----------------------------------------

    @contextmanager
    def beside(self, stack: StackPlan, parameters: Mapping[str, str]) -> Iterator[None]:
        """Around an update of a stack: its functions run, before and after, what they should."""
        from botocore.exceptions import BotoCoreError, ClientError

        self._expect(stack, parameters)
        try:
            yield
        except (BotoCoreError, ClientError, DeploymentFailed) as error:
            said = self._restore(stack)
            if not said:
                raise
            failed = error if isinstance(error, DeploymentFailed) else _explain_lost(error)
            failed.detail = "\n".join(filter(None, (failed.detail, said)))
            raise failed from error.__cause__ or error
        self._follow(stack, parameters)

    def _expect(self, stack: StackPlan, parameters: Mapping[str, str]) -> None:
        """Before an update: note which archives CloudFormation is about to give."""
        places = self._places_in(stack.name)
        if not places or stack.template is None:
            return
        resources = stack.template.resources
        found = {place: find_code_key(resources.get(place[1]), parameters) for place in places}
        keys = {place: key for place, key in found.items() if key is not None}
        asked = {p: replace(self.note.functions[p], towards=key) for p, key in keys.items()}
        archives = self._name_archives(keys.values())
        self._note(lambda note: _add(note, asked, archives))

    def _follow(self, stack: StackPlan, parameters: Mapping[str, str]) -> None:
        """After an update: CloudFormation leaves code alone whose parameter it did not see change.

        So functions that run other code are given theirs. The stack then tells what runs.
        """
        places = self._places_in(stack.name)
        if not places or stack.template is None:
            return
        for place in places:
            key = find_code_key(stack.template.resources.get(place[1]), parameters)
            if key is not None:
                self._settle(self.note.functions[place].function, key, _find_name(stack, place))
        self._note(lambda note: _drop(note, places))

    def _restore(self, stack: StackPlan) -> str:
        """After an update that failed: CloudFormation gave the code of the stack's old parameters.

        Functions get again what they were meant to run before. Returns what came of it, in words.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        places = self._places_in(stack.name)
        try:
            there = describe_stack(self.aws, stack.name) if places else None
        except (BotoCoreError, ClientError, DeploymentFailed):
            return f"what the functions of {stack.name} run now could not be asked; {_LATER}"
        if there is None:
            return ""
        if there["StackStatus"].endswith("_IN_PROGRESS"):
            return f"the functions of {stack.name} may be given older code meanwhile; {_LATER}"
        return self._give_again(places, {place: _find_name(stack, place) for place in places})

    def finish(self, stacks: Sequence[StackPlan], given: Mapping[str, Mapping[str, str]]) -> None:
        """At the end of what succeeded: what is noted still is meant to run what was applied."""
        functions: dict[Place, Given] = {}
        needed: set[str] = set()
        for stack in stacks:
            if stack.template is None or stack.observed is None:
                continue
            there = stack.observed.template.get("Resources", {})
            for place in self._places_in(stack.name):
                body, old = stack.template.resources.get(place[1]), there.get(place[1])
                key = find_code_key(body, given.get(stack.name, {}))
                told = find_code_key(old, stack.observed.parameters)
                if key is not None and key != told:
                    functions[place] = Given(self.note.functions[place].function, key)
                    needed |= {key, told or key}  # an update that fails goes back to what was told
        archives = {d: key for d, key in self.note.archives.items() if key in needed}
        self._note(lambda note: CodeNote(functions, archives))

    def _places_in(self, stack: str) -> list[Place]:
        return [place for place in self.note.functions if place[0] == stack]

    # --- the note ------------------------------------------------------------

    def _note(self, change: Callable[[CodeNote], CodeNote]) -> None:
        """Change the note. Raises DeploymentFailed when somebody else did meanwhile."""
        with self._writing:
            note, store = change(self.note), self.journal.store
            if note == self.note:
                return
            etag: str | None = ""
            if not note.functions:
                etag = "" if store.remove_same(self._key, self.etag) else None
            elif self.etag:
                etag = store.replace(self._key, dump_note(note), self.etag)
            else:
                etag = store.create_tagged(self._key, dump_note(note))
            if etag is None:
                raise self.journal.lose()
            self.note, self.etag = note, etag

    def _name_archives(self, keys: Iterable[str]) -> dict[str, str]:
        """Archives by what Lambda calls their code."""
        return {self._digest(key): key for key in sorted(set(keys))}

    @property
    def _key(self) -> str:
        return note_key(self.journal.release.app, self.journal.release.environment)

    def _digest(self, key: str) -> str:
        """What Lambda calls the code of an archive."""
        if key not in self._digests:
            self._digests[key] = self.journal.store.read_digest(key)
        return self._digests[key]

    # --- one function --------------------------------------------------------

    def _give_again(self, places: Sequence[Place], names: Mapping[Place, str]) -> str:
        """Give functions what they were meant to run; only over code that is known to be ours."""
        from botocore.exceptions import BotoCoreError, ClientError

        done, failed = [], []
        for place in places:
            given = self.note.functions[place]
            try:
                if self._settle(given.function, given.key, names[place], only_ours=True):
                    done.append(names[place])
            except (BotoCoreError, DeploymentFailed) as error:
                failed.append(str(error))
        try:
            self._note(lambda note: _settle_all(note, places))
        except (BotoCoreError, ClientError, DeploymentFailed) as error:
            failed.append(f"the note of it ({error})")
        said = []
        if done:
            said.append(f"given the code of before again: {', '.join(done)}")
        if failed:
            said.append(f"not put back: {'; '.join(failed)}; {_LATER}")
        return "\n".join(said)

    def _settle(self, function: str, key: str, name: str, *, only_ours: bool = False) -> bool:
        """Have a function run an archive; whether it did not. One that is gone is left alone."""
        from botocore.exceptions import ClientError

        try:
            found = self._await_rest(function)
            runs = found["CodeSha256"]
            if runs == self._digest(key) or (only_ours and runs not in self.note.archives):
                return False
            with self._step(f"code of {name} again"):
                self._update(function, key, found["RevisionId"])
        except self.aws.lambda_.exceptions.ResourceNotFoundException:
            return False
        except ClientError as error:
            raise _explain(name, error) from error
        return True

    def _update(self, function: str, key: str, revision: str) -> None:
        client = self.aws.lambda_
        try:
            client.update_function_code(
                FunctionName=function,
                S3Bucket=self.journal.store.bucket,
                S3Key=key,
                RevisionId=revision,
            )
        except client.exceptions.PreconditionFailedException:
            # Also what a call meets that is tried again because its answer was lost.
            if self._await_rest(function)["CodeSha256"] != self._digest(key):
                raise
        found = self._await_rest(function)
        if found.get("LastUpdateStatus") == "Failed":
            reason = found.get("LastUpdateStatusReason") or found.get("LastUpdateStatusReasonCode")
            raise DeploymentFailed(
                f"{function} did not take its new code: {reason or 'no reason was given'}",
                hint=find_hint(reason or ""),
            )

    def _await_rest(self, function: str) -> Mapping[str, Any]:
        """A function's configuration once nothing is under way in it."""
        found: Mapping[str, Any] = {}
        for beat in self.pace.beats():
            found = self.aws.lambda_.get_function(FunctionName=function)["Configuration"]
            busy = found.get("LastUpdateStatus") == "InProgress" or found.get("State") == "Pending"
            if not busy:
                return found
            if beat > _PATIENCE:
                break
        raise DeploymentFailed(
            f"Lambda is still busy with {function}: {found.get('LastUpdateStatusReason') or ''}",
            hint="run the same command again: it goes on from here",
        )

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        self.report(StepStarted(name))
        with self.journal.step(name):
            yield
        self.report(StepFinished(name, time.monotonic() - began))


def _add(note: CodeNote, asked: Mapping[Place, Given], archives: Mapping[str, str]) -> CodeNote:
    """The note with more to ask about; what a function was meant to run so far stays."""
    old = note.functions
    kept = {p for p, g in asked.items() if p in old and old[p].function == g.function}
    fresh = {p: replace(g, key=old[p].key) if p in kept else g for p, g in asked.items()}
    return CodeNote({**old, **fresh}, {**note.archives, **archives})


def _take_up(note: CodeNote, stacks: Iterable[StackPlan]) -> CodeNote:
    """The note when an apply begins: what one before gave on purpose is meant to run.

    That one may have been killed, or interrupted, before it could say so. Other code than it was
    about to give is of CloudFormation, which went back to what the stack was told.
    """
    runs = {
        (stack.name, logical_id): key
        for stack in stacks
        if stack.observed is not None
        for logical_id, key in stack.observed.codes.items()
    }
    functions = {
        place: replace(given, key=given.towards)
        if given.towards and runs.get(place) == given.towards
        else given
        for place, given in note.functions.items()
    }
    return CodeNote(functions, note.archives)


def _settle_all(note: CodeNote, places: Iterable[Place]) -> CodeNote:
    """The note after functions were put back: nobody is about to give them anything."""
    settled = {place: replace(note.functions[place], towards="") for place in places}
    return CodeNote({**note.functions, **settled}, note.archives)


def _drop(note: CodeNote, places: Collection[Place]) -> CodeNote:
    functions = {place: given for place, given in note.functions.items() if place not in places}
    return CodeNote(functions, note.archives if functions else {})


def _name(change: CodeChange) -> str:
    return f"{change.component} ({change.place})" if change.place else change.component


def _explain(name: str, error: Exception) -> DeploymentFailed:
    reason = explain_client_error(error)
    return DeploymentFailed(f"{name} could not be given its code: {reason}", hint=find_hint(reason))


def _explain_lost(error: Exception) -> DeploymentFailed:
    told = explain_no_answer(error)
    return DeploymentFailed(told.summary, hint=told.hint, detail=told.detail)


def _find_name(stack: StackPlan, place: Place) -> str:
    found = (c.component for c in stack.changes if c.logical_id == place[1])
    return next(found, "") or place[1]
