"""Applies that are killed, and what must be true after the next one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lifecycle.applications import PATIENCE, Application

from fairway.apply.journal import list_journals
from fairway.apply.lock import read_lock
from fairway.apply.release import read_release
from fairway.apply.store import Store
from fairway.aws import Aws

KILLING = Path(__file__).with_name("killing.py")
NEVER = 10_000


class KilledApplies:
    """Runs applies that kill themselves; a process that forks one for each."""

    def __init__(self, errors: Path) -> None:
        self._errors = errors

    def __enter__(self) -> Self:
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(KILLING)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(PATIENCE)
        self._process.stdout.close()

    def run(self, app: Application, after: int) -> int:
        """Kill an apply right after its nth change; its exit code."""
        return self._ask(app, after)[0]

    def list_steps(self, app: Application) -> list[str]:
        """The changes of an apply that is not killed."""
        code, steps = self._ask(app, NEVER)
        assert code == 0, self.errors
        return steps

    @property
    def errors(self) -> str:
        """What they wrote to stderr."""
        return self._errors.read_text()

    def _ask(self, app: Application, after: int) -> tuple[int, list[str]]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([after, str(app.directory)]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, self.errors
        code, steps = json.loads(answer)
        return code, steps


def expect_order(app: Application, aws: Aws, store: Store, name: str | None = None) -> None:
    """One good release at the end, every one before it told; no lock, no change set, no rest."""
    name = name or app.directory.name
    assert read_lock(store, name, "local") is None
    done, unfinished = list_journals(store, name, "local")
    assert not unfinished
    last = read_release(store, name, "local", done[-1])
    assert last
    assert last.outcome == "succeeded", last
    assert done == list(range(1, len(done) + 1))
    for number in done[:-1]:
        earlier = read_release(store, name, "local", number)
        assert earlier
        assert earlier.outcome in ("interrupted", "succeeded"), earlier
    client = aws.cloudformation
    for stack in client.describe_stacks()["Stacks"]:
        if stack["StackName"].startswith(name):
            assert stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
            left = client.list_change_sets(StackName=stack["StackName"])["Summaries"]
            waiting = [c for c in left if c["ExecutionStatus"] == "AVAILABLE"]
            assert not waiting, waiting
    assert "nothing to change" in app.fairway("plan").expect().out
