"""What a command loads, and how it ends: both decide how long a user waits for an answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """\
app: shop
environments: {poc: {}}
components:
  api: {type: function, handler: api.handler, runtime: python3.12}
"""

UNNEEDED = {
    *("boto3", "botocore", "cfnlint", "concurrent.futures", "importlib.metadata"),
    *("subprocess", "tempfile", "tomllib"),
    *("fairway.apply", "fairway.aws", "fairway.cloud", "fairway.operate"),
}

RUN = """
import atexit, gc, json, sys
from fairway.cli.entry import main

def tell():
    print(json.dumps({"modules": list(sys.modules), "frozen": gc.get_freeze_count()}))

atexit.register(tell)
main()
"""

PLUGINS = """
import json, sys
from fairway.cli.plugins import skip_plugins

told = []
with skip_plugins():
    from pydantic import BaseModel

    class Ours(BaseModel):
        name: str

    told.append("importlib.metadata" in sys.modules)

with skip_plugins():
    from pydantic.plugin._loader import PYDANTIC_ENTRY_POINT_GROUP

class Others(BaseModel):
    name: str

told.append("importlib.metadata" in sys.modules)
with skip_plugins():
    told.append(hasattr(sys.modules["pydantic.plugin._loader"], "entry_points"))
print(json.dumps([Ours(name="a").name, Others(name="b").name, PYDANTIC_ENTRY_POINT_GROUP, *told]))
"""


def run_python(code: str, *arguments: str, directory: Path) -> str:
    """Run code in an interpreter of its own, as a user without credentials; its last line."""
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=directory,
        env={**kept, "HOME": str(directory)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1]


@pytest.fixture
def application(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/api.py").write_text("def handler(event, context):\n    return {}\n")
    (tmp_path / "fairway.yml").write_text(APP)
    return tmp_path


def test_a_plan_without_credentials_loads_only_what_it_needs(application: Path) -> None:
    told = json.loads(run_python(RUN, "plan", "-e", "poc", directory=application))
    assert "fairway.plan.planning" in told["modules"]
    assert UNNEEDED.intersection(told["modules"]) == set()


def test_help_loads_no_verb(tmp_path: Path) -> None:
    told = json.loads(run_python(RUN, "--help", directory=tmp_path))
    assert not [name for name in told["modules"] if name.startswith(("fairway.define", "pydantic"))]


def test_nothing_is_searched_for_garbage_at_the_end(tmp_path: Path) -> None:
    told = json.loads(run_python(RUN, "--version", directory=tmp_path))
    assert told["frozen"] > 0


def test_pydantic_looks_for_no_plugins_of_our_models_and_for_those_of_others(
    tmp_path: Path,
) -> None:
    told = json.loads(run_python(PLUGINS, directory=tmp_path))
    assert told == ["a", "b", "pydantic", False, True, True]
