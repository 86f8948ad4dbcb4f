"""`fairway schema`: for editors."""

from __future__ import annotations

import click

from fairway.cli.render.json import print_json
from fairway.define.schema import make_schema


@click.command("schema", epilog="Example: fairway schema > fairway.schema.json")
def command() -> None:
    """Print the JSON Schema of fairway.yml.

    With the YAML extension of your editor, start the file with
    `# yaml-language-server: $schema=./fairway.schema.json`.
    """
    print_json(make_schema())
