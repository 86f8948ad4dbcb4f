"""`fairway logs`: what the application says."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from fairway.cli.names import Name
from fairway.cli.options import (
    directory_option,
    environment_option,
    json_lines_option,
    services_option,
)
from fairway.cli.pauses import Pauses
from fairway.cli.render.human import say
from fairway.cli.render.logs import name_own_files
from fairway.cli.render.notices import show_faults, tells_fault
from fairway.cli.selection import select
from fairway.cli.target import open_targets
from fairway.compile.template import dump_canonical
from fairway.define import App
from fairway.define.definition import nearest
from fairway.errors import FairwayError
from fairway.events import LogLine, ignore_events
from fairway.operate.logs import (
    LogQuery,
    follow_lines,
    list_logging,
    list_sources,
    read_lines,
)
from fairway.route import find_app

_SINCE = re.compile(r"(\d+)(s|m|h|d)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST_NAMES = 12


@click.command("logs", epilog="Example: fairway logs api --since 2h --grep ERROR --follow")
@click.argument("components", nargs=-1, type=Name("logging"))
@environment_option
@click.option("--since", default="1h", show_default=True, help="How far back: 30s, 5m, 2h, 1d.")
@click.option("--grep", "pattern", default="", help="CloudWatch Logs filter pattern.")
@click.option("-f", "--follow", is_flag=True, help="Go on as lines come, until Ctrl-C.")
@directory_option
@services_option
@json_lines_option
def command(
    components: tuple[str, ...],
    environment: str,
    since: str,
    pattern: str,
    follow: bool,
    directory: Path,
    services: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the log lines of all components, or of those named.

    In a root of services: of all of them, and a component is named `SERVICE/COMPONENT`.
    """
    match = _SINCE.match(since)
    if not match:
        raise FairwayError(f"'{since}' is not a time span", hint="write it like 30s, 5m, 2h or 1d")
    selection = select(directory, services)
    many = selection.workspace is not None
    apps = selection.find(environment) if many else [find_app(selection.directory, environment)]
    _require_known(components, apps, many=many)
    targets = open_targets(apps, ignore_events, must_answer=True)
    known = {
        source.label: source
        for app, target in zip(apps, targets, strict=True)
        for source in list_sources(app, target.require_aws(), f"{app.service}/" if many else "")
    }
    start = int((time.time() - int(match[1]) * _SECONDS[match[2]]) * 1000)
    query = LogQuery([known[n] for n in components] or list(known.values()), start, pattern)
    lines = follow_lines(query, Pauses().wait) if follow else read_lines(query)
    told: set[str] = set()
    for line in lines:
        _print_line(line if as_json else name_own_files(line, apps), as_json=as_json)
        if tells_fault(line.text):
            show_faults(apps, targets[0], told)


def _require_known(components: Sequence[str], apps: Sequence[App], *, many: bool) -> None:
    known = [
        f"{app.service}/{name}" if many else name for app in apps for name in list_logging(app)
    ]
    for name in components:
        if name not in known:
            near = nearest(name, known)
            some = ", ".join(known[:_MOST_NAMES]) + (", ..." if len(known) > _MOST_NAMES else "")
            hint = f"did you mean '{near}'?" if near else f"these have logs: {some}"
            raise FairwayError(f"'{name}' has no logs", hint=hint)


def _print_line(line: LogLine, *, as_json: bool) -> None:
    if as_json:
        record = {"component": line.component, "time_ms": line.timestamp_ms, "text": line.text}
        click.echo(dump_canonical(record))
        return
    clock = datetime.fromtimestamp(line.timestamp_ms / 1000).strftime("%H:%M:%S.%f")[:-3]
    say(f"{click.style(clock, dim=True)} {click.style(line.component, fg='cyan')} {line.text}")
