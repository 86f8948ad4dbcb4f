"""What a source asks for, and what is refused before anything is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.bundle.requirements import Requirements, find_requirements
from fairway.errors import BundleFailed

PROJECT = '[project]\nname = "api"\nversion = "1"\ndependencies = [\n  "idna>=3",\n]\n'
LOCK = (
    'version = 1\n[[package]]\nname = "api"\nsource = {virtual = "."}\n'
    '[[package]]\nname = "idna"\nversion = "3.10"\n'
)


def find(folder: Path) -> Requirements:
    found = find_requirements(folder)
    assert found is not None
    return found


def read_list(folder: Path, text: str) -> Requirements:
    (folder / "requirements.txt").write_text(text)
    return find(folder)


def test_order_of_files(tmp_path: Path) -> None:
    assert find_requirements(tmp_path) is None
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    assert find(tmp_path).file.name == "pyproject.toml"
    (tmp_path / "requirements.txt").write_text("six\n")
    assert find(tmp_path).file.name == "requirements.txt"
    (tmp_path / "uv.lock").write_text(LOCK)
    assert find(tmp_path).file.name == "uv.lock"


@pytest.mark.parametrize("text", ["", "# none\n\n", "--index-url https://example.com/simple\n"])
def test_list_that_asks_for_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "requirements.txt").write_text(text)
    assert find_requirements(tmp_path) is None


def test_fingerprint_is_of_what_is_asked_for(tmp_path: Path) -> None:
    first = read_list(tmp_path, "idna==3.10\nsix\n").fingerprint
    assert read_list(tmp_path, "# why\nidna==3.10   # this\n\n six\n").fingerprint == first
    assert read_list(tmp_path, "idna==3.11\nsix\n").fingerprint != first


def test_markers_extras_hashes_and_continued_lines(tmp_path: Path) -> None:
    found = read_list(
        tmp_path,
        "requests[socks]>=2 ; python_version >= '3.11'\nidna==3.10 \\\n    --hash=sha256:00\nsix\n",
    )
    assert [(line.number, line.text) for line in found.lines] == [
        (1, "requests[socks]>=2 ; python_version >= '3.11'"),
        (2, "idna==3.10 --hash=sha256:00"),
        (4, "six"),
    ]
    assert found.find_place("Six") == f"{tmp_path}/requirements.txt:4"
    assert found.find_place("other") is None


def test_included_files_count(tmp_path: Path) -> None:
    (tmp_path / "base.txt").write_text("\nidna\n")
    (tmp_path / "limits.txt").write_text("idna<4\n")
    found = read_list(tmp_path, "-r base.txt\n-c limits.txt\n")
    assert found.find_place("idna") == f"{tmp_path}/base.txt:2"
    (tmp_path / "limits.txt").write_text("idna<3\n")
    assert find(tmp_path).fingerprint != found.fingerprint


def test_local_wheel_is_known_by_its_content(tmp_path: Path) -> None:
    wheel = tmp_path / "own-1-py3-none-any.whl"
    wheel.write_bytes(b"1")
    first = read_list(tmp_path, f"./{wheel.name}\n").fingerprint
    wheel.write_bytes(b"2")
    assert find(tmp_path).fingerprint != first


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-e .\n", "requirements.txt:1: '-e .' installs a local project"),
        ("idna\n--editable=../lib\n", "requirements.txt:2: '--editable=../lib' installs"),
        ("../lib\n", "is a local project"),
        ("lib @ file:///srv/lib\n", "is a local project"),
        ("libs/common\n", "is a local project"),
        ("git+https://example.com/x.git\n", "is a repository"),
        ("x @ git+https://example.com/x.git\n", "is a repository"),
        ("-r gone.txt\n", "gone.txt does not exist"),
        ("-r requirements.txt\n", "includes itself"),
        ("-r https://example.com/r.txt\n", "read from the network"),
        ("./gone-1-py3-none-any.whl\n", "cannot be read: no such file"),
    ],
)
def test_refused_lines(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "requirements.txt").write_text(text)
    with pytest.raises(BundleFailed) as caught:
        find_requirements(tmp_path)
    assert words in caught.value.summary
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[project\n", "is not TOML"),
        ('[project]\nname = "a"\ndynamic = ["dependencies"]\n', "when it is built"),
        ('[project]\nname = "a"\ndependencies = "idna"\n', "not a list of strings"),
        (PROJECT + '[tool.uv.sources]\nidna = {path = "../idna"}\n', "takes idna from a path"),
        (PROJECT.replace("idna>=3", "x @ git+https://e.com/x"), "pyproject.toml:5"),
    ],
)
def test_refused_projects(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(BundleFailed) as caught:
        find_requirements(tmp_path)
    assert words in caught.value.summary
    assert caught.value.hint


def test_project_without_dependencies_asks_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    assert find_requirements(tmp_path) is None


def test_lock_that_is_behind_its_project(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(LOCK)
    with pytest.raises(BundleFailed, match=r"no pyproject\.toml beside it"):
        find_requirements(tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT.replace("idna", "httpx"))
    with pytest.raises(BundleFailed, match=r"pyproject\.toml:5 asks for httpx") as caught:
        find_requirements(tmp_path)
    assert caught.value.hint == "run uv lock"
