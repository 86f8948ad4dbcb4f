"""Words of single lines: short where a person reads them, and a next step that can be taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fairway.cli.commands.plan import choose_idle_verb
from fairway.cli.render.human import say_next, show_value
from fairway.cli.render.logs import show_invocations
from fairway.cli.render.notices import show_local_limits
from fairway.cli.selection import Selection
from fairway.cli.target import choose_lambda
from fairway.compile.components.http_api import ACCESS_FIELDS
from fairway.define.definition import define_text
from fairway.events import LogLine
from fairway.plan import Plan
from fairway.route import plan_app

DIGEST = "0123456789abcdef" * 4
TEXT = "app: shop\nregion: eu-west-1\ncomponents:\n  notes: {type: table, partition_key: id}\n"


def make_access(**fields: str) -> str:
    return json.dumps({field: fields.get(field, "-") for field in ACCESS_FIELDS})


def show_line(text: str, capsys: pytest.CaptureFixture[str]) -> str:
    show_invocations(LogLine("web", text, timestamp_ms=1))
    return capsys.readouterr().out


def test_the_digest_of_an_archive_is_cut_short() -> None:
    assert show_value(f"artifacts/{DIGEST}.zip") == "artifacts/0123456789ab..."


@pytest.mark.parametrize("value", [DIGEST, f"see artifacts/{DIGEST}.zip here", "artifacts/a.zip"])
def test_other_values_are_whole(value: str) -> None:
    assert show_value(value) == value


def test_an_access_log_line_is_a_request_and_its_status(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = make_access(httpMethod="GET", path="/notes", status="404")
    assert show_line(text, capsys) == "web GET /notes 404\n"


def test_an_access_log_line_says_why_the_function_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    why = "The Lambda function returned an error."
    text = make_access(httpMethod="GET", path="/", status="500", integrationErrorMessage=why)
    assert show_line(text, capsys) == f"web GET / 500 {why}\n"


@pytest.mark.parametrize("text", ['{"requestId": "1"}', '{"requestId": ', '{"status": 404}', "[1]"])
def test_other_json_is_shown_as_it_is(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_line(text, capsys) == f"web {text}\n"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A queue that does not exist yet, on the local cloud."""
    defined = define_text(TEXT, tmp_path)
    assert defined.app is not None, defined.diagnostics
    return plan_app(defined.app, choose_lambda)


def test_limits_of_the_local_cloud_are_one_line(
    plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    show_local_limits(plan, verbose=False)
    (line,) = capsys.readouterr().out.split("\n")[1:-1]
    assert line.startswith("not as on AWS, on the local cloud: ")
    assert line.endswith("--verbose tells")


def test_limits_are_told_when_asked_for(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    show_local_limits(plan, verbose=True)
    assert "Tables store rows; " in capsys.readouterr().out


def test_a_cloud_that_was_started_is_ended_with_down(capsys: pytest.CaptureFixture[str]) -> None:
    say_next("fairway status", started=True)
    say_next("fairway status", started=False)
    assert capsys.readouterr().err.splitlines() == [
        "next: fairway status, fairway down",
        "next: fairway status",
    ]


def test_without_changes_a_cloud_that_does_not_run_is_brought_up(tmp_path: Path) -> None:
    assert choose_idle_verb(Selection(tmp_path), "local") == "up"
    assert choose_idle_verb(Selection(tmp_path), "poc") == "status"
