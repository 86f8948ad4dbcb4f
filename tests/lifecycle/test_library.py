"""The README's ten lines of library use, executed as they stand."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from tests.lifecycle.applications import run_command

README = Path(__file__).parents[2] / "README.md"


def read_snippet() -> str:
    section = README.read_text().split("## Use it as a library", 1)[1]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found, "the README shows no library use"
    return found[1]


def test_snippet_of_the_readme(tmp_path: Path) -> None:
    run_command("init", "timestamps", str(tmp_path / "my-app")).expect()
    output = io.StringIO()
    with contextlib.chdir(tmp_path), contextlib.redirect_stdout(output):
        exec(compile(read_snippet(), str(README), "exec"), {})
    lines = output.getvalue().splitlines()
    assert "my-app-poc-network 36" in lines
    assert "my-app-poc-app 12" in lines
    assert "59" in lines[-1]


def test_snippet_names_every_public_stage() -> None:
    import fairway

    snippet = read_snippet()
    for name in ("load_app", "compile_app", "plan_app", "apply_plan"):
        assert name in snippet
        assert name in fairway.__all__
