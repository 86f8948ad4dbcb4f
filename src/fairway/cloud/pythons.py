"""Which Python of this machine runs a runtime.

Imports nothing heavy: the command line asks too, so that packages are resolved for
the interpreter that will load them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache

OURS = f"{sys.version_info.major}.{sys.version_info.minor}"


@cache
def find_python(version: str, search_path: str) -> str | None:
    """The program that is exactly this minor version ("3.12"), or None when there is none."""
    if version == OURS:
        return sys.executable
    for folder in search_path.split(os.pathsep):
        program = shutil.which(f"python{version}", path=folder) if folder else None
        if program and _answers_version(program, version):
            return program
    return None


def _answers_version(program: str, version: str) -> bool:
    """Whether a program really is that Python: version managers leave empty shims on the path."""
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run(
            [program, "-sSEc", question],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.stdout.strip() == version
