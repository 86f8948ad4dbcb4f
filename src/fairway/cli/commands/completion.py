"""`fairway completion`: for shells."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion", epilog='Example: eval "$(fairway completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands, options, templates, environments, services, components and releases:
    what the files in the directory say, and which releases were made from it.
    """
    from fairway.cli.main import COMPLETING, cli

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "fairway", COMPLETING).source())
