"""Where the documentation is, and its generator as a module."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def tracked_files() -> list[Path]:
    """Every file of the repository that is or could be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture(scope="session")
def pages(tracked_files: list[Path]) -> list[Path]:
    """Every page of Markdown in the repository."""
    found = [file for file in tracked_files if file.suffix == ".md"]
    assert found
    return found


@pytest.fixture(scope="session")
def generate() -> ModuleType:
    """docs/generate.py, imported as it is when it is run."""
    sys.path.insert(0, str(ROOT / "docs"))
    return importlib.import_module("generate")
