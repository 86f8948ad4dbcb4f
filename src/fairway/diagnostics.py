"""What is wrong with an application, where, and how to mend it.

A diagnostic is a value: stages collect them, nothing throws them, and only the
command line sorts and renders them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """How bad it is: an error stops the route, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a text file; line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    code: a constant kebab-case name, for example ``unknown-key``.
    summary: one sentence with the user's names in it.
    place: where in the user's files, when it has a place there.
    hint: what to do about it, in the imperative.
    """

    code: str
    summary: str
    place: Place | None = None
    hint: str | None = None
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        """Whether this finding stops the route."""
        return self.severity is Severity.ERROR


def sort_diagnostics(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """Order findings as a reader meets them: by place, those without one last."""
    return sorted(
        diagnostics,
        key=lambda d: (
            d.place is None,
            (str(d.place.file), d.place.line, d.place.column) if d.place else ("", 0, 0),
            d.code,
            d.summary,
        ),
    )
