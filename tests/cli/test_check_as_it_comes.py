"""`fairway check` tells its own findings before it waits for cfn-lint, and all of them in JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FAIRWAY = Path(sys.executable).with_name("fairway")
DEFINITION = """app: shop
components:
  api: {type: function, handler: app.handler, timeout: 60s}
  web: {type: http-api, routes: {"GET /": api}}
resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicNam: x}}
"""
OURS, THEIRS = "slow-behind-api", "cfn-E3002"
STEP = "checking the templates with cfn-lint"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """An application of which our own checks and cfn-lint find one fault each."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("def handler(event, context):\n    return {}\n")
    (tmp_path / "fairway.yml").write_text(DEFINITION)
    return tmp_path


def check(directory: Path, *options: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [FAIRWAY, "check", "-C", directory, *options], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_ours_first(directory: Path) -> None:
    with (directory / "told").open("w+") as told:
        code = subprocess.run(
            [FAIRWAY, "check", "-C", directory],
            stdout=told,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    lines = (directory / "told").read_text()
    assert code == 1
    places = [lines.index(word) for word in (OURS, STEP, THEIRS, "1 error, 1 warning")]
    assert places == sorted(places), lines
    assert lines.count(OURS) == lines.count(THEIRS) == 1


def test_one_document_in_json(directory: Path) -> None:
    code, out, err = check(directory, "--json")
    assert code == 1
    assert {finding["code"] for finding in json.loads(out)} == {OURS, THEIRS}
    assert err == ""


def test_without_cfn_lint(directory: Path) -> None:
    code, out, err = check(directory, "--fast")
    assert code == 0
    assert OURS in out
    assert THEIRS not in out
    assert STEP not in err
