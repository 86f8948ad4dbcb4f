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


def test_what_cfn_lint_found_is_told_again(directory: Path) -> None:
    """From the second time on, no template is looked at again that is as it was."""
    first = check(directory)
    again = check(directory)
    assert (first[0], again[0]) == (1, 1)
    assert first[1] == again[1]
    assert THEIRS in again[1]
    assert ", 0 new)" not in first[2]
    assert ", 0 new)" in again[2]

    kept = directory / ".fairway" / "cache" / "lint.json"
    kept.write_bytes(kept.read_bytes()[:-40])
    damaged = check(directory)
    assert damaged[:2] == first[:2]
    assert ", 0 new)" not in damaged[2]

    file = directory / "fairway.yml"
    file.write_text(file.read_text().replace("TopicNam", "TopicName"))
    code, out, err = check(directory)
    assert (code, THEIRS in out) == (0, False)
    assert ", 1 new)" in err


def test_a_wrong_configuration_of_cfn_lint_is_an_error_with_a_way_out(directory: Path) -> None:
    (directory / ".cfnlintrc").write_text("nonsense: 3\n")
    done = subprocess.run(
        [FAIRWAY, "check"], cwd=directory, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "error: cfn-lint cannot be used as it is configured" in done.stderr
    assert "--fast" in done.stderr
    assert not (directory / ".fairway").exists(), "nothing is kept under a configuration"


def test_an_unknown_region_is_an_error_with_a_way_out(directory: Path) -> None:
    file = directory / "fairway.yml"
    file.write_text(f"region: eu-west-9\n{file.read_text()}")
    code, _, err = check(directory)
    assert code == 1
    assert "error: cfn-lint does not know the region 'eu-west-9'" in err
