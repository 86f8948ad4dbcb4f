"""cfn-lint itself: its rules are loaded once, for all templates."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

from fairway.errors import FairwayError


class LintFailed(FairwayError):
    """cfn-lint did not run to its end."""

    code = "lint-failed"


WITHOUT = "`fairway check --fast` leaves cfn-lint out"


@dataclass(frozen=True, slots=True)
class Job:
    """A template to look at, as JSON, for one region."""

    region: str
    text: str


@dataclass(frozen=True, slots=True)
class Match:
    """What cfn-lint found at one place of a template.

    rule: its id. title: what the rule is about. path: keys and indexes from the template's top;
    empty for the template as a whole.
    """

    rule: str
    is_error: bool
    title: str
    message: str
    path: tuple[str | int, ...]


class Linter:
    """cfn-lint in this process; loading it takes a second, a template some tenths of one.

    cfn-lint's own command line uses its rules for many templates, too: each rule that remembers
    something forgets it when the next template comes. They are loaded for each region, since
    `override_spec` of its configuration is applied to the schemas of one region at a time, then.
    Not to be used by two threads at once.
    """

    def __init__(self) -> None:
        self._rules: dict[str, Any] = {}

    def lint(self, job: Job) -> tuple[Match, ...]:
        """What it finds, in its order.

        Raises LintFailed for a region that it does not know, and when its configuration file
        (.cfnlintrc), or a rule that this names, is wrong.
        """
        with _contained():
            return self._lint(job)

    def _lint(self, job: Job) -> tuple[Match, ...]:
        from cfnlint.config import ConfigMixIn, ManualArgs
        from cfnlint.decode.decode import decode_str
        from cfnlint.helpers import REGIONS
        from cfnlint.runner import Runner, run_template_by_data

        if job.region not in REGIONS:
            raise LintFailed(
                f"cfn-lint does not know the region '{job.region}'",
                hint=f"correct `region` in fairway.yml; {WITHOUT}",
            )

        def configure() -> Any:
            return ConfigMixIn(**ManualArgs(regions=[job.region], include_checks=[]))

        if job.region not in self._rules:
            self._rules[job.region] = Runner(configure()).rules
        template, found = decode_str(job.text)
        if not found and template is not None:
            # Its options are made anew: it writes into them what a template's metadata says.
            found = list(run_template_by_data(template, configure(), self._rules[job.region]))
        return tuple(_read_match(match) for match in found)


@contextmanager
def _contained() -> Iterator[None]:
    """What cfn-lint, and rules of the user's, may do in a process that has more to do.

    They end it where something is wrong, after saying what on either stream; what is on standard
    output may be read by a program.
    """
    from cfnlint.exceptions import CfnLintExitException, ConfigFileError
    from yaml import YAMLError

    wrong = (CfnLintExitException, ConfigFileError, YAMLError, UnicodeError, OSError)
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (*wrong, RuntimeError) as error:  # the last: no home, where it looks for .cfnlintrc
        raise _explain_failure(str(error)) from error
    except SystemExit as error:
        raise _explain_failure(f"it ended with code {error.code}") from error


def _explain_failure(why: str) -> LintFailed:
    first, *rest = why.splitlines() or ["it does not say why"]
    return LintFailed(
        f"cfn-lint cannot be used as it is configured: {first}",
        hint=f"correct .cfnlintrc, here or in your home directory; {WITHOUT}",
        detail="\n".join(rest) or None,
    )


def _read_match(match: Any) -> Match:
    path = tuple(p if isinstance(p, int) else str(p) for p in getattr(match, "path", None) or ())
    rule = match.rule
    return Match(rule.id, rule.severity == "error", rule.shortdesc, match.message, path)
