"""The command `fairway`: finds the verb, runs it, turns errors into words and exit codes.

Verbs are imported when they are named, so `fairway --help` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from fairway import __version__
from fairway.cli.failures import Output, asks_json, leave_reader, print_failure, tell_failure
from fairway.cli.plugins import skip_plugins
from fairway.errors import EXIT_OK

COMPLETING = "_FAIRWAY_COMPLETE"
"""The environment variable by which a shell's script asks; its value says which shell's."""

# Verb to one line of help, in the order of the journey. The module is commands/<verb>.py.
VERBS = {
    "init": "Make a working application directory.",
    "up": "Run the whole application here, reloading on edit.",
    "check": "Show every problem at once, each with a place and a fix.",
    "compile": "Write the CloudFormation templates.",
    "plan": "Show what would change, without changing anything.",
    "apply": "Carry out exactly the plan.",
    "status": "Show what runs and where.",
    "logs": "Show what the application says.",
    "history": "Show what was released, when and by whom.",
    "rollback": "Go back to an earlier release; data stays.",
    "promote": "Bring a release from one environment to another.",
    "approve": "Consent to a saved plan, for a pipeline.",
    "unlock": "Show who holds the lock, or break it.",
    "repair": "Explain and mend stacks that are stuck.",
    "destroy": "Remove the application from an environment.",
    "down": "Stop the local cloud; its data stays.",
    "policy": "Print what who deploys must be allowed to do.",
    "schema": "Print the JSON Schema of fairway.yml, for editors.",
    "completion": "Print the shell completion script.",
}


class _ReaderGoneError(Exception):
    """Nobody reads what a command prints any more."""


@contextmanager
def _noticing_reader() -> Iterator[None]:
    """Keep the end of a pipe from click, which would end the process with 1 for it."""
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderGoneError from error


class Verbs(click.Group):
    """The verbs, each loaded when it is needed."""

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Read the command line; --help and --version answer here."""
        with _noticing_reader():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        with _noticing_reader():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs in the order of the journey."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb."""
        if cmd_name not in VERBS:
            return None
        with skip_plugins():
            command: click.Command = import_module(f"fairway.cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one was probably meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1, cutoff=0.7)
            hint = f" Did you mean '{near[0]}'?" if near else " See 'fairway --help'."
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: fairway init timestamps my-app && cd my-app && fairway up",
)
@click.version_option(__version__, message="fairway %(version)s")
def cli() -> None:
    """Take a web application from one file to a running deployment.

    The environment `local` runs on this machine: no account, no Docker.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 user error, 3 bug, 130 interrupted."""
    code = run(arguments)
    # Ending, Python looks through everything for garbage twice: 40 ms, and nobody needs the room.
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    if asked := os.environ.get(COMPLETING):
        from fairway.cli.completing import complete

        return complete(asked)
    words = sys.argv[1:] if arguments is None else arguments
    output = Output(asks_json(words))
    return run_guarded(
        lambda: cli.main(words, prog_name="fairway", standalone_mode=False, obj=output), output
    )


def run_guarded(work: Callable[[], Any], output: Output | None = None) -> int:
    """Run something for a user: errors become words, and the result an exit code.

    output: of the whole command line; with JSON asked for, an error is told there too.
    """
    try:
        result = work()
    except (BrokenPipeError, _ReaderGoneError):
        leave_reader(sys.stdout)  # no error, as in `fairway logs | head`
        return EXIT_OK
    except (Exception, KeyboardInterrupt) as error:
        failure = tell_failure(error)
        if output is not None and output.as_json:
            try:
                print_failure(failure, output.done)
            except OSError:  # nobody reads it, or the disk is full: the exit code says it
                leave_reader(sys.stdout)
        return failure.exit_code
    return result if isinstance(result, int) else 0
