"""`fairway logs`: what the application says."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path

import click

from fairway.cli.options import directory_option, environment_option, json_option
from fairway.cli.render.human import say
from fairway.cli.render.notices import DENIED, show_denials
from fairway.cli.target import open_target
from fairway.compile.template import dump_canonical
from fairway.define.definition import nearest
from fairway.errors import FairwayError
from fairway.events import LogLine, ignore_events
from fairway.operate.logs import LogQuery, follow_lines, list_logging, read_lines
from fairway.route import find_app

_SINCE = re.compile(r"(\d+)(s|m|h|d)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PAUSE = 0.4  # seconds between questions while following


@click.command("logs", epilog="Example: fairway logs api --since 2h --grep ERROR --follow")
@click.argument("components", nargs=-1)
@environment_option
@click.option("--since", default="1h", show_default=True, help="How far back: 30s, 5m, 2h, 1d.")
@click.option("--grep", "pattern", default="", help="CloudWatch Logs filter pattern.")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come, until Ctrl-C.")
@directory_option
@json_option
def command(
    components: tuple[str, ...],
    environment: str,
    since: str,
    pattern: str,
    follow: bool,
    directory: Path,
    as_json: bool,
) -> None:
    """Show the log lines of all components, or of those named."""
    match = _SINCE.match(since)
    if not match:
        raise FairwayError(f"'{since}' is not a time span", hint="write it like 30s, 5m, 2h or 1d")
    app = find_app(directory, environment)
    known = list_logging(app)
    for name in components:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean '{near}'?" if near else f"these have logs: {', '.join(known)}"
            raise FairwayError(f"'{name}' has no logs", hint=hint)
    target = open_target(app, ignore_events, must_answer=True)
    aws = target.require_aws()
    start = int((time.time() - int(match[1]) * _SECONDS[match[2]]) * 1000)
    query = LogQuery(components or known, start, pattern)
    lines = follow_lines(app, aws, query, _pause) if follow else read_lines(app, aws, query)
    told: set[str] = set()
    for line in lines:
        _print_line(line, as_json=as_json)
        if DENIED in line.text:
            show_denials(app, target, told)


def _pause() -> bool:
    time.sleep(_PAUSE)
    return True


def _print_line(line: LogLine, *, as_json: bool) -> None:
    if as_json:
        record = {"component": line.component, "time_ms": line.timestamp_ms, "text": line.text}
        click.echo(dump_canonical(record))
        return
    clock = datetime.fromtimestamp(line.timestamp_ms / 1000).strftime("%H:%M:%S.%f")[:-3]
    say(f"{click.style(clock, dim=True)} {click.style(line.component, fg='cyan')} {line.text}")
