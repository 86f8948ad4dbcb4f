"""Real packages, resolved by the real uv from the index that this machine is configured for."""

from __future__ import annotations

import os
import struct
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from uv import find_uv_bin

from fairway.bundle import Architecture, Platform, Source, bundle_sources
from fairway.bundle.resolve import Finished, run_uv
from fairway.errors import BundleFailed

pytestmark = pytest.mark.slow
ELF_MACHINE = {"arm64": 183, "x86_64": 62}  # EM_AARCH64, EM_X86_64


def make_source(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "handler.py").write_text("import idna\n")
    (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize("architecture", ["arm64", "x86_64"])
@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_native_code_is_for_the_target(
    tmp_path: Path, architecture: Architecture, version: str
) -> None:
    source = make_source(tmp_path / "src", "requirements.txt", "idna\npydantic-core\n")
    wanted = [Source("api", source, Platform("python", version, architecture))]
    (artifact,) = bundle_sources(wanted, tmp_path / "cache")
    with zipfile.ZipFile(artifact.path) as archive:
        (library,) = [name for name in archive.namelist() if name.endswith(".so")]
        assert f"cpython-{version.replace('.', '')}-" in library
        machine = struct.unpack_from("<H", archive.read(library), 18)[0]
        assert "bin/idna" not in archive.namelist()
    assert machine == ELF_MACHINE[architecture]
    (again,) = bundle_sources(wanted, tmp_path / "other")
    assert again.path.read_bytes() == artifact.path.read_bytes()


def test_package_without_a_wheel_is_named(tmp_path: Path) -> None:
    source = make_source(tmp_path / "src", "requirements.txt", "idna\ndocopt==0.6.2\n")
    with pytest.raises(BundleFailed) as caught:
        bundle_sources(
            [Source("api", source, Platform("python", "3.12", "arm64"))], tmp_path / "cache"
        )
    assert caught.value.summary == (
        f"{source}/requirements.txt:2: docopt has no wheel for Python 3.12 on Linux arm64"
    )


def test_locked_project_and_project_alone(tmp_path: Path) -> None:
    text = (
        '[project]\nname = "api"\nversion = "1"\n'
        'requires-python = ">=3.11"\ndependencies = ["idna"]\n'
    )
    source = make_source(tmp_path / "src", "pyproject.toml", text)
    wanted = [Source("api", source, Platform("python", "3.12", "arm64"))]
    for _ in ("project", "lock"):
        (artifact,) = bundle_sources(wanted, tmp_path / "cache")
        with zipfile.ZipFile(artifact.path) as archive:
            assert "idna/core.py" in archive.namelist()
        assert run_uv(["lock"], source).code == 0


def run_without_retries(arguments: Sequence[str], directory: Path) -> Finished:
    done = subprocess.run(
        [find_uv_bin(), *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        env={**os.environ, "UV_HTTP_RETRIES": "0"},
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def test_network_failure_is_one_sentence(tmp_path: Path) -> None:
    text = "--index-url http://me:secret@127.0.0.1:9/simple\nfairway-has-no-such-package\n"
    source = make_source(tmp_path / "src", "requirements.txt", text)
    with pytest.raises(BundleFailed) as caught:
        bundle_sources(
            [Source("api", source, Platform("python", "3.12", "arm64"))],
            tmp_path / "cache",
            run=run_without_retries,
        )
    assert "could not be downloaded: connection refused" in caught.value.summary
    assert "secret" not in f"{caught.value.summary}{caught.value.detail}"
