"""`fairway down`: stop the local cloud."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from fairway.cli.consent import require_consent
from fairway.cli.options import directory_option, yes_option
from fairway.cli.render.human import say, say_next
from fairway.cli.target import state_directory
from fairway.cloud.launch import stop_cloud
from fairway.define import find_home
from fairway.errors import FairwayError


@click.command("down", epilog="Example: fairway down --forget --yes")
@click.option("--forget", is_flag=True, help="Remove all local data too.")
@yes_option
@directory_option
def command(forget: bool, yes: bool, directory: Path) -> None:
    """Stop the local cloud. Its data stays for the next `fairway up`.

    All services of a root share one: it stops for all of them.
    """
    home = find_home(directory)
    if forget and home != directory:
        raise FairwayError(
            "the local data is that of all services, and this is the folder of one",
            hint="`fairway destroy` removes this one; for all, run this in the root's directory",
        )
    state = state_directory(home)
    if forget:
        require_consent(f"Remove all local data in {state}?", yes=yes)
    stopped = stop_cloud(state)
    say("stopped the local cloud" if stopped else "the local cloud was not running")
    if forget:
        shutil.rmtree(state, ignore_errors=True)
        say(f"removed {state}")
    say_next("fairway up")
