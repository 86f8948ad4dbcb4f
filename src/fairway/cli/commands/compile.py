"""`fairway compile`: the templates as files."""

from __future__ import annotations

from pathlib import Path

import click

from fairway.cli.options import environment_option, json_option, one_directory_options
from fairway.cli.render.human import say, say_next
from fairway.cli.render.json import print_json
from fairway.compile import compile_app
from fairway.define import LOCAL
from fairway.errors import FairwayError
from fairway.route import load_app


@click.command("compile", epilog="Example: fairway compile -e prod --out build")
@environment_option
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, file_okay=False), help="Write one file a stack."
)
@one_directory_options
@json_option
def command(environment: str, out: Path | None, directory: Path, as_json: bool) -> None:
    """Write the CloudFormation templates of an environment.

    Same input, same bytes: keep them under version control if you like.
    Without --out they are printed.
    """
    app = load_app(directory, environment)
    templates = compile_app(app)
    if out is None:
        print_json({stack.name: stack.template for stack in templates.stacks})
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for stack in templates.stacks:
            (out / f"{stack.name}.json").write_text(stack.to_json(indent=1) + "\n")
    except OSError as error:
        raise FairwayError(f"{out} cannot be written: {error.strerror or error}") from error
    if as_json:
        print_json([str(out / f"{stack.name}.json") for stack in templates.stacks])
        return
    for stack in templates.stacks:
        say(f"{out / stack.name}.json  {len(stack.resources)} resources")
    say_next("fairway plan" if environment == LOCAL else f"fairway plan -e {environment}")
