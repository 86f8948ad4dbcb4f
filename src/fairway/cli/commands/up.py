"""`fairway up`: the whole application here, reloading on edit."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from fairway.cli.edits import Edits
from fairway.cli.interrupts import interrupted_by
from fairway.cli.options import directory_option, services_option, verbose_option
from fairway.cli.pauses import Pauses
from fairway.cli.reloading import Lookout, Served
from fairway.cli.render.human import say, say_next, show_status
from fairway.cli.render.logs import name_own_files, show_invocations
from fairway.cli.render.notices import show_faults, show_running, tells_fault
from fairway.cli.render.progress import Progress
from fairway.cli.selection import Selection, select
from fairway.cli.services import bring_up
from fairway.cli.source_control import find_provenance
from fairway.cli.target import Target, open_target, state_directory
from fairway.cloud.launch import find_cloud, stop_cloud
from fairway.define import FILE_NAME, LOCAL, App, find_home, list_services, read_root
from fairway.errors import FairwayError
from fairway.events import Notice, Report
from fairway.operate.logs import LogQuery, LogSource, follow_lines, list_sources
from fairway.operate.status import read_status
from fairway.route import apply_plan, load_app, plan_app, prepare_apply
from fairway.state import make_state_directory

# A closed terminal and `kill` end it as Ctrl-C does.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOG_PAUSE = 0.25  # seconds between questions for log lines
_LAST_LINES = 0.3  # seconds for a question that is under way at the end


class Destroyed(FairwayError):
    """Others removed all that was served."""

    code = "destroyed-elsewhere"


@click.command("up", epilog="Example: fairway up --detach && fairway status")
@click.option("-d", "--detach", is_flag=True, help="Leave it running and return.")
@verbose_option("Show every resource as it goes.")
@directory_option
@services_option
def command(detach: bool, verbose: bool, directory: Path, services: tuple[str, ...]) -> None:
    """Run the whole application here, the same stacks as on AWS.

    Edits of the code and of fairway.yml are applied as they are saved; logs
    appear in the terminal. Ctrl-C stops it, with exit code 0; its data stays.
    A local cloud that ran before goes on running.

    In a root of services: all of them in one local cloud; an edit is applied to the service
    that it is of.
    """
    selection = select(directory, services)
    if detach:
        _start_and_show(selection, verbose=verbose)
        say_next("fairway logs --follow, fairway down")
        return
    _load(selection)
    state = state_directory(find_home(selection.directory))
    with _watch_alone(state), interrupted_by(*_ENDING):
        ours = find_cloud(state) is None
        try:
            with Edits(selection.directory.resolve()) as edits:
                served, target = _start_and_show(selection, verbose=verbose)
                say("watching for edits; Ctrl-C stops", err=True, dim=True)
                _serve(selection, served, target, edits)
        except KeyboardInterrupt:
            say(err=True)
        except Destroyed:
            ours = False  # what destroyed it may still be at work
            raise
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
        provenance = replace(find_provenance(directory), kind="up")
        apply_plan(plan, target.require_aws(), provenance=provenance, report=report)
    return app, target


def _load(selection: Selection) -> list[App]:
    return selection.load(LOCAL) if selection.workspace else [load_app(selection.directory)]


def _start_and_show(selection: Selection, *, verbose: bool) -> tuple[list[Served], Target]:
    with Progress(verbose=verbose) as progress:
        if selection.workspace is None:
            app, target = start_app(selection.directory, progress)
            apps = [app]
        else:
            apps = selection.load(LOCAL)
            target = bring_up(apps, progress)
    served = []
    for app in apps:
        status = read_status(app, target.require_aws())
        show_status(status)
        served.append(Served(app, target, frozenset(status.stacks)))
    show_running(apps, target)
    return served, target


@contextlib.contextmanager
def _watch_alone(state: Path) -> Iterator[None]:
    """Two that apply edits of one directory would get into each other's way."""
    make_state_directory(state)
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
        say("the local cloud keeps running; `fairway down` stops it", err=True)


def _serve(selection: Selection, served: list[Served], target: Target, edits: Edits) -> None:
    """Apply edits as they come, with log lines beside, until interrupted or stopped.

    Raises Destroyed when others have removed all that was served.
    """
    sources, stop = _list_sources(served, target), threading.Event()
    follower = threading.Thread(
        target=_show_logs, args=(served, target, sources, stop), daemon=True
    )
    follower.start()
    folders, state = _list_folders(selection), state_directory(served[0].app.home)
    try:
        with Lookout(served, target.require_aws(), edits.wake):
            while (files := edits.take(lambda: find_cloud(state) is not None)) is not None:
                if any(f.name == FILE_NAME for f in files) and _list_folders(selection) != folders:
                    say("services came or went: stop this and run it again", err=True, fg="yellow")
                apps = [one.app for one in served]
                for position, _ in find_edited(selection, apps, files) if files else ():
                    served[position].reload(_name_files(selection, files))
                _leave_destroyed(served)
                sources[:] = _list_sources(served, target)
    finally:
        stop.set()
        follower.join(_LAST_LINES)


def _leave_destroyed(served: list[Served]) -> None:
    """Serve no longer what others destroyed. Raises Destroyed when nothing is left."""
    gone = [one for one in served if one.destroyed]
    served[:] = [one for one in served if not one.destroyed]
    if gone and not served:
        raise Destroyed(
            f"{' and '.join(one.app.name for one in gone)} was destroyed elsewhere",
            hint="`fairway up` makes it anew, with empty tables beside those that were kept",
        )
    for one in gone:
        say(
            f"{one.app.service} was destroyed elsewhere; its edits are not taken any more",
            err=True,
            fg="yellow",
        )


def _list_sources(served: Sequence[Served], target: Target) -> list[LogSource]:
    apps = [one.app for one in served]
    aws, many = target.require_aws(), len(apps) > 1
    return [s for app in apps for s in list_sources(app, aws, f"{app.service}/" if many else "")]


def find_edited(
    selection: Selection, apps: Sequence[App], files: Iterable[Path]
) -> list[tuple[int, App]]:
    """The applications that edited files belong to, by position; the root's file is of all."""
    edited = [file.resolve() for file in files]
    if selection.workspace is None or (selection.directory / FILE_NAME).resolve() in edited:
        return list(enumerate(apps))
    return [
        (position, app)
        for position, app in enumerate(apps)
        if any(file.is_relative_to(app.root.resolve()) for file in edited)
    ]


def _name_files(selection: Selection, files: Iterable[Path]) -> list[str]:
    """Names of edited files; below the root in a root, where many are called alike."""
    if selection.workspace is None:
        return sorted({file.name for file in files})
    root = selection.directory.resolve()
    return sorted({str(file.resolve().relative_to(root)) for file in files})


def _list_folders(selection: Selection) -> set[Path]:
    workspace = read_root(selection.directory)
    return {service.directory for service in list_services(workspace)[0]} if workspace else set()


def _show_logs(
    served: Sequence[Served],
    target: Target,
    sources: list[LogSource],
    stop: threading.Event,
) -> None:
    """Print log lines as they come."""
    since, told = int(time.time() * 1000), False
    notices: set[str] = set()
    pauses = Pauses(lambda seconds: not stop.wait(seconds), _LOG_PAUSE)
    while True:
        try:
            for line in follow_lines(LogQuery(sources, since), pauses.wait):
                since = max(since, line.timestamp_ms + 1)
                apps = [one.app for one in served]
                show_invocations(name_own_files(line, apps))
                if tells_fault(line.text):
                    show_faults(apps, target, notices)
            break
        except Exception as error:  # the cloud may be coming back; what reads it must not end
            if not pauses.wait():
                break
            if not told:
                say(f"log lines are late: {error}", err=True, fg="yellow")
                told = True
