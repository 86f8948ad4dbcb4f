"""An application that runs while its files are edited: what an edit does to it, and what not.

An edit that would lose data waits for `fairway apply`, which shows it and asks. Code goes on being
given to what runs: it needs no stack, docs/decisions/0019-the-short-way.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from typing import TYPE_CHECKING

from fairway.apply.stateful import STATEFUL
from fairway.aws.stacks import list_stacks
from fairway.check import require_valid
from fairway.cli.pauses import Pauses
from fairway.cli.render.human import say
from fairway.cli.source_control import find_provenance
from fairway.cli.target import Target
from fairway.compile.draft import match_stack
from fairway.define import FILE_NAME, App, Definition
from fairway.errors import EXIT_INTERRUPTED, EXIT_OK, FairwayError
from fairway.plan import Action, Plan
from fairway.plan.model import Change
from fairway.route import apply_plan, load_app, plan_app

if TYPE_CHECKING:
    from fairway.aws import Aws

KEPT = "still running the version before this edit"
_LOSSES = {Action.DELETE: "removes", Action.KEEP: "removes", Action.REPLACE: "replaces"}
_LOOK = 1.0  # seconds between looks at the stacks


@dataclass
class Served:
    """An application that runs, and what became of the edits of its files.

    app: as it runs. stacks: names of those that it has. troubled: whether something else is
    saved. waiting: what was said of an edit that waits for `fairway apply`. destroyed: whether
    others removed it.
    """

    app: App
    target: Target
    stacks: frozenset[str]
    troubled: bool = False
    waiting: str = ""
    destroyed: bool = False

    def reload(self, files: Sequence[str]) -> None:
        """Take edits of these files; problems are told and change nothing."""
        from fairway.cli.main import run_guarded

        code = run_guarded(lambda: self._take(files))
        if code == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        if code != EXIT_OK:
            say(KEPT, err=True, fg="yellow")
            self.troubled = True

    def _take(self, files: Sequence[str]) -> None:
        began = time.monotonic()
        app = load_app(self.app.root)
        with ThreadPoolExecutor(1) as beside:  # git takes as long as the stacks' descriptions
            provenance = beside.submit(find_provenance, app.root)
            plan = plan_app(app, self.target.choose, self.target.aws)
        if self._misses_stacks(plan):
            self.destroyed = True  # to make it again is not for an edit in passing
            return
        held_back = describe_losses(plan, self.app)
        if held_back:
            self._tell_waiting(held_back)
            app = require_valid(Definition(self.app, ()))
            plan = plan_app(app, self.target.choose, self.target.aws)
        else:
            self.waiting = ""
        if plan.is_empty:
            self._settle(app, plan)
            return
        if held_back and not plan.short_way:
            say(KEPT, err=True, fg="yellow")
            return
        apply_plan(
            plan, self.target.require_aws(), provenance=replace(provenance.result(), kind="up")
        )
        seconds = time.monotonic() - began
        say(f"reloaded {', '.join(files)} ({seconds:.2f} s)", err=True, fg="green")
        self._settle(app, plan)

    def _tell_waiting(self, held_back: str) -> None:
        self.troubled = True
        if held_back != self.waiting:
            self.waiting = held_back
            say(
                f"{held_back}: that waits for `fairway apply`, which shows it and asks; "
                "edits of code are taken meanwhile",
                err=True,
                fg="yellow",
            )

    def _misses_stacks(self, plan: Plan) -> bool:
        """Whether stacks would be made that were there: a removal may also have failed half-way."""
        anew = {stack.name for stack in plan.stacks if stack.template and not stack.observed}
        return not anew.isdisjoint(self.stacks)

    def _settle(self, app: App, plan: Plan) -> None:
        self.app = app
        self.stacks = frozenset(stack.name for stack in plan.stacks if stack.template)
        if self.troubled and not self.waiting:
            say("mended; what is saved is what runs", err=True, fg="green")
            self.troubled = False


def has_stacks(app: App, names: Sequence[str]) -> bool:
    """Whether some of these stacks are the application's."""
    return any(match_stack(app, name) for name in names)


def describe_losses(plan: Plan, running: App) -> str:
    """What of it would lose data, in the words of the file; empty when nothing would.

    running: what is deployed: of what is no longer in the file it knows the line.
    """
    found = [
        _describe_loss(change, running)
        for _, change in plan.changes()
        if change.action in _LOSSES and change.resource_type in STATEFUL
    ]
    file = (running.root.resolve() / FILE_NAME).relative_to(running.home.resolve())
    return f"{file} now {', '.join(dict.fromkeys(found))}" if found else ""


def _describe_loss(change: Change, running: App) -> str:
    name = change.component
    verb = _LOSSES[change.action]
    place = next((p.place for p in change.properties if p.replaces and p.place), change.place)
    if place is not None:
        return f"{verb} `{name}` (line {place.line})"
    if name in running.components:
        line = running.place("components", name, of_key=True).line
        return f"{verb} `{name}` (line {line} before)"
    return f"{verb} `{name or change.logical_id}`"


@dataclass
class Lookout:
    """Looks on a thread of its own whether others have destroyed applications that are served.

    found: called when it is so. It changes nothing, and says nothing itself.
    """

    served: Sequence[Served]
    aws: Aws
    found: Callable[[], object]
    _stop: Event = field(default_factory=Event)

    def __enter__(self) -> Lookout:
        Thread(target=self._look, daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()

    def _look(self) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        pauses = Pauses(lambda seconds: not self._stop.wait(seconds), _LOOK)
        while pauses.wait():
            with suppress(FairwayError, BotoCoreError, ClientError):  # it may be coming back
                self._compare(list_stacks(self.aws))

    def _compare(self, names: Sequence[str]) -> None:
        gone = [one for one in list(self.served) if not has_stacks(one.app, names)]
        for one in gone:
            one.destroyed = True
        if gone:
            self.found()
