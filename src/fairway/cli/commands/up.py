"""`fairway up`: the whole application here, reloading on edit."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import click

from fairway.aws import Aws
from fairway.cli.options import directory_option
from fairway.cli.render.human import say, say_next, show_error, show_status
from fairway.cli.render.progress import Progress
from fairway.cli.source_control import find_actor, find_revision
from fairway.cli.target import Target, open_target, state_directory
from fairway.cloud.launch import find_cloud, stop_cloud
from fairway.define import FILE_NAME, App
from fairway.errors import FairwayError
from fairway.events import LogLine, Report, ignore_events
from fairway.operate.logs import LogQuery, follow_lines, list_logging
from fairway.operate.status import read_status
from fairway.plan import Action, Plan
from fairway.route import STATE_DIRECTORY, apply_plan, load_app, plan_app

_IGNORED = (STATE_DIRECTORY, "__pycache__", ".git", ".venv", "node_modules")
_LOG_PAUSE = 0.25  # seconds between questions for log lines
# Edits arrive as bursts of file events; this is how long a burst may pause, in milliseconds.
_BURST_MS = 40


@click.command("up", epilog="Example: fairway up --detach && fairway status")
@click.option("-d", "--detach", is_flag=True, help="Leave it running and return.")
@click.option("-v", "--verbose", is_flag=True, help="Show every resource as it goes.")
@directory_option
def command(detach: bool, verbose: bool, directory: Path) -> None:
    """Run the whole application here, the same stacks as on AWS.

    Edits of the code and of fairway.yml are applied as they are saved; logs
    appear in the terminal. Ctrl-C stops it; its data stays.
    """
    ours = find_cloud(state_directory(directory)) is None
    with Progress(verbose=verbose) as progress:
        app, target = start_app(directory, progress)
    show_status(read_status(app, target.require_aws()))
    if detach:
        say_next("fairway logs --follow, fairway down")
        return
    say("watching for edits; Ctrl-C stops", err=True, dim=True)
    try:
        _watch(app, target)
    except KeyboardInterrupt:
        say(err=True)
    finally:
        if ours:
            stop_cloud(state_directory(directory))
            say("stopped the local cloud; its data stays", err=True)


def start_app(directory: Path, report: Report) -> tuple[App, Target]:
    """Start the local cloud when needed and bring the application up to date on it."""
    app = load_app(directory)
    target = open_target(app, report, must_answer=True, start=True)
    plan = plan_app(app, target.choose, target.aws, report)
    if not plan.is_empty:
        _apply(plan, directory, target.require_aws(), report)
    return app, target


def _apply(plan: Plan, directory: Path, aws: Aws, report: Report) -> None:
    apply_plan(plan, aws, actor=find_actor(), revision=find_revision(directory), report=report)


def _watch(app: App, target: Target) -> None:
    """Apply edits as they come, with log lines beside, until interrupted."""
    from watchfiles import DefaultFilter, watch

    class SourceFilter(DefaultFilter):
        ignore_dirs = (*DefaultFilter.ignore_dirs, *_IGNORED)

    stop = threading.Event()
    follower = threading.Thread(target=_show_logs, args=(app, target, stop), daemon=True)
    follower.start()
    try:
        for changes in watch(
            app.root,
            watch_filter=SourceFilter(),
            debounce=_BURST_MS * 5,
            step=_BURST_MS,
            stop_event=stop,
            raise_interrupt=True,
        ):
            files = sorted({str(Path(path).name) for _, path in changes})
            _reload(app.root, target, files)
    finally:
        stop.set()
        follower.join(timeout=2)


def _reload(directory: Path, target: Target, files: list[str]) -> None:
    """Take one edit to the running application; problems are told and change nothing."""
    began = time.monotonic()
    try:
        app = load_app(directory)
        plan = plan_app(app, target.choose, target.aws)
        if plan.is_empty:
            return
        losses = [c.logical_id for _, c in plan.changes() if _may_lose(c.action, c.resource_type)]
        if losses:
            say(
                f"{FILE_NAME} now removes or replaces {', '.join(losses)}; "
                "run `fairway apply` to see and confirm it",
                err=True,
                fg="yellow",
            )
            return
        _apply(plan, directory, target.require_aws(), ignore_events)
    except FairwayError as error:
        show_error(error)
        say("still running the version before this edit", err=True, fg="yellow")
        return
    seconds = time.monotonic() - began
    say(f"reloaded {', '.join(files)} ({seconds:.2f} s)", err=True, fg="green")


def _may_lose(action: Action, resource_type: str) -> bool:
    stateful = resource_type in ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue")
    return stateful and action in (Action.DELETE, Action.REPLACE, Action.KEEP)


def _show_logs(app: App, target: Target, stop: threading.Event) -> None:
    query = LogQuery(list_logging(app), int(time.time() * 1000))
    try:
        for line in follow_lines(
            app, target.require_aws(), query, lambda: not stop.wait(_LOG_PAUSE)
        ):
            _show_line(line)
    except Exception as error:
        if not stop.is_set():
            say(f"log lines stopped: {error}", err=True, fg="yellow")


def _show_line(line: LogLine) -> None:
    say(f"{click.style(line.component, fg='cyan')} {line.text}")
