"""An error under --json: one document on standard output, words beside it, the same exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from fairway.cli.failures import Output, asks_json, find_output
from fairway.cli.main import cli, run, run_guarded
from fairway.errors import CloudUnavailable, DeploymentFailed

FAIRWAY = Path(sys.executable).with_name("fairway")
DEFINITION = """app: shop
components:
  api: {type: function, handler: app.handler, memry: 128MB}
"""


def raise_(error: BaseException) -> Callable[[], Any]:
    def work() -> None:
        raise error

    return work


def describe(code: str, summary: str, exit_code: int = 1, **more: Any) -> dict[str, Any]:
    """The whole of an error, each key that it has."""
    error = {"code": code, "summary": summary, "hint": None, "detail": None}
    return {"error": {**error, "exit_code": exit_code, "findings": [], **more}}


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to stand in, with an application that has one fault."""
    (tmp_path / "fairway.yml").write_text(DEFINITION)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("def handler(event, context): pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_findings_are_those_of_check(application: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--json", "--fast"]) == 1
    findings = json.loads(capsys.readouterr().out)
    assert run(["plan", "--json"]) == 1
    told = capsys.readouterr()
    expected = describe("invalid-application", "1 problem found", findings=findings)
    assert json.loads(told.out) == expected
    assert findings == [
        {
            "code": "unknown-key",
            "summary": "'memry' is not a key of component 'api'",
            "place": {"file": "fairway.yml", "line": 3, "column": 47},
            "hint": "did you mean 'memory'?",
            "severity": "error",
        }
    ]
    assert "fairway.yml:3:47: error: 'memry'" in told.err


@pytest.mark.parametrize(
    ("line", "summary", "hint"),
    [
        ("plan --json --fst", "No such option '--fst'.", "try `fairway plan --help`"),
        ("statsu --json", "There is no command 'statsu'.", "try `fairway --help`"),
        ("up --json", "No such option '--json'.", "try `fairway up --help`"),
        ("history --json x", "Invalid value for '[N]': 'x'", "try `fairway history --help`"),
    ],
)
def test_a_command_line_that_is_not_understood(
    line: str, summary: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 1
    told = capsys.readouterr()
    (error,) = json.loads(told.out).values()
    assert error["summary"].startswith(summary)
    assert (error["code"], error["hint"], error["exit_code"]) == ("usage", hint, 1)
    assert f"error: {error['summary']}" in told.err


@pytest.mark.parametrize("line", ["logs --grep --json", "plan -- --json", "plan"])
def test_without_it_standard_output_stays_empty(
    line: str, application: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(line.split()) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "error: " in told.err


def test_what_an_error_tells(capsys: pytest.CaptureFixture[str]) -> None:
    error = DeploymentFailed("Table is not there", hint="make it", detail="one\ntwo")
    assert run_guarded(raise_(error), Output(as_json=True)) == 1
    told = capsys.readouterr()
    assert told.out == (
        '{"error": {"code": "deployment-failed", "summary": "Table is not there", '
        '"hint": "make it", "detail": "one\\ntwo", "exit_code": 1, "findings": []}}\n'
    )
    assert told.err == "error: Table is not there\n  hint: make it\n  one\n  two\n"


def test_a_stream_ends_in_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    def stream() -> None:
        click.echo('{"text": "one"}')
        raise CloudUnavailable("the local cloud is not running\nany more")

    assert run_guarded(stream, Output(as_json=True)) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        {"text": "one"},
        describe("cloud-unavailable", "the local cloud is not running\nany more"),
    ]


def test_an_interruption_and_a_bug(application: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(as_json=True)
    assert run_guarded(raise_(KeyboardInterrupt()), output) == 130
    assert json.loads(capsys.readouterr().out) == describe("interrupted", "interrupted", 130)
    aborted = click.Abort("interrupted; nothing was changed")
    assert run_guarded(raise_(aborted), output) == 130
    assert json.loads(capsys.readouterr().out) == describe("interrupted", str(aborted), 130)
    assert run_guarded(raise_(ZeroDivisionError("no")), output) == 3
    told = capsys.readouterr()
    (file,) = (application / ".fairway").glob("bug-*.log")
    summary, where = "this is a bug in Fairway: ZeroDivisionError: no", f"details in {file}"
    assert json.loads(told.out) == describe("bug", summary, 3, detail=where)
    assert told.err == f"error: {summary}; {where}\n"


def test_what_was_done_stands_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    """In one document: a program that reads one JSON value reads both."""
    output = Output(as_json=True)

    def work() -> None:
        with click.Context(cli, obj=output):
            find_output().done = {"changed": True}
            raise DeploymentFailed("billing: no")

    assert run_guarded(work, output) == 1
    expected = {"changed": True, **describe("deployment-failed", "billing: no")}
    assert json.loads(capsys.readouterr().out) == expected


def test_a_reader_that_is_gone_gets_the_exit_code(application: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [FAIRWAY, "plan", "--json"], stdout=writing, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: 1 problem found"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("line", ["plan --json", "plan --json -e nope"])
def test_a_full_disk_gets_one_line_and_the_exit_code(application: Path, line: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [FAIRWAY, *line.split()], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert re.match("error: . problems? found", done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_what_cannot_be_printed_is_told_in_one_line(application: Path) -> None:
    """Not the failure itself this time, but what came of a command that went well."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [FAIRWAY, "history", "--json", "--help"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line


@pytest.mark.parametrize("line", ["plan --json -e nope", "plan --json --nope"])
def test_words_that_nobody_reads_leave_the_document(application: Path, line: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [FAIRWAY, *line.split()], stdout=subprocess.PIPE, stderr=writing, text=True
        )
    finally:
        os.close(writing)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["exit_code"] == 1


def test_json_is_asked_for_before_the_end_of_options() -> None:
    assert asks_json(["plan", "--json"])
    assert not asks_json(["plan", "--", "--json"])
    assert not asks_json(["plan", "--jso"])
