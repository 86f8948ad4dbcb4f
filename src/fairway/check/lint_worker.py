"""cfn-lint in processes of its own, as many as there are processors.

A process reads a job a line, as JSON, and answers each with a line; it ends when its input does,
which is so, too, when the one that started it is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import astuple
from queue import SimpleQueue
from types import TracebackType

from fairway.check.linter import WITHOUT, Job, Linter, LintFailed, Match
from fairway.errors import FairwayError

_WORTH = 8
"""How many templates a process is begun for; loading cfn-lint takes as long as some of them."""
_MOST = 8
"""Processes at most: each takes about 200 MiB."""
_LAST_WORDS = 2_000  # bytes


def count_workers(jobs: int, processors: int) -> int:
    """How many processes to share out jobs among."""
    return max(1, min(processors, _MOST, jobs // _WORTH))


def count_processors() -> int:
    """Those that this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def lint_jobs(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Match, ...]]:
    """What each job finds, in their order, as it comes. Raises LintFailed."""
    if workers < 2:
        linter = Linter()
        yield from (linter.lint(job) for job in jobs)
        return
    idle: SimpleQueue[Worker] = SimpleQueue()

    def lint(job: Job) -> tuple[Match, ...]:
        worker = idle.get()
        try:
            return worker.lint(job)
        finally:
            idle.put(worker)

    with ExitStack() as stack:
        for _ in range(workers):
            idle.put(stack.enter_context(Worker()))
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        under_way = [pool.submit(lint, job) for job in jobs]
        try:
            for future in under_way:
                yield future.result()
        finally:
            for future in under_way:
                future.cancel()


class Worker:
    """A process that lints, one job at a time; ended when the block is left."""

    def __init__(self, program: Sequence[str] = ()) -> None:
        """Start it. program: what is run; this module when left out."""
        self._told = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the block is left
        try:
            self._process = subprocess.Popen(
                [*(program or _name_program())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._told,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C comes to this process, which then ends that one
            )
        except BaseException:
            self._told.close()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()  # it holds nothing
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._told):
            try:
                stream.close()  # type: ignore[union-attr]
            except BrokenPipeError:
                continue  # what was not read any more

    def lint(self, job: Job) -> tuple[Match, ...]:
        """What it finds. Raises LintFailed, also when the process ended."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(astuple(job)) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):
            raise self._explain_end()
        answer = json.loads(line)
        if "failed" in answer:
            detail = answer["detail"] or self._find_last_words()
            raise LintFailed(answer["failed"], hint=answer["hint"], detail=detail)
        return read_matches(answer["found"])

    def _explain_end(self) -> LintFailed:
        code = self._process.wait()
        return LintFailed(
            f"a process with cfn-lint ended with code {code} before its work was done",
            hint=f"run it again; {WITHOUT}",
            detail=self._find_last_words(),
        )

    def _find_last_words(self) -> str | None:
        """What cfn-lint said before it gave up; None for nothing."""
        file = self._told.fileno()
        start = max(0, os.fstat(file).st_size - _LAST_WORDS)
        # Without moving the place at which the process writes on, which is the same.
        said = os.pread(file, _LAST_WORDS, start).decode(errors="replace")
        last = said.strip().splitlines()[-5:]
        return "\n".join(last) or None


def read_matches(found: Sequence[Sequence[object]]) -> tuple[Match, ...]:
    """Matches from the lists that JSON makes of them. Raises ValueError for anything else."""
    return tuple(_read_match(*one) for one in found)


def _read_match(*said: object) -> Match:
    match said:
        case (str(rule), bool(is_error), str(title), str(message), [*path]):
            steps = tuple(step for step in path if isinstance(step, str | int))
            if len(steps) == len(path):
                return Match(rule, is_error, title, message, steps)
    raise ValueError("not what cfn-lint found")


def _name_program() -> list[str]:
    """The program: this module, with compiled modules where this process has them."""
    code = "\n".join(
        [
            "import sys",
            f"sys.pycache_prefix = {sys.pycache_prefix!r}",
            f"sys.dont_write_bytecode = {sys.dont_write_bytecode!r}",
            f"from {__name__} import main",
            "main()",
        ]
    )
    return [sys.executable, "-P", "-c", code]  # -P: not the modules of the user's directory


def main() -> None:
    """Answer jobs until there are no more."""
    import gc

    gc.set_threshold(200_000, 20, 20)  # little of what cfn-lint makes is garbage in circles
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else is printed is no answer
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    linter = Linter()
    for line in sys.stdin:
        try:
            found = [astuple(match) for match in linter.lint(Job(*json.loads(line)))]
            answer: dict[str, object] = {"found": found}
        except FairwayError as error:
            answer = {"failed": error.summary, "hint": error.hint, "detail": error.detail}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
