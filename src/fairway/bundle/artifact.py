"""What bundle takes and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Architecture = Literal["arm64", "x86_64"]


@dataclass(frozen=True, slots=True)
class Platform:
    """Where code will run: a Lambda runtime identifier's language version and processor."""

    language: Literal["python", "nodejs"]
    version: str  # "3.12" for python3.12, "22" for nodejs22.x
    architecture: Architecture


@dataclass(frozen=True, slots=True)
class Source:
    """One directory of code to archive for one platform; several functions may share it.

    name: stable and unique within an application, safe as a file name.
    """

    name: str
    path: Path
    platform: Platform


@dataclass(frozen=True, slots=True)
class Artifact:
    """A finished archive.

    digest: sha256 (hex) over the archive's contents (names, modes, bytes): equal
    contents have equal digests on every machine. size: bytes of the zip file.
    """

    name: str
    digest: str
    path: Path
    size: int

    @property
    def key(self) -> str:
        """The object key in the artifact bucket."""
        return artifact_key(self.digest)


def artifact_key(digest: str) -> str:
    """Where an archive with this content lies in the artifact bucket."""
    return f"artifacts/{digest}.zip"
