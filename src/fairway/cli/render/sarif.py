"""Findings for code scanning: OASIS, "Static Analysis Results Interchange Format" 2.1.0."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fairway import __version__
from fairway.check.security import Accepted
from fairway.diagnostics import Diagnostic, sort_diagnostics

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def write_sarif(
    file: Path, findings: Iterable[Diagnostic], accepted: Iterable[Accepted], root: Path
) -> None:
    """Write one run. Places are told relative to `root`, the application's directory."""
    text = json.dumps(make_sarif(findings, accepted, root), indent=1, ensure_ascii=False)
    file.write_text(text + "\n", encoding="utf-8")


def make_sarif(
    findings: Iterable[Diagnostic], accepted: Iterable[Accepted], root: Path
) -> dict[str, Any]:
    """One run of Fairway as a SARIF log; what is accepted is a suppressed result."""
    reasons = {a.finding: a.reason for a in accepted}
    ordered = sort_diagnostics([*findings, *reasons])
    codes = list(dict.fromkeys(finding.code for finding in ordered))
    rules = [_make_rule(code, next(f for f in ordered if f.code == code)) for code in codes]
    results = [_make_result(f, codes.index(f.code), reasons.get(f), root) for f in ordered]
    driver = {"name": "Fairway", "semanticVersion": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"APPLICATION": {"uri": f"{root.resolve().as_uri()}/"}},
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _make_rule(code: str, finding: Diagnostic) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": code, "shortDescription": {"text": finding.summary}}
    if finding.hint:
        rule["help"] = {"text": finding.hint}
    return rule


def _make_result(finding: Diagnostic, rule: int, reason: str | None, root: Path) -> dict[str, Any]:
    hint = f"\n{finding.hint}" if finding.hint else ""
    stable = f"{finding.code} {finding.summary}"
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity.value,
        "message": {"text": finding.summary + hint},
        "partialFingerprints": {"fairway/v1": hashlib.sha256(stable.encode()).hexdigest()},
    }
    if finding.place is not None:
        result["locations"] = [{"physicalLocation": _locate(finding, root)}]
    if reason is not None:
        result["suppressions"] = [
            {"kind": "inSource", "status": "accepted", "justification": reason}
        ]
    return result


def _locate(finding: Diagnostic, root: Path) -> dict[str, Any]:
    place = finding.place
    assert place is not None
    file = place.file.resolve()
    artifact: dict[str, Any] = {"uri": file.as_uri()}
    if file.is_relative_to(root.resolve()):
        relative = file.relative_to(root.resolve()).as_posix()
        artifact = {"uri": _quote(relative), "uriBaseId": "APPLICATION"}
    return {
        "artifactLocation": artifact,
        "region": {"startLine": place.line, "startColumn": place.column},
    }


def _quote(path: str) -> str:
    from urllib.parse import quote

    return quote(path)
