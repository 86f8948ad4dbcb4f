"""`fairway approve`: consent to a saved plan, in a file that travels with a pipeline."""

from __future__ import annotations

from pathlib import Path

import click

from fairway.cli.consent import Given, loss_options, require_consent, write_consent
from fairway.cli.options import json_option, yes_option
from fairway.cli.render.human import say, say_next
from fairway.cli.render.json import print_json
from fairway.cli.source_control import find_actor
from fairway.plan.saved import read_saved


@click.command("approve", epilog="Example: fairway approve plan.json --to consent.json --yes")
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write the consent.",
)
@loss_options
@yes_option
@json_option
def command(
    plan_file: Path,
    file: Path,
    replace: tuple[str, ...],
    delete: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Write consent to a plan that `fairway plan --save` wrote and somebody reviewed.

    `fairway apply PLAN --consent FILE` then needs no terminal. The consent names the plan's
    digest: for any other plan, or after anything has moved, it is void.
    """
    saved = read_saved(plan_file)
    if not as_json:
        changes = len(saved.content["plan"]["changes"])
        counted = "1 change" if changes == 1 else f"{changes} changes"
        say(f"{saved.app} in {saved.environment}: {counted}, digest {saved.digest}")
    require_consent("Consent to exactly this plan?", yes=yes)
    write_consent(file, saved.digest, Given(replace=replace, delete=delete), find_actor())
    if as_json:
        print_json({"plan": saved.digest, "file": str(file)})
        return
    say(f"consent is in {file}")
    say_next(f"fairway apply {plan_file} --consent {file}")
