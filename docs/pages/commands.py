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
ERRORS = """## Errors for programs

With `--json` an error is data too. Standard output gets one JSON object, on one line (here in
several); the words stay on standard error, and the exit code is the same. That is so for every
error of a command line with `--json`, also for one that is not understood, and after Ctrl-C.

```json
{"error": {
  "code": "invalid-application",
  "summary": "1 problem found",
  "hint": null,
  "detail": null,
  "exit_code": 1,
  "findings": [{
    "code": "unknown-key",
    "summary": "'memry' is not a key of component 'api'",
    "place": {"file": "fairway.yml", "line": 3, "column": 47},
    "hint": "did you mean 'memory'?",
    "severity": "error"
  }]
}}
```

All keys are always there. `hint` is the fix and `detail` has further lines, where there are any.
`findings` is what `fairway check --json` prints: every problem of the application, each with its
[code](diagnostics.md), its place, where it has one, and its fix. `check` itself has only to print
that list: problems are its data, and exit code 1 says that there are errors among them.

- `fairway logs --json` prints one object a line; where it fails, the last has `error`.
- Of the services of a root some may have been applied before another failed. They stand beside
  `error`, as they would without one: `{"changed": true, "services": {...}, "error": {...}}`.

"""
ERROR_CODES = {
    "failed": "Anything else that you can mend; the summary says what.",
    "usage": "The command line cannot be understood.",
    "invalid-application": "The application has problems: `findings`.",
    "consent-missing": "What would be done needs consent; the hint says how it is given.",
    "lock-held": "Somebody else is changing the application.",
    "saved-plan-refused": "The saved plan cannot be read, or is no longer what would be done.",
    "deployment-failed": "CloudFormation refused or rolled back a change, or would not do it as "
    "it was shown.",
    "bundle-failed": "A function's code could not be packed.",
    "lint-failed": "cfn-lint could not be run.",
    "scan-failed": "checkov could not be run.",
    "cloud-unavailable": "The local cloud does not run, or did not start.",
    "destroyed-elsewhere": "Others removed what `up` served.",
    "missing-credentials": "There are no credentials for AWS, or they are no longer good.",
    "interrupted": "Ctrl-C; while a change is being carried out, SIGTERM or SIGHUP too. "
    "At other times these end the command as they end any, without a word.",
    "bug": "A bug in Fairway; `detail` names the file with the traceback.",
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
    told = write_table(["error", "meaning"], [[f"`{k}`", v] for k, v in ERROR_CODES.items()])
    parts = [INTRO + listing, codes, ERRORS + told, *(_describe(verb) for verb in VERBS)]
    return "\n".join(parts)


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
