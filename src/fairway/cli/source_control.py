"""Who applies, and from which revision: what a release remembers."""

from __future__ import annotations

import getpass
import socket
import subprocess
from pathlib import Path

from fairway.apply import Provenance
from fairway.define.app import FILE_NAME


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


def find_provenance(directory: Path) -> Provenance:
    """Who applies what is in a directory."""
    try:
        definition = (directory / FILE_NAME).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        definition = ""
    return Provenance(find_actor(), find_revision(directory), definition)
