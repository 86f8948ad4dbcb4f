"""The very bytes: an archive's content has the digest that the artifact is named by."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from fairway.bundle import Artifact, Platform, Source, bundle_sources
from fairway.operate.promote import digest_archive


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    source = tmp_path / "src"
    (source / "below").mkdir(parents=True)
    (source / "app.py").write_text("def handler(event, context): pass\n")
    (source / "below" / "naïve.txt").write_bytes(bytes(range(256)) * 5000)
    script = source / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    platform = Platform("python", "3.12", "arm64")
    (made,) = bundle_sources([Source("api", source, platform)], tmp_path / "cache")
    return made


def test_an_archive_has_the_digest_it_is_named_by(artifact: Artifact) -> None:
    assert digest_archive(artifact.path) == artifact.digest


def test_how_it_is_packed_does_not_matter(artifact: Artifact, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    with (
        zipfile.ZipFile(artifact.path) as old,
        zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for item in reversed(old.infolist()):
            again = zipfile.ZipInfo(item.filename)
            again.external_attr, again.compress_type = item.external_attr, zipfile.ZIP_DEFLATED
            new.writestr(again, old.read(item))
    assert other.read_bytes() != artifact.path.read_bytes()
    assert digest_archive(other) == artifact.digest


@pytest.mark.parametrize("at", [60, -400])
def test_other_bytes_are_found(artifact: Artifact, tmp_path: Path, at: int) -> None:
    body = bytearray(artifact.path.read_bytes())
    body[at] ^= 1
    other = tmp_path / "other.zip"
    other.write_bytes(body)
    assert digest_archive(other) != artifact.digest


def test_what_is_no_archive_has_none(tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    other.write_bytes(b"not a zip")
    assert digest_archive(other).startswith("not readable")
