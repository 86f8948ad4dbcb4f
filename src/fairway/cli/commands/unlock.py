"""`fairway unlock`: who holds the lock, and breaking it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from fairway.apply.lock import break_lock, is_alive, read_lock, tell_break
from fairway.apply.store import find_store
from fairway.cli.options import environment_option, json_option, one_directory_options
from fairway.cli.render.human import say, say_next
from fairway.cli.render.json import print_json
from fairway.cli.render.progress import Progress
from fairway.cli.target import open_target
from fairway.route import find_app


@click.command("unlock", epilog="Example: fairway unlock -e prod --break 1f3a9c02")
@environment_option
@click.option("--break", "identity", metavar="ID", help="Break the lock with this id.")
@one_directory_options
@json_option
def command(environment: str, identity: str | None, directory: Path, as_json: bool) -> None:
    """Show who holds the lock of an environment; with --break, remove it.

    Break only the lock of an apply that is dead for certain. One that is not stops at its
    next step. The lock of a process of this machine that is dead needs no breaking.
    """
    app = find_app(directory, environment)
    with Progress(quiet=True) as progress:
        target = open_target(app, progress, must_answer=True)
    store = find_store(target.require_aws())
    held = read_lock(store, app.name, environment) if store else None
    broken = None
    if store and held and identity:
        broken = break_lock(store, app.name, environment, identity)
    if as_json:
        print_json({"lock": asdict(held.lock) if held else None, "broken": broken is not None})
        return
    if held is None or (identity and broken is None):
        none = ", so there was none to break" if identity else ""
        say(f"nobody holds the lock of {app.name} in {environment}{none}")
        return
    lock = held.lock
    who = f"process {lock.holder.pid} on {lock.holder.host}"
    dead = not is_alive(lock.holder)
    state = "broken" if broken else "its process is dead" if dead else "held"
    say(f"lock {lock.id} of {app.name} in {environment}: {state}")
    say(f"  by     {lock.holder.actor}, `fairway {lock.verb}`, {who}")
    say(f"  since  {lock.since}")
    if broken is None and dead:
        say("  the next apply takes it over", dim=True)
        say_next(f"fairway apply -e {environment}")
    elif broken is None:
        say_next(tell_break(lock, click.get_current_context().params.get("service") or ""))
