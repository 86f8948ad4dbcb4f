"""Which program runs a function, and the packages that Lambda's runtime would bring along."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fairway.cloud.pythons import find_python
from fairway.errors import FairwayError

# What a function finds without bringing it: the runtime client and the SDK
# ("Building Lambda functions with Python", runtime-included SDK versions).
MODULES = (
    "awslambdaric",
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "s3transfer",
    "simplejson",
    "six",
    "snapshot_restore_py",
    "urllib3",
)
Language = Literal["python", "nodejs"]
_COMPILED = "runtime_client"
_HERE = Path(__file__).parent


class UnsupportedRuntime(FairwayError):
    """The function's runtime identifier names a language that does not run locally."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The program for one runtime, "3.12" or "20", and the directory of what comes with it.

    ours: it is the interpreter that Fairway itself runs on.
    """

    program: str
    version: str
    packages: Path
    ours: bool
    language: Language = "python"


def read_runtime(runtime: str) -> tuple[Language, str]:
    """Take "3.12" from "python3.12", "20" from "nodejs20.x".

    Raises UnsupportedRuntime for anything else.
    """
    if match := re.fullmatch(r"python(3\.\d+)", runtime):
        return "python", match[1]
    if match := re.fullmatch(r"nodejs(\d+)\.x", runtime):
        return "nodejs", match[1]
    raise UnsupportedRuntime(
        f"the runtime {runtime} does not run locally",
        hint="use python3.11, python3.12, python3.13, nodejs20.x or nodejs22.x",
    )


class Interpreters:
    """Finds interpreters on a search path, once for each version."""

    def __init__(self, search_path: str, scratch: Path) -> None:
        self._search_path = search_path
        self._scratch = scratch
        self._found: dict[str, str | None] = {}

    def find_ours(self) -> Interpreter:
        """Give the interpreter that this process runs on."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        packages = self._scratch / f"runtime-{version}"
        collect_packages(packages, compiled=True)
        return Interpreter(sys.executable, version, packages, ours=True)

    async def find(self, version: str) -> Interpreter | None:
        """Find an interpreter of exactly this minor version, or None."""
        ours = self.find_ours()
        if version == ours.version:
            return ours
        if version not in self._found:
            self._found[version] = await asyncio.to_thread(find_python, version, self._search_path)
        program = self._found[version]
        if program is None:
            return None
        packages = self._scratch / f"runtime-{version}"
        collect_packages(packages, compiled=False)
        return Interpreter(program, version, packages, ours=False)


def collect_packages(folder: Path, *, compiled: bool) -> None:
    """Link the runtime's packages, and nothing else of ours, into one importable folder.

    compiled: link awslambdaric's compiled module; otherwise our plain Python
    one takes its place. All the other packages run on any Python 3.
    """
    if folder.exists():
        return
    building = folder.with_name(f"{folder.name}.new-{os.getpid()}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for name in (*MODULES, _COMPILED) if compiled else MODULES:
        _link_module(name, building)
    if not compiled:
        (building / f"{_COMPILED}.py").symlink_to(_HERE / "pure" / f"{_COMPILED}.py")
    try:
        building.rename(folder)
    except OSError:  # somebody else was first
        shutil.rmtree(building, ignore_errors=True)


def _link_module(name: str, folder: Path) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return
    origin = Path(spec.origin)
    target = origin.parent if spec.submodule_search_locations else origin
    (folder / target.name).symlink_to(target)
    for metadata in target.parent.glob(f"{name}-*.dist-info"):
        (folder / metadata.name).symlink_to(metadata)
