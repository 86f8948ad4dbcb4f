"""Which Node.js runs a function, and our bootstrap for it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

from fairway.cloud.functions.interpreters import Interpreter

RUNTIME = Path(__file__).parent / "node"
BOOTSTRAP = RUNTIME / "bootstrap.mjs"
_NAMES = ("node20", "node22", "node", "nodejs")


class NodeInterpreters:
    """Finds the installed versions of Node.js on a search path, once."""

    def __init__(self, search_path: str) -> None:
        self._search_path = search_path
        self._found: dict[int, str] | None = None

    async def find_nearest(self, version: str) -> Interpreter | None:
        """Give the wanted major version, or the nearest one (the newer of two), or None."""
        if self._found is None:
            self._found = await asyncio.to_thread(self._search)
        if not self._found:
            return None
        wanted = int(version)
        major = min(self._found, key=lambda found: (abs(found - wanted), -found))
        return Interpreter(self._found[major], str(major), RUNTIME, ours=False, language="nodejs")

    def _search(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for folder in filter(None, self._search_path.split(os.pathsep)):
            for name in _NAMES:
                program = shutil.which(name, path=folder)
                if program and (major := _ask_major(program)) is not None:
                    found.setdefault(major, program)
        return found


def _ask_major(program: str) -> int | None:
    """Ask: version managers leave empty shims on the path."""
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"v(\d+)\.\d+\.\d+", done.stdout)
    return int(match[1]) if match else None
