"""What cfn-lint found before: a template that it has seen is not looked at again.

One file for all templates, `.fairway/cache/lint.json`, which may be removed at any time. It counts
only when everything that decides on findings is as it was: cfn-lint's version and the schemas that
it was updated with, Python's version, and the day, since runtimes of Lambda run out by dates. A
file that was not written by us to its end counts as none.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

from fairway.check.lint_worker import read_matches
from fairway.check.linter import Match
from fairway.state import make_state_directory

FORMAT = 1
_MOST = 2_000
"""Templates; those not asked for longest go first."""
_MOST_MATCHES = 100
"""Of one template; one with more is looked at again."""
_UNSURE = frozenset({"E0002"})
"""cfn-lint's "unknown exception": a rule broke off, which may be otherwise the next time."""

Found = tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where cfn-lint looks beside the template, and when.

    home, directory: of the user and of the process, for its configuration. caches: where the
    user's cache directory may be. day: today, by the machine's clock.
    """

    home: Path
    directory: Path
    caches: tuple[Path, ...]
    day: date

    def fingerprint(self) -> str | None:
        """What decides on findings, in one word (sha256, hex); None when that cannot be said.

        Its configuration may name rules and schemas in other files ("Configure cfn-lint", in its
        README), so where there is one nothing is kept.
        """
        places = (self.home, self.directory)
        names = (".cfnlintrc", ".cfnlintrc.yaml", ".cfnlintrc.yml")
        if any(os.path.lexists(place / name) for place in places for name in names):
            return None
        made_of = [str(FORMAT), version("cfn-lint"), sys.version, self.day.isoformat()]
        for caches in self.caches:
            try:
                made_of.append(_digest((caches / "aws/cfn-lint/schemas/version.json").read_bytes()))
            except FileNotFoundError:
                made_of.append("")
            except OSError:
                return None
        return _digest(json.dumps(made_of).encode())


class KeptResults:
    """Results of earlier runs, and those of this one.

    path: of the file; None keeps nothing. A result is used for a template with the same content
    and region alone.
    """

    def __init__(self, path: Path | None, surroundings: Surroundings | None = None) -> None:
        fingerprint = surroundings.fingerprint() if path and surroundings else None
        self._path = path if fingerprint else None
        self._fingerprint = fingerprint
        self._results: dict[str, Found] = dict(self._read())
        self._changed = False

    def find(self, region: str, digest: str) -> Found | None:
        """What was found in a template, by its content's digest; None when that is not known."""
        key = f"{region} {digest}"
        found = self._results.pop(key, None)
        if found is not None:
            self._results[key] = found  # the last to go
        return found

    def add(self, region: str, digest: str, found: Found) -> None:
        """Note what was found."""
        if len(found) <= _MOST_MATCHES and not any(match.rule in _UNSURE for match in found):
            self._results[f"{region} {digest}"] = found
            self._changed = True

    def write(self) -> None:
        """Keep them for the next run, where that is possible."""
        if self._path is None or not self._changed:
            return
        results = dict(list(self._results.items())[-_MOST:])
        body = json.dumps({key: [astuple(m) for m in found] for key, found in results.items()})
        whole = {"of": self._fingerprint, "sha256": _digest(body.encode()), "results": body}
        unfinished = self._path.parent / "tmp" / f"lint.{os.getpid()}"
        with suppress(OSError):  # a full or read-only disk: the next run takes its time
            make_state_directory(unfinished.parent)
            try:
                unfinished.write_text(json.dumps(whole), encoding="utf-8")
                unfinished.replace(self._path)
            finally:
                unfinished.unlink(missing_ok=True)

    def _read(self) -> Iterator[tuple[str, Found]]:
        if self._path is None:
            return
        try:
            whole = json.loads(self._path.read_bytes())
            body: str = whole["results"]
            if whole["of"] != self._fingerprint or whole["sha256"] != _digest(body.encode()):
                return
            results: Mapping[str, list[list[object]]] = json.loads(body)
            read = [(key, read_matches(found)) for key, found in results.items()]
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return
        yield from read


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
