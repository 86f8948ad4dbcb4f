"""The journal: what an apply is about to do and has done, written before and after each step.

It lies beside the release that it becomes, as `releases/APP/ENV/NUMBER.journal`. One without a
release of its number is of an apply that was killed; the next one ends it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

from fairway.apply.release import (
    Release,
    dump_release,
    parse_release,
    release_key,
    write_release,
)
from fairway.apply.store import Store
from fairway.errors import DeploymentFailed


@dataclass(frozen=True)
class Step:
    """One step. began, ended: ISO 8601, UTC; ended is empty while it runs.

    failed: whether it ended badly.
    """

    name: str
    began: str
    ended: str = ""
    failed: bool = False


@dataclass
class Journal:
    """The journal of one apply, which is writing it. release: as far as it is known."""

    store: Store
    release: Release
    now: Callable[[], datetime]
    steps: list[Step] = field(default_factory=list)
    etag: str = ""
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Note a step before it is taken, and after."""
        with self._writing:
            position = len(self.steps)
            self.steps.append(Step(name, self._tell_time()))
            self._write()
        failed = True
        try:
            yield
            failed = False
        finally:
            with self._writing:
                step = self.steps[position]
                self.steps[position] = replace(step, ended=self._tell_time(), failed=failed)
                self._write()

    def open(self) -> None:
        """Write it the first time. Raises DeploymentFailed when its number is taken."""
        etag = self.store.create_tagged(self._key, self._dump())
        if etag is None:
            raise self.lose()
        self.etag = etag

    def end(self, release: Release) -> Release:
        """Make the release of it, which never changes from then on."""
        if not write_release(self.store, release):
            raise self.lose()
        return release

    def _write(self) -> None:
        etag = self.store.replace(self._key, self._dump(), self.etag)
        if etag is None:
            raise self.lose()
        self.etag = etag

    @property
    def _key(self) -> str:
        release = self.release
        return journal_key(release.app, release.environment, release.number)

    def _dump(self) -> bytes:
        content = {
            "release": json.loads(dump_release(self.release)),
            "steps": [asdict(step) for step in self.steps],
        }
        return json.dumps(content, indent=1).encode()

    def _tell_time(self) -> str:
        return self.now().isoformat(timespec="milliseconds")

    def lose(self) -> DeploymentFailed:
        """The error for one who finds that the lock is no longer its own."""
        return DeploymentFailed(
            f"somebody broke the lock of {self.release.app} in {self.release.environment} and "
            "goes on in its place; this apply stops here",
            hint="see `fairway history` for who",
        )


def journal_key(app: str, environment: str, number: int) -> str:
    """Where a journal lies in the artifact bucket."""
    return release_key(app, environment, number).removesuffix(".json") + ".journal"


def list_journals(store: Store, app: str, environment: str) -> tuple[list[int], list[int]]:
    """Numbers of the releases, and of the journals that did not become one; in order."""
    names = store.list(f"releases/{app}/{environment}/")
    journals = [n.rsplit("/", 1)[1].removesuffix(".journal") for n in names]
    stems = [n.rsplit("/", 1)[1].removesuffix(".json") for n in names]
    done = sorted(int(stem) for stem in stems if stem.isdecimal())
    begun = {int(stem) for stem in journals if stem.isdecimal()}
    return done, sorted(begun - set(done))


def read_journal(
    store: Store, app: str, environment: str, number: int
) -> tuple[Release, list[Step]] | None:
    """A journal: the release as it was then, and the steps so far."""
    found = store.read(journal_key(app, environment, number))
    if found is None:
        return None
    content = json.loads(found.body)
    return parse_release(json.dumps(content["release"]).encode()), [
        Step(**step) for step in content["steps"]
    ]


def end_killed(store: Store, app: str, environment: str, number: int) -> tuple[Release, list[Step]]:
    """Make the release of an apply that was killed, so that its number is told and taken."""
    key = journal_key(app, environment, number)
    while True:
        found = store.read(key)
        assert found is not None, f"{key} was listed"
        content = json.loads(found.body)
        steps = [Step(**step) for step in content["steps"]]
        release = parse_release(json.dumps(content["release"]).encode())
        # Written once more: whoever still writes it has lost it from here on.
        content["ended_by_another"] = True
        if store.replace(key, json.dumps(content, indent=1).encode(), found.etag):
            break
    open_steps = [step.name for step in steps if not step.ended]
    cause = f"killed during {', '.join(open_steps)}" if open_steps else "killed between two steps"
    last = max((step.ended or step.began for step in steps), default=release.started)
    took = datetime.fromisoformat(last) - datetime.fromisoformat(release.started)
    release = replace(
        release, outcome="interrupted", cause=cause, seconds=round(took.total_seconds(), 3)
    )
    write_release(store, release)
    return release, steps
