"""`fairway up`: the whole application here, reloading on edit."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from fairway.cli.edits import Edits
from fairway.cli.interrupts import interrupted_by
from fairway.cli.options import directory_option
from fairway.cli.render.human import say, say_next, show_status
from fairway.cli.render.logs import show_invocations
from fairway.cli.render.notices import DENIED, show_denials
from fairway.cli.render.progress import Progress
from fairway.cli.source_control import find_provenance
from fairway.cli.target import Target, open_target, state_directory
from fairway.cloud.launch import find_cloud, stop_cloud
from fairway.define import FILE_NAME, App
from fairway.errors import EXIT_INTERRUPTED, EXIT_OK, FairwayError
from fairway.events import Notice, Report
from fairway.operate.logs import LogQuery, follow_lines, list_logging
from fairway.operate.status import read_status
from fairway.plan import Action
from fairway.route import apply_plan, load_app, plan_app, prepare_apply

# A closed terminal and `kill` end it as Ctrl-C does.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOG_PAUSE = 0.25  # seconds between questions for log lines


@click.command("up", epilog="Example: fairway up --detach && fairway status")
@click.option("-d", "--detach", is_flag=True, help="Leave it running and return.")
@click.option("-v", "--verbose", is_flag=True, help="Show every resource as it goes.")
@directory_option
def command(detach: bool, verbose: bool, directory: Path) -> None:
    """Run the whole application here, the same stacks as on AWS.

    Edits of the code and of fairway.yml are applied as they are saved; logs
    appear in the terminal. Ctrl-C stops it, with exit code 0; its data stays.
    A local cloud that ran before goes on running.
    """
    if detach:
        _start_and_show(directory, verbose=verbose)
        say_next("fairway logs --follow, fairway down")
        return
    load_app(directory)
    state = state_directory(directory)
    with _watch_alone(state), interrupted_by(*_ENDING):
        ours = find_cloud(state) is None
        try:
            with Edits(directory.resolve()) as edits:
                app, target = _start_and_show(directory, verbose=verbose)
                say("watching for edits; Ctrl-C stops", err=True, dim=True)
                _serve(app, target, edits)
        except KeyboardInterrupt:
            say(err=True)
        finally:
            _leave(state, ours=ours)


def start_app(directory: Path, report: Report) -> tuple[App, Target]:
    """Start the local cloud when needed and bring the application up to date on it."""
    app = load_app(directory)
    target = open_target(app, report, must_answer=True, start="always")
    unfinished = prepare_apply(app, target.require_aws(), report)
    plan = plan_app(app, target.choose, target.aws, report)
    for table in plan.kept_tables:
        report(Notice(f"{table} stays from before, as it is; a new, empty table is made"))
    if unfinished or not plan.is_empty:
        provenance = find_provenance(directory)
        apply_plan(plan, target.require_aws(), provenance=provenance, report=report)
    return app, target


def _start_and_show(directory: Path, *, verbose: bool) -> tuple[App, Target]:
    with Progress(verbose=verbose) as progress:
        app, target = start_app(directory, progress)
    show_status(read_status(app, target.require_aws()))
    return app, target


@contextlib.contextmanager
def _watch_alone(state: Path) -> Iterator[None]:
    """Two that apply edits of one directory would get into each other's way."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FairwayError(
                "another `fairway up` watches this application",
                hint="see its terminal; `fairway status` and `fairway logs` work beside it",
            ) from error
        yield


def _leave(state: Path, *, ours: bool) -> None:
    if find_cloud(state) is None:
        say("the local cloud was stopped; its data stays", err=True)
    elif ours:
        stop_cloud(state)
        say("stopped the local cloud; its data stays", err=True)
    else:
        say("the local cloud keeps running, as before; `fairway down` stops it", err=True)


def _serve(app: App, target: Target, edits: Edits) -> None:
    """Apply edits as they come, with log lines beside, until interrupted or stopped."""
    components, stop = list_logging(app), threading.Event()
    follower = threading.Thread(
        target=_show_logs, args=(app, target, components, stop, edits), daemon=True
    )
    follower.start()
    troubled = False
    try:
        while (files := edits.take()) is not None:
            app, good = _reload(app, target, files)
            if good and troubled:
                say("mended; what is saved is what runs", err=True, fg="green")
            troubled = not good
            components[:] = list_logging(app)
    finally:
        stop.set()
        follower.join(timeout=2)


def _reload(running: App, target: Target, files: list[str]) -> tuple[App, bool]:
    """Take edits to the running application; problems are told and change nothing.

    Returns the application that runs then, and whether there were no problems.
    """
    from fairway.cli.main import run_guarded

    found = [running]
    code = run_guarded(lambda: found.append(_take_edit(running, target, files)))
    if code == EXIT_INTERRUPTED:
        raise KeyboardInterrupt
    if code != EXIT_OK:
        say("still running the version before this edit", err=True, fg="yellow")
    return found[-1], code == EXIT_OK


def _take_edit(running: App, target: Target, files: list[str]) -> App:
    began = time.monotonic()
    app = load_app(running.root)
    with ThreadPoolExecutor(1) as beside:  # git takes as long as the stacks' descriptions
        provenance = beside.submit(find_provenance, app.root)
        plan = plan_app(app, target.choose, target.aws)
    if plan.is_empty:
        return app
    losses = [c.logical_id for _, c in plan.changes() if _may_lose(c.action, c.resource_type)]
    if losses:
        say(
            f"{FILE_NAME} now removes or replaces {', '.join(losses)}; "
            "run `fairway apply` to see and confirm it",
            err=True,
            fg="yellow",
        )
        return running
    apply_plan(plan, target.require_aws(), provenance=provenance.result())
    seconds = time.monotonic() - began
    say(f"reloaded {', '.join(files)} ({seconds:.2f} s)", err=True, fg="green")
    return app


def _may_lose(action: Action, resource_type: str) -> bool:
    stateful = resource_type in ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue")
    return stateful and action in (Action.DELETE, Action.REPLACE, Action.KEEP)


def _show_logs(
    app: App, target: Target, components: list[str], stop: threading.Event, edits: Edits
) -> None:
    """Print log lines as they come; when the cloud is gone, end the watching."""
    since, told = int(time.time() * 1000), False
    state = state_directory(app.root)
    notices: set[str] = set()

    def pause() -> bool:
        return not stop.wait(_LOG_PAUSE) and find_cloud(state) is not None

    while True:
        try:
            query = LogQuery(components, since)
            for line in follow_lines(app, target.require_aws(), query, pause):
                since = max(since, line.timestamp_ms + 1)
                show_invocations(line)
                if DENIED in line.text:
                    show_denials(app, target, notices)
            break
        except Exception as error:  # the cloud may be coming back; what reads it must not end
            if not pause():
                break
            if not told:
                say(f"log lines are late: {error}", err=True, fg="yellow")
                told = True
    edits.end()
