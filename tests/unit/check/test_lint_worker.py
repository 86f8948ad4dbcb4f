"""Processes that lint: how many, how they end, and what a user is told when one ends too early."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairway.check.lint_worker import Worker, _name_program, count_workers, lint_jobs
from fairway.check.linter import Job, Linter, LintFailed

JOB = Job("eu-west-1", "{}")
ANSWER = json.dumps({"found": [["E1", True, "t", "m", ["Resources", 0]]]})


@pytest.mark.parametrize(
    ("jobs", "processors", "workers"),
    [(0, 2, 1), (5, 2, 1), (15, 2, 1), (16, 2, 2), (400, 2, 2), (400, 1, 1), (400, 64, 8)],
)
def test_processes_are_bounded(jobs: int, processors: int, workers: int) -> None:
    assert count_workers(jobs, processors) == workers


def test_a_process_that_ends_early_is_an_error_that_says_why() -> None:
    said = f"input(); print({ANSWER!r}); input(); print('out of memory', file=sys.stderr)"
    with Worker([sys.executable, "-c", f"import sys; {said}; sys.exit(9)"]) as worker:
        (match,) = worker.lint(JOB)
        assert match.path == ("Resources", 0)
        for _ in range(2):
            with pytest.raises(LintFailed, match="ended with code 9") as failed:
                worker.lint(JOB)
            assert failed.value.detail == "out of memory"
            assert "--fast" in (failed.value.hint or "")


def test_half_an_answer_is_none() -> None:
    program = f"import sys; input(); sys.stdout.write({ANSWER!r})"
    with (
        Worker([sys.executable, "-c", program]) as worker,
        pytest.raises(LintFailed, match="ended with code 0"),
    ):
        worker.lint(JOB)


def test_a_process_is_gone_when_its_block_is_left() -> None:
    with Worker([sys.executable, "-c", "import time; time.sleep(600)"]) as worker:
        pid = worker._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_ends_with_its_input() -> None:
    """So it does not outlive a `fairway check` that was killed."""
    done = subprocess.run(_name_program(), input="", text=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_an_unknown_region_is_told_either_way() -> None:
    for workers in (1, 2):
        with pytest.raises(LintFailed, match="does not know the region 'eu-mars-1'") as failed:
            list(lint_jobs([Job("eu-mars-1", '{"Resources": {}}')] * 2, workers))
        assert "correct `region`" in (failed.value.hint or "")


@pytest.mark.slow
def test_a_wrong_configuration_is_told(tmp_path: Path) -> None:
    (tmp_path / ".cfnlintrc").write_text("nonsense: 3\n")
    program = "from fairway.check.linter import *\ntry: Linter()\nexcept LintFailed as e: print(e)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=tmp_path, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert "cfn-lint cannot be used as it is configured" in done.stdout
    assert "nonsense" in done.stdout


@pytest.mark.slow
def test_what_is_no_template_is_found_and_breaks_nothing() -> None:
    linter = Linter()
    assert [match.rule for match in linter.lint(Job("eu-west-1", "{]"))] == ["E0000"]
    assert {match.rule for match in linter.lint(Job("eu-west-1", '{"Resources": 3}'))} != set()
