"""Who applies, and from which revision: what a release remembers."""

from __future__ import annotations

import getpass
import socket
import subprocess
from pathlib import Path


def find_actor() -> str:
    """The person or machine that runs the command."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return "unknown"


def find_revision(directory: Path) -> str | None:
    """The commit of the source, marked when there are changes beside it."""
    try:
        found = subprocess.run(
            ["git", "-C", str(directory), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
