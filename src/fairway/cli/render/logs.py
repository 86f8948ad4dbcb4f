"""Log lines for the eye: an invocation's own lines, and one in place of Lambda's three."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from fairway.cli.render.human import say
from fairway.events import LogLine

_LEFT_OUT = ("START RequestId:", "END RequestId:", "INIT_START")
_REPORT = re.compile(
    r"REPORT .*?Duration: (?P<took>[\d.]+ ms).*?Max Memory Used: (?P<memory>\d+ MB)"
    r"(?:.*?Init Duration: (?P<init>[\d.]+ ms))?"
)


def show_invocations(line: LogLine) -> None:
    """Print a line beside a running application; `fairway logs` shows all of them as they are."""
    if line.text.startswith(_LEFT_OUT):
        return
    name = click.style(line.component, fg="cyan")
    report = _REPORT.match(line.text)
    if report is None:
        say(f"{name} {_shorten_access(line.text)}")
        return
    cold = f", cold start {report['init']}" if report["init"] else ""
    say(f"{name} " + click.style(f"ran {report['took']}, {report['memory']}{cold}", dim=True))


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
