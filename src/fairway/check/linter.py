"""cfn-lint itself: its rules are loaded once, for all templates."""

from __future__ import annotations

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
    something forgets it when the next template comes. Not to be used by two threads at once.
    """

    def __init__(self) -> None:
        """Load it. Raises LintFailed when its configuration file (.cfnlintrc) is wrong."""
        from cfnlint.config import ConfigMixIn, ManualArgs
        from cfnlint.exceptions import CfnLintExitException, ConfigFileError
        from cfnlint.runner import Runner

        def configure(*regions: str) -> Any:
            return ConfigMixIn(**ManualArgs(regions=list(regions), include_checks=[]))

        self._configure = configure
        try:
            self._rules = Runner(configure()).rules
        except (CfnLintExitException, ConfigFileError) as error:
            raise LintFailed(
                f"cfn-lint cannot be used as it is configured: {error}",
                hint=f"correct its configuration; {WITHOUT}",
            ) from error

    def lint(self, job: Job) -> tuple[Match, ...]:
        """What it finds, in its order. Raises LintFailed for a region that it does not know."""
        from cfnlint.decode.decode import decode_str
        from cfnlint.exceptions import InvalidRegionException
        from cfnlint.runner import run_template_by_data

        template, found = decode_str(job.text)
        if not found and template is not None:
            # Its options are made anew: it writes into them what a template's metadata says.
            config = self._configure(job.region)
            try:
                found = list(run_template_by_data(template, config, self._rules))
            except InvalidRegionException as error:
                raise LintFailed(
                    f"cfn-lint does not know the region '{job.region}'",
                    hint=f"correct `region` in fairway.yml; {WITHOUT}",
                ) from error
        return tuple(_read_match(match) for match in found)


def _read_match(match: Any) -> Match:
    path = tuple(p if isinstance(p, int) else str(p) for p in getattr(match, "path", None) or ())
    rule = match.rule
    return Match(rule.id, rule.severity == "error", rule.shortdesc, match.message, path)
