"""What one local cloud is: its directory, its region, its account and its credentials."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = "000000000000"
"""The account of every local cloud; no account of AWS has this number."""

_KEY_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """One local cloud. directory: the application's `.fairway` folder."""

    directory: Path
    region: str
    account: str
    access_key: str
    secret_key: str

    @property
    def state(self) -> Path:
        """Everything that outlives the process."""
        return self.directory / "state"


def load_settings(directory: Path, region: str) -> CloudSettings:
    """Read the cloud's identity, or make one at its first start.

    Credentials are random per project and readable by the owner only.
    """
    path = directory / "identity.json"
    try:
        kept = json.loads(path.read_text())
        return CloudSettings(
            directory, region, kept["account"], kept["access_key"], kept["secret_key"]
        )
    except (OSError, ValueError, KeyError):
        import secrets  # at the first start only; the supervisor keeps what it imports in memory

        made = CloudSettings(
            directory, region, ACCOUNT, _make_access_key(secrets.choice), secrets.token_urlsafe(30)
        )
    document = {
        "account": made.account,
        "access_key": made.access_key,
        "secret_key": made.secret_key,
    }
    write_private(path, json.dumps(document))
    return made


def _make_access_key(choose: Callable[[str], str]) -> str:
    """An access key id: 20 characters; never 12 digits, which ministack reads as an account."""
    return "AKIA" + "".join(choose(_KEY_ALPHABET) for _ in range(16))


def write_private(path: Path, text: str) -> None:
    """Replace a file at once; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
