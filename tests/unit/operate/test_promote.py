"""What is promoted: the released definition, with the very bytes, to where today's file says."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from fairway.bundle import Artifact, Platform, Source, bundle_sources
from fairway.define import define_app
from fairway.define.spec import Function
from fairway.operate.promote import define_target, digest_archive


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


OLD = """app: shop
region: eu-west-1
environments:
  poc: {}
  prod: {account: "111111111111", components: {api: {memory: 512MB}}}
components:
  api: {type: function, source: src, handler: app.handler}
"""
NEW = """app: shop
environments:
  poc: {}
  prod:
    account: "222222222222"
    profile: shop-prod
    role: arn:aws:iam::222222222222:role/deploy
    region: eu-north-1
    approve: true
components:
  api: {type: function, source: src, handler: app.handler, memory: 1GB}
"""


def test_where_it_goes_and_whose_consent_it_needs_is_not_of_the_release(tmp_path: Path) -> None:
    (tmp_path / "fairway.yml").write_text(NEW)
    (tmp_path / "src").mkdir()
    source, there = (define_app(tmp_path, e).require_app() for e in ("poc", "prod"))
    target = define_target(source, OLD, there)
    assert target.of_kind(Function)["api"].memory == 512
    for name in ("region", "account", "profile", "role", "approve", "environment", "name"):
        assert getattr(target, name) == getattr(there, name), name
    assert (target.region, target.approve) == ("eu-north-1", True)
