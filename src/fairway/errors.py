"""Errors that a user can act on, and their exit codes.

Anything that is not a `FairwayError` is a bug in Fairway: the command line
reports it in one line and writes the traceback to a log file.
"""

from __future__ import annotations

from fairway.diagnostics import Diagnostic

EXIT_OK = 0
EXIT_USER_ERROR = 1
EXIT_BUG = 3
EXIT_INTERRUPTED = 130


class FairwayError(Exception):
    """Something the user can mend.

    code: constant and kebab-case, for programs. summary: one sentence. hint: what to do, in the
    imperative. detail: further lines for those who want them.
    """

    code = "failed"
    exit_code = EXIT_USER_ERROR

    def __init__(self, summary: str, *, hint: str | None = None, detail: str | None = None) -> None:
        super().__init__(summary)
        self.summary = summary
        self.hint = hint
        self.detail = detail


class InvalidApplication(FairwayError):
    """The application has errors; `diagnostics` holds every one found."""

    code = "invalid-application"

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        errors = sum(d.is_error for d in diagnostics)
        super().__init__(f"{errors} problem{'s' if errors != 1 else ''} found")
        self.diagnostics = diagnostics


class BundleFailed(FairwayError):
    """A function's source could not be turned into an archive."""

    code = "bundle-failed"


class CloudUnavailable(FairwayError):
    """The local cloud did not start, or is not running."""

    code = "cloud-unavailable"


class MissingCredentials(FairwayError):
    """An environment on AWS was named and no credentials were found."""

    code = "missing-credentials"


class DeploymentFailed(FairwayError):
    """CloudFormation refused or rolled back a change; the summary is the first real cause.

    events: what CloudFormation told on the way, a line each.
    """

    code = "deployment-failed"
    events: tuple[str, ...] = ()
