"""How the command line ends: on a reader that is gone, and on a command without a verb."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fairway.cli.main import run

FAIRWAY = Path(sys.executable).with_name("fairway")
DEFINITION = """app: shop
components:
  api: {type: function, handler: app.handler}
"""


@pytest.mark.parametrize("verb", [["plan"], ["plan", "--json"], ["compile", "--help"], ["--help"]])
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path, verb: list[str]) -> None:
    (tmp_path / "fairway.yml").write_text(DEFINITION)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("def handler(event, context): pass\n")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [FAIRWAY, *verb], cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_exit_code_of_its_own_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 1
    assert "Usage: fairway" in "".join(capsys.readouterr())
