"""Processes that lint: how many, how they end, and what a user is told when one ends too early."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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


LINTING = """
import json, sys
from dataclasses import astuple
from fairway.check.lint_worker import lint_jobs
from fairway.check.linter import Job, LintFailed

if __name__ == "__main__":
    regions, template, workers = sys.argv[1].split(), sys.argv[2], int(sys.argv[3])
    try:
        found = list(lint_jobs([Job(region, template) for region in regions], workers))
        print(json.dumps({"found": [[match.rule for match in one] for one in found]}))
    except LintFailed as error:
        print(json.dumps({"failed": error.summary, "detail": error.detail}))
"""
FUNCTION = {"Type": "AWS::Lambda::Function", "Properties": {
    "Code": {"S3Bucket": "bucket-of-code", "S3Key": "key"},
    "Role": "arn:aws:iam::123456789012:role/r",
    "Runtime": "python3.13", "Handler": "app.handler", "MemorySize": 128,
}}  # fmt: skip
TEMPLATE = json.dumps({"Resources": {"Api": FUNCTION}})


def lint_in(directory: Path, workers: int, *regions: str) -> tuple[dict[str, Any], str]:
    """What is found in a function for these regions, under the configuration of a directory."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", LINTING, " ".join(regions), TEMPLATE, str(workers)],
        cwd=directory, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)  # and nothing else: a program reads it
    return answer, done.stderr


RULE = """
from cfnlint.rules import CloudFormationLintRule

{at_load}
class Ours(CloudFormationLintRule):
    id = "E9001"
    shortdesc = description = source_url = "ours"
    tags = []

    def match(self, cfn):
        {at_match}
        return []
"""


def configure(directory: Path, text: str) -> Path:
    (directory / ".cfnlintrc").write_text(text)
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_patched_schema_counts_in_each_region(tmp_path: Path, workers: int) -> None:
    largest = {"op": "add", "path": "/properties/MemorySize/maximum", "value": 64}
    patches = {"Patches": {"AWS::Lambda::Function": [largest]}}
    (tmp_path / "patch.json").write_text(json.dumps(patches))
    configure(tmp_path, f"override_spec: {tmp_path}/patch.json\n")
    told, _ = lint_in(tmp_path, workers, "eu-west-1", "us-east-1", "eu-west-1", "eu-north-1")
    assert told == {"found": [["E3034"]] * 4}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("configuration", "said"),
    [
        ("nonsense: 3", "Invalid configuration key 'nonsense'"),
        ("{{{{", "did not find expected node content"),
        ("override_spec: /nonexist.json", "Override spec file not found: /nonexist.json"),
        ("templates: [x*]", "x*"),
    ],
)
def test_a_wrong_configuration_is_told(
    tmp_path: Path, configuration: str, said: str, workers: int
) -> None:
    told, err = lint_in(configure(tmp_path, configuration), workers, *["eu-west-1"] * 2)
    assert told["failed"].startswith("cfn-lint cannot be used as it is configured: ")
    assert said in f"{told['failed']} {told['detail']} {err}"
    if workers > 1:
        assert err == ""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("place", ["at_load", "at_match"])
def test_a_rule_that_ends_the_process_is_no_clean_template(
    tmp_path: Path, place: str, workers: int
) -> None:
    (tmp_path / "rules").mkdir()
    code = RULE.format(**{"at_load": "", "at_match": "pass", place: "raise SystemExit(0)"})
    (tmp_path / "rules" / "Ours.py").write_text(code)
    configure(tmp_path, f"append_rules: [{tmp_path}/rules]\n")
    told, _ = lint_in(tmp_path, workers, "eu-west-1", "eu-west-1")
    assert "it ended with code 0" in told["failed"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_rule_prints_is_no_answer(tmp_path: Path, workers: int) -> None:
    (tmp_path / "rules").mkdir()
    code = RULE.format(at_load="print('loaded')", at_match="print('looked')")
    (tmp_path / "rules" / "Ours.py").write_text(code)
    configure(tmp_path, f"append_rules: [{tmp_path}/rules]\n")
    assert lint_in(tmp_path, workers, "eu-west-1")[0] == {"found": [[]]}


def test_silence_has_no_detail() -> None:
    with (
        Worker([sys.executable, "-c", "pass"]) as worker,
        pytest.raises(LintFailed) as failed,
    ):
        worker.lint(JOB)
    assert failed.value.detail is None


@pytest.mark.slow
def test_what_is_no_template_is_found_and_breaks_nothing() -> None:
    linter = Linter()
    assert [match.rule for match in linter.lint(Job("eu-west-1", "{]"))] == ["E0000"]
    assert {match.rule for match in linter.lint(Job("eu-west-1", '{"Resources": 3}'))} != set()
