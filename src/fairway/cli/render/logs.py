"""Log lines for the eye: an invocation's own lines, and one in place of Lambda's three."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from fairway.cli.render.human import say, show_file
from fairway.define import App
from fairway.define.spec import Function
from fairway.events import LogLine

_LEFT_OUT = ("START RequestId:", "END RequestId:", "INIT_START")
_WARNING = "\tLAMBDA_WARNING: Unhandled exception."  # 700 characters, and the error follows
# Where the local cloud unpacks a function's archive; Lambda names the same /var/task.
_UNPACKED = re.compile(r"(?:/[^\s\"':]*)?/\.fairway/state/code/[0-9a-f]{64}/(?P<file>[^\s\"':]+)")
_REPORT = re.compile(
    r"REPORT .*?Duration: (?P<took>[\d.]+ ms).*?Max Memory Used: (?P<memory>\d+ MB)"
    r"(?:.*?Init Duration: (?P<init>[\d.]+ ms))?"
)


def show_invocations(line: LogLine) -> None:
    """Print a line beside a running application; `fairway logs` shows all of them as they are."""
    if line.text.startswith(_LEFT_OUT) or _WARNING in line.text:
        return
    name = click.style(line.component, fg="cyan")
    report = _REPORT.match(line.text)
    if report is None:
        say(f"{name} {_shorten_access(line.text)}")
        return
    cold = f", cold start {report['init']}" if report["init"] else ""
    say(f"{name} " + click.style(f"ran {report['took']}, {report['memory']}{cold}", dim=True))


def name_own_files(line: LogLine, apps: Sequence[App]) -> LogLine:
    """The line with the user's own files in the place of their copies, where they exist.

    What is a package's stays: it is in no directory of the user's.
    """
    if "/.fairway/state/code/" not in line.text:
        return line
    service, _, name = line.component.rpartition("/")
    app = next((app for app in apps if app.service == service or not service), None)
    component = app.components.get(name) if app else None
    if app is None or not isinstance(component, Function):
        return line
    source = app.root / component.source

    def name_own(found: re.Match[str]) -> str:
        own = source / found["file"]
        return show_file(own) if own.is_file() else found[0]

    return replace(line, text=_UNPACKED.sub(name_own, line.text))


def _shorten_access(text: str) -> str:
    """An HTTP API's access log line as `GET /notes 404`, and why it failed; other text as it is."""
    if not text.startswith('{"requestId"'):
        return text
    try:
        access: dict[str, Any] = json.loads(text)
        words = [access[field] for field in ("httpMethod", "path", "status")]
        error = access["integrationErrorMessage"]
    except (ValueError, KeyError):
        return text
    return " ".join(str(word) for word in (*words, *([] if error == "-" else [error])))
