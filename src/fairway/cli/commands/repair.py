"""`fairway repair`: stuck stacks, explained and mended."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from fairway.cli.consent import require_consent
from fairway.cli.options import (
    environment_option,
    json_option,
    name_environment,
    one_directory_options,
    yes_option,
)
from fairway.cli.render.human import say, say_next
from fairway.cli.render.json import print_json
from fairway.cli.render.progress import Progress
from fairway.cli.target import open_target
from fairway.operate.repair import Remedy, Trouble, find_troubles, mend, suggest
from fairway.route import find_app, prepare_apply


@click.command("repair", epilog="Example: fairway repair -e prod --empty Files --yes")
@environment_option
@yes_option
@click.option("--empty", multiple=True, metavar="ID", help="Delete this bucket's objects.")
@click.option("--skip", multiple=True, metavar="ID", help="Leave this as it is in a rollback.")
@click.option("--keep", multiple=True, metavar="ID", help="Leave this in the account.")
@one_directory_options
@json_option
def command(
    environment: str,
    yes: bool,
    empty: tuple[str, ...],
    skip: tuple[str, ...],
    keep: tuple[str, ...],
    directory: Path,
    as_json: bool,
) -> None:
    """Explain stacks that CloudFormation no longer changes, and mend them.

    A failed creation is removed, a failed rollback tried again, a failed deletion carried on.
    Objects go and resources are left behind only when they are named.
    """
    app = find_app(directory, environment)
    with Progress(quiet=as_json) as progress:
        aws = open_target(app, progress, must_answer=True).require_aws()
        prepare_apply(app, aws, progress, mends=True)
        troubles = find_troubles(app, aws)
    remedy = Remedy(empty, skip, keep)
    if not as_json:
        _show(troubles)
    if not troubles:
        if as_json:
            print_json({"troubles": [], "mended": {}})
        return
    require_consent("Mend them as told?", yes=yes)
    mended = {}
    for trouble in troubles:
        mended[trouble.stack] = mend(aws, trouble, remedy)
        if not as_json:
            say(f"{trouble.stack} is {mended[trouble.stack]} now")
    if as_json:
        print_json({"troubles": [asdict(t) for t in troubles], "mended": mended})
        return
    say_next(f"fairway apply{name_environment(environment)}")


def _show(troubles: list[Trouble]) -> None:
    if not troubles:
        say("no stack is stuck")
    for trouble in troubles:
        say(f"{trouble.stack} is {trouble.status}: {trouble.means}", bold=True)
        for hindrance in trouble.hindrances:
            say(f"  {hindrance.logical_id} ({hindrance.resource_type}): {hindrance.reason}")
        say(f"  to mend it: {trouble.mended_by}")
        if trouble.hindrances:
            say(f"  hint: {suggest(trouble)}")
