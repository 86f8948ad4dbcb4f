"""`fairway policy`: what who deploys must be allowed to do."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fairway.cli.options import environment_option, one_directory_options
from fairway.cli.render.human import say
from fairway.errors import FairwayError


@click.command("policy", epilog="Example: fairway policy deploy -e prod --out policies")
@click.argument("purpose", type=click.Choice(["deploy"]))
@environment_option
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write parts that fit into managed policies, one file each.",
)
@one_directory_options
def command(purpose: str, environment: str, out: Path | None, directory: Path) -> None:
    """Print the smallest IAM policy with which `fairway apply` works.

    It follows from the resources that the application has now: print it again
    when a kind of component comes that it did not have.
    """
    from fairway.compile import compile_app
    from fairway.operate.deploy_policy import (
        MANAGED_POLICY_SIZE,
        list_uncovered,
        make_deploy_policy,
        split_policy,
    )
    from fairway.route import load_app

    app = load_app(directory, environment)
    templates = compile_app(app)
    document = make_deploy_policy(app, templates)
    parts = split_policy(document)
    if app.account is None:
        say("note: the environment names no account, so the policy is for any", err=True)
    for kind in list_uncovered(templates):
        say(f"note: {kind} is not covered; add what it needs by hand", err=True)
    if out is None:
        click.echo(json.dumps(document, indent=2))
        if len(parts) > 1:
            say(
                f"note: a managed policy holds {MANAGED_POLICY_SIZE} characters; "
                f"`--out DIR` writes this one in {len(parts)} parts",
                err=True,
            )
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for number, part in enumerate(parts, 1):
            file = out / f"{app.prefix}-{purpose}-{number}.json"
            file.write_text(json.dumps(part, indent=1) + "\n")
            say(str(file))
    except OSError as error:
        raise FairwayError(f"{out} cannot be written: {error.strerror or error}") from error
