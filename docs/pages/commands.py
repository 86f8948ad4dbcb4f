"""docs/reference/commands.md: every command, from click itself."""

from __future__ import annotations

from inspect import cleandoc
from textwrap import dedent

import click

from fairway import errors
from fairway.cli.commands.plan import EXIT_CHANGES
from fairway.cli.main import VERBS, cli
from pages.markdown import write_fence, write_table

INTRO = """# Commands

`fairway COMMAND --help` prints the same. Data goes to standard output; progress, errors and
the recommended next step go to standard error. `NO_COLOR=1` turns colour off.

"""
EXIT_CODES = {
    errors.EXIT_OK: "Done.",
    errors.EXIT_USER_ERROR: "Something that you can mend; the message says what, and often how.",
    EXIT_CHANGES: "`fairway plan --exit-code` only: there are changes.",
    errors.EXIT_BUG: "A bug in Fairway. The traceback is in the file that the message names.",
    errors.EXIT_INTERRUPTED: "Interrupted with Ctrl-C.",
}
ARGUMENTS = {
    "[TEMPLATE]": "What it is made from.",
    "[DIRECTORY]": "Where to make it, new or empty; named as the template when not said.",
    "[PLAN]": "A plan that `fairway plan --save` wrote; without it, what the file says now.",
    "PLAN": "A plan that `fairway plan --save` wrote.",
    "[N]": "The number of a release, as `fairway history` lists it.",
    "FROM": "The environment whose release is brought.",
    "TO": "The environment that it is brought to.",
    "[COMPONENTS]...": "Only the lines of these; of all when not said.",
    "{deploy}": "What the policy is for.",
    "{bash|zsh|fish}": "The shell.",
}


def make_page() -> str:
    codes = write_table(["exit code", "meaning"], [[str(k), v] for k, v in EXIT_CODES.items()])
    listing = write_table(
        ["command", ""], [[f"[`{v}`](#fairway-{v})", t] for v, t in VERBS.items()]
    )
    return "\n".join([INTRO + listing, codes, *(_describe(verb) for verb in VERBS)])


def _describe(verb: str) -> str:
    parent = click.Context(cli, info_name="fairway")
    command = cli.get_command(parent, verb)
    assert command is not None
    context = click.Context(command, parent=parent, info_name=verb)
    usage = " ".join(["fairway", verb, *command.collect_usage_pieces(context)])
    parts = [f"## fairway {verb}\n", _help(command) + "\n", write_fence("", usage)]
    rows = [_row(p, context) for p in command.params]
    if rows:
        parts.append(write_table(["argument or option", "meaning", "default"], rows))
    example = command.epilog or ""
    assert example.startswith("Example: "), f"{verb} has no example"
    parts.append(write_fence("sh", example.removeprefix("Example: ")))
    return "\n".join(parts)


def _help(command: click.Command) -> str:
    paragraphs = cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(_fence_if_verbatim(p) for p in paragraphs)


def _fence_if_verbatim(paragraph: str) -> str:
    """Click's mark for lines that must not be joined becomes a block."""
    if not paragraph.startswith("\b"):
        return paragraph
    return write_fence("", dedent(paragraph.removeprefix("\b\n")))


def _row(parameter: click.Parameter, context: click.Context) -> list[str]:
    if isinstance(parameter, click.Argument):
        name = parameter.make_metavar(context)
        return [f"`{name}`", ARGUMENTS[name], _default(parameter)]
    assert isinstance(parameter, click.Option)
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    if not parameter.is_flag:
        names += f" `{parameter.make_metavar(context)}`"
    return [names, parameter.help or "", _default(parameter)]


def _default(parameter: click.Parameter) -> str:
    shown = isinstance(parameter.default, str) and parameter.default
    return f"`{parameter.default}`" if shown else ""
