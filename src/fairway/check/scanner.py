"""checkov, run as a tool of its own: its dependencies clash with everybody's."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairway.bundle.resolve import Finished
from fairway.compile import Templates
from fairway.errors import FairwayError

VERSION = "3.3.30"

RunTool = Callable[[Sequence[str], Path], Finished]
"""Run uv with these arguments in this directory, to its end."""


class ScanFailed(FairwayError):
    """checkov did not run to its end."""

    code = "scan-failed"


@dataclass(frozen=True, slots=True)
class Failed:
    """One check that one resource fails."""

    environment: str
    stack: str
    logical_id: str
    check: str
    name: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What checkov found. passed and skipped: how many checks, by environment."""

    failed: tuple[Failed, ...]
    passed: Mapping[str, int]
    skipped: Mapping[str, int]


def scan_templates(templates: Mapping[str, Templates], run: RunTool) -> Scan:
    """Run checkov over the templates of all environments, by name. Raises ScanFailed.

    One run for all of them: several side by side took as long, for 20 services of 10 functions.
    """
    with tempfile.TemporaryDirectory(prefix="fairway-scan-") as directory:
        root = Path(directory)
        for environment, found in templates.items():
            (root / environment).mkdir()
            for stack in found.stacks:
                (root / environment / f"{stack.name}.json").write_text(stack.to_json(indent=1))
        arguments = [
            *("tool", "run", "--from", f"checkov=={VERSION}", "checkov"),
            *("--directory", directory, "--framework", "cloudformation"),
            *("--output", "json", "--compact", "--soft-fail", "--skip-download"),
        ]
        done = run(arguments, root)
    return _read_report(done, templates)


def _read_report(done: Finished, templates: Mapping[str, Templates]) -> Scan:
    start = done.output.find("{")
    try:
        report = json.loads(done.output[start:]) if start >= 0 and done.code == 0 else None
    except ValueError:
        report = None
    whole = isinstance(report, dict) and not report.get("summary", {}).get("parsing_errors", 1)
    results = report["results"] if report and whole else None
    if results is None:
        raise ScanFailed(
            f"checkov {VERSION}, which scans the templates, did not run to its end",
            hint="the first run installs it and needs a package index; "
            "without it use `fairway check`",
            detail="\n".join(done.errors.strip().splitlines()[-5:]),
        )
    failed = tuple(
        Failed(*_locate(found), found["check_id"], found["check_name"])
        for found in results["failed_checks"]
    )
    return Scan(
        failed,
        _count(results["passed_checks"], templates),
        _count(results["skipped_checks"], templates),
    )


def _locate(found: Mapping[str, Any]) -> tuple[str, str, str]:
    """Environment, stack and logical id: `/prod/shop-prod-app.json`, `AWS::S3::Bucket.Logs`."""
    *_, environment, file = found["file_path"].split("/")
    return environment, file.removesuffix(".json"), found["resource"].rsplit(".", 1)[-1]


def _count(found: Sequence[Mapping[str, Any]], environments: Iterable[str]) -> dict[str, int]:
    counts = dict.fromkeys(environments, 0)
    for check in found:
        counts[_locate(check)[0]] += 1
    return counts
