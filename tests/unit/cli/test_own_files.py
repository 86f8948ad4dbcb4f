"""What is shown of a function's log names the user's files, and shows a warning's error alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.cli.render.logs import name_own_files, show_invocations
from fairway.cli.render.notices import tells_fault, word_notice
from fairway.define.app import App
from fairway.define.definition import define_text
from fairway.events import LogLine

TEXT = """\
app: shop
components:
  api: {type: function, source: src, handler: app.handler}
  web: {type: http-api, routes: {GET /: api}}
"""
CODE = f"/home/ada/shop/.fairway/state/code/{'0a' * 32}"


@pytest.fixture
def app(tmp_path: Path) -> App:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("")
    defined = define_text(TEXT, tmp_path)
    assert defined.app is not None, defined.diagnostics
    return defined.app


def show(app: App, text: str, component: str = "api") -> str:
    return name_own_files(LogLine(component, text, timestamp_ms=1), [app]).text


def test_a_traceback_names_the_users_own_file(app: App) -> None:
    text = f'Traceback:\n  File "{CODE}/app.py", line 18, in handler\n    f()'
    own = app.root / "src" / "app.py"
    assert show(app, text) == f'Traceback:\n  File "{own}", line 18, in handler\n    f()'


def test_a_place_with_a_line_keeps_the_line(app: App) -> None:
    assert show(app, f"at handler ({CODE}/app.py:3:7)").endswith("/src/app.py:3:7)")


@pytest.mark.parametrize("text", [f'File "{CODE}/requests/api.py", line 1', "nothing of it"])
def test_what_is_not_the_users_stays(app: App, text: str) -> None:
    assert show(app, text) == text


@pytest.mark.parametrize("component", ["web", "gone"])
def test_lines_of_others_stay(app: App, component: str) -> None:
    text = f'File "{CODE}/app.py"'
    assert show(app, text, component) == text


def test_a_missing_package_is_told_at_the_requirements(app: App) -> None:
    package = {"component": "api", "name": "requests"}
    notice = {"at": 1, "text": "add it", "link": None, "package": package, "is_fault": True}
    assert word_notice(app, notice) == f"{app.root / 'src' / 'requirements.txt'}: add it"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("[ERROR] KeyError: 'TAGS_TABLE'", True),
        ("[ERROR] ModuleNotFoundError: No module named 'requests'", True),
        ("An error occurred (AccessDeniedException) when calling", True),
        ("all is well", False),
    ],
)
def test_lines_that_the_cloud_may_explain(line: str, expected: bool) -> None:
    assert tells_fault(line) is expected


def test_the_runtimes_long_warning_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    warning = "[WARNING]\t2026-11-21T21:37:05.425Z\t\tLAMBDA_WARNING: Unhandled exception. The most"
    show_invocations(LogLine("api", warning, timestamp_ms=1))
    show_invocations(LogLine("api", "[ERROR] it broke", timestamp_ms=2))
    assert capsys.readouterr().out == "api [ERROR] it broke\n"
