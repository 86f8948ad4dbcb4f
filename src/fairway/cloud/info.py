"""The file that tells other processes where a cloud runs, and whether it still does."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "cloud.json"
LOG = "cloud.log"


@dataclass(frozen=True, slots=True)
class CloudInfo:
    """A running local cloud.

    directory: the application's `.fairway` folder. endpoint: base URL of its AWS
    APIs. pid: of the supervisor. started: its start as the system tells it, so
    that another process with the same pid is recognised. started_at: epoch
    seconds. token: random per start.
    """

    directory: str
    endpoint: str
    region: str
    account: str
    access_key: str
    secret_key: str
    pid: int
    started: str
    started_at: float
    version: str
    token: str


def write_info(info: CloudInfo) -> None:
    """Publish, readable by the owner only, at once."""
    path = Path(info.directory) / FILE
    temporary = path.with_name(f".{FILE}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(info), file, indent=1)
    temporary.replace(path)


def read_info(directory: Path) -> CloudInfo | None:
    """What the file says, whether or not it is still true; None when there is none."""
    try:
        return CloudInfo(**json.loads((directory / FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def remove_info(directory: Path) -> None:
    """Take the file away."""
    (directory / FILE).unlink(missing_ok=True)


def read_start(pid: int) -> str | None:
    """When a process started, in the system's own words; None when it does not run."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _ask_ps(pid)
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _ask_ps(pid: int) -> str | None:
    import subprocess  # where there is no /proc; the supervisor keeps what it imports in memory

    asked = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or None


def is_running(info: CloudInfo) -> bool:
    """Whether the process that wrote the file is still that process."""
    return read_start(info.pid) == info.started
