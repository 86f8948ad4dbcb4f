"""Findings for code scanning: OASIS, "Static Analysis Results Interchange Format" 2.1.0.

What GitHub asks for beyond the standard is GitHub Docs, "SARIF support for code scanning":
required properties, places relative to the repository, one fingerprint, a category.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fairway import __version__
from fairway.check.security import Accepted
from fairway.define import FILE_NAME
from fairway.diagnostics import Diagnostic, Place, sort_diagnostics

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
BASE = "%SRCROOT%"
"""Names the root that places are relative to; viewers and scanners know it by this name."""

ReadLines = Callable[[Path], tuple[str, ...]]
_LONGEST_TEXT = 1024  # GitHub's limit for descriptions of rules


def write_sarif(
    file: Path, findings: Iterable[Diagnostic], accepted: Iterable[Accepted], application: Path
) -> None:
    """Write one run. Places are told relative to the repository of the application's directory."""
    log = make_sarif(findings, accepted, application)
    file.write_text(json.dumps(log, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def make_sarif(
    findings: Iterable[Diagnostic], accepted: Iterable[Accepted], application: Path
) -> dict[str, Any]:
    """One run of Fairway as a SARIF log; what is accepted is a suppressed result."""
    application = application.resolve()
    root = find_repository(application) or application
    reasons = {a.finding: a.reason for a in accepted}
    ordered = sort_diagnostics([*findings, *reasons])
    codes = list(dict.fromkeys(finding.code for finding in ordered))
    rules = [_make_rule(next(f for f in ordered if f.code == code)) for code in codes]
    nowhere = Place(application / FILE_NAME, 1, 1)
    read_lines = cache(_read_lines)  # each file once
    results = [
        _make_result(
            f, codes.index(f.code), reasons.get(f), _locate(f.place or nowhere, root, read_lines)
        )
        for f in ordered
    ]
    _tell_apart(results)
    run = {
        "tool": {
            "driver": {"name": "Fairway", "semanticVersion": __version__, "rules": rules},
        },
        # Several applications of one repository are told apart by the category before the "/".
        "automationDetails": {"id": f"fairway/{application.relative_to(root).as_posix()}/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {BASE: {"uri": f"{root.as_uri()}/"}},
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def find_repository(directory: Path) -> Path | None:
    """The root of the Git repository that a directory is in: files are told relative to it."""
    return next((d for d in (directory, *directory.parents) if (d / ".git").exists()), None)


def _make_rule(finding: Diagnostic) -> dict[str, Any]:
    """The same for each finding of a code: no names of the user's are in it."""
    code = finding.code
    text = code.replace("-", " ").capitalize()
    hint = f"`{code}` stands in Fairway's reference of diagnostics, with an example."
    if code.startswith("checkov-"):
        text = finding.summary.rpartition(" (")[0] or finding.summary
        hint = finding.hint or hint
    return {
        "id": code,
        "name": code,
        "shortDescription": {"text": text[:_LONGEST_TEXT]},
        "fullDescription": {"text": text[:_LONGEST_TEXT]},
        "help": {"text": hint},
        "defaultConfiguration": {"level": finding.severity.value},
    }


def _make_result(
    finding: Diagnostic, rule: int, reason: str | None, place: dict[str, Any]
) -> dict[str, Any]:
    hint = f"\n{finding.hint}" if finding.hint else ""
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity.value,
        "message": {"text": finding.summary + hint},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"primaryLocationLineHash": _digest(finding)},
    }
    if reason is not None:
        # GitHub does not read suppressions: as a note it fails no check there.
        result["level"] = "note"
        result["suppressions"] = [
            {"kind": "inSource", "status": "accepted", "justification": reason}
        ]
    return result


def _digest(finding: Diagnostic) -> str:
    """Of what stays the same when lines move."""
    return hashlib.sha256(f"{finding.code} {finding.summary}".encode()).hexdigest()[:16]


def _tell_apart(results: Iterable[dict[str, Any]]) -> None:
    """Number equal fingerprints, as GitHub's own do: the form is `digest:number`."""
    seen: Counter[str] = Counter()
    for result in results:
        digest = result["partialFingerprints"]["primaryLocationLineHash"]
        seen[digest] += 1
        result["partialFingerprints"]["primaryLocationLineHash"] = f"{digest}:{seen[digest]}"


def _locate(place: Place, root: Path, read_lines: ReadLines) -> dict[str, Any]:
    """A place to the end of its line."""
    file = place.file.resolve()
    artifact: dict[str, Any] = {"uri": file.as_uri()}
    if file.is_relative_to(root):
        artifact = {"uri": quote(file.relative_to(root).as_posix()), "uriBaseId": BASE}
    lines = read_lines(file)
    length = len(lines[place.line - 1]) if place.line <= len(lines) else 0
    region = {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.line,
        "endColumn": max(length, place.column) + 1,
    }
    return {"artifactLocation": artifact, "region": region}


def _read_lines(file: Path) -> tuple[str, ...]:
    """Nothing for a file that cannot be read, which is a finding of its own."""
    try:
        return tuple(file.read_text(encoding="utf-8").split("\n"))
    except (OSError, ValueError):
        return ()
