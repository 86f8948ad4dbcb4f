"""What `fairway check --sarif` writes is SARIF by the official schema, and as GitHub wants it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.lifecycle.applications import Outcome, run_command
from tests.security.sarif_schema import check_for_github, list_faults

EXAMPLES = Path(__file__).parents[2] / "examples"
FAULTY = """app: shop
region: eu-west-1
network: {cidr: 10.0.0.0/8}
components:
  api: {type: function, handler: app.nothing, memory: 64MB, usess: {}}
  web: {type: http-api, routes: {"GET /": nobody, "GET /ä": api}}
"""


def make_repository(root: Path, name: str) -> Path:
    """A repository with an application in a folder of it."""
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    application = root / "services" / f"{name} app"
    application.mkdir(parents=True)
    return application


def check(application: Path, *more: str) -> tuple[dict[str, Any], Outcome]:
    file = application / "found.sarif"
    done = run_command("check", "-C", str(application), "--sarif", str(file), *more)
    log: dict[str, Any] = json.loads(file.read_text())
    assert list_faults(log) == []
    return log, done


def list_results(log: dict[str, Any]) -> list[dict[str, Any]]:
    return list(log["runs"][0]["results"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["notes", "timestamps"])
def test_the_scan_of_an_example(name: str, tmp_path: Path) -> None:
    application = make_repository(tmp_path, name)
    shutil.copytree(EXAMPLES / name, application, dirs_exist_ok=True)
    log, done = check(application, "--security")
    assert done.code == 0, done.err
    check_for_github(log, tmp_path)
    results = list_results(log)
    assert results  # what the file accepts
    assert {r["level"] for r in results} == {"note"}
    assert all(r["suppressions"][0]["justification"] for r in results)
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results}
    assert uris == {f"services/{name}%20app/fairway.yml"}
    assert log["runs"][0]["automationDetails"]["id"] == f"fairway/services/{name} app/"


def test_a_faulty_file(tmp_path: Path) -> None:
    application = make_repository(tmp_path, "faulty")
    (application / "fairway.yml").write_text(FAULTY)
    log, done = check(application)
    assert done.code == 1
    check_for_github(log, tmp_path)
    codes = {result["ruleId"] for result in list_results(log)}
    assert {"unknown-key", "bad-cidr", "bad-memory"} <= codes


def test_equal_findings_are_told_apart_and_stay_themselves(tmp_path: Path) -> None:
    application = make_repository(tmp_path, "faulty")
    file = application / "fairway.yml"
    file.write_text(FAULTY)
    before, _ = check(application)
    file.write_text("# a line more\n" + FAULTY)
    after, _ = check(application)

    def prints(log: dict[str, Any]) -> list[str]:
        return [r["partialFingerprints"]["primaryLocationLineHash"] for r in list_results(log)]

    assert prints(before) == prints(after)
    assert len(set(prints(before))) == len(prints(before)) > 2


def test_the_schema_finds_faults(tmp_path: Path) -> None:
    application = make_repository(tmp_path, "faulty")
    (application / "fairway.yml").write_text(FAULTY)
    log, _ = check(application)
    results = list_results(log)
    results[0]["level"] = "fatal"
    del results[1]["message"]
    results[1]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert len(list_faults(log)) == 3
    log["runs"][0]["results"][0]["more"] = 1
    assert len(list_faults(log)) == 4
