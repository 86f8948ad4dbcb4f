"""What a shell completes: commands, options and names, without what carries commands out.

A command's module loads all that the command needs, and that takes longer than a key may.
`shapes.json` says what each takes; docs/generate.py makes it from the commands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.shell_completion import shell_complete

from fairway.cli.main import COMPLETING
from fairway.cli.names import Name

SHAPES = Path(__file__).with_name("shapes.json")

Shape = Mapping[str, Any]


def complete(instruction: str) -> int:
    """Answer a shell; the exit code. It is never told of an error: somebody is typing there."""
    with suppress(Exception, KeyboardInterrupt):
        group = build_command("fairway", json.loads(SHAPES.read_bytes()))
        return shell_complete(group, {}, "fairway", COMPLETING, instruction)
    return 1


def write_shapes(command: click.Command) -> str:
    """The text of `shapes.json`, a line for each argument and option."""
    text = json.dumps(describe_command(command, click.Context(command)))
    return re.sub(r' ?\{"name"', '\n{"name"', text) + "\n"


def describe_command(command: click.Command, context: click.Context) -> dict[str, Any]:
    """What a command takes, in plain values."""
    shape: dict[str, Any] = {
        "help": command.get_short_help_str(limit=100),
        "settings": command.context_settings,
        "parameters": [_describe_parameter(parameter) for parameter in command.params],
    }
    if isinstance(command, click.Group):
        below = {n: command.get_command(context, n) for n in command.list_commands(context)}
        shape["commands"] = {n: describe_command(c, context) for n, c in below.items() if c}
    return shape


def build_command(name: str, shape: Shape) -> click.Command:
    """A command that takes what a shape says, and does nothing."""
    given: dict[str, Any] = {
        "context_settings": shape["settings"],
        "params": [_build_parameter(parameter) for parameter in shape["parameters"]],
        "short_help": shape["help"],
    }
    if "commands" not in shape:
        return click.Command(name, **given)
    below = {each: build_command(each, inner) for each, inner in shape["commands"].items()}
    return _InOrder(name, commands=below, **given)


class _InOrder(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def _describe_parameter(parameter: click.Parameter) -> dict[str, Any]:
    shape: dict[str, Any] = {"name": parameter.name, "nargs": parameter.nargs}
    if names := getattr(parameter.type, "names", ""):
        shape["names"] = names
    match parameter.type:
        case click.Choice() as choice:
            shape["choices"] = list(choice.choices)
        case click.Path() as path:
            shape["files"] = path.file_okay
    if isinstance(parameter, click.Option):
        shape |= {"opts": parameter.opts, "multiple": parameter.multiple, "help": parameter.help}
        shape["is_flag"] = parameter.is_flag
    return shape


def _build_parameter(shape: Shape) -> click.Parameter:
    kind: click.ParamType[Any] = click.STRING
    if "names" in shape:
        kind = Name(shape["names"])
    elif "choices" in shape:
        kind = click.Choice(shape["choices"])
    elif "files" in shape:
        kind = click.Path(file_okay=shape["files"])
    if "opts" not in shape:
        return click.Argument([shape["name"]], nargs=shape["nargs"], type=kind, required=False)
    names, told = [*shape["opts"], shape["name"]], shape["help"]
    if shape["is_flag"]:
        return click.Option(names, is_flag=True, help=told)
    return click.Option(names, multiple=shape["multiple"], type=kind, help=told)
