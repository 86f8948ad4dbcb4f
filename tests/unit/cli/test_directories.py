"""Where fairway.yml is found: here, or above, and not beyond what belongs together."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.lifecycle.applications import FAIRWAY

from fairway.cli.directories import find_directory
from fairway.cli.main import VERBS, cli

APP = "app: small\ncomponents: {rows: {type: table, partition_key: id}}\n"
WITHOUT_ONE = {"init", "completion", "schema", "approve"}


def make(root: Path, *paths: str) -> Path:
    """Files, and folders where the name ends so; the last one is given."""
    made = root
    for name in paths:
        made = root / name
        (made if name.endswith("/") else made.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            made.write_text(APP)
    return made


def find(here: Path) -> Path:
    return Path(os.path.normpath(find_directory(here)))


def test_the_nearest_above_is_found(tmp_path: Path) -> None:
    here = make(tmp_path, "fairway.yml", "services/a/fairway.yml", "services/a/src/deep/")
    assert find(here) == tmp_path / "services/a"
    assert find(tmp_path / "services/a") == tmp_path / "services/a"
    assert find(tmp_path / "services") == tmp_path
    assert find_directory(Path()) == Path()


@pytest.mark.parametrize("top", ["mine/.git/", "mine/.git"])
def test_a_repository_is_not_left(tmp_path: Path, top: str) -> None:
    make(tmp_path, "fairway.yml", top)
    here = make(tmp_path, "mine/src/")
    assert find_directory(here) == here
    make(tmp_path, "mine/fairway.yml")
    assert find(here) == tmp_path / "mine"


def test_a_file_of_another_user_is_not_followed(tmp_path: Path) -> None:
    here = make(tmp_path, "fairway.yml", "src/")
    stranger = os.getuid() + 1

    def tell_owner(path: Path) -> int:
        return stranger if path.name == "fairway.yml" else os.getuid()

    assert find_directory(here, tell_owner) == here
    assert find_directory(here, lambda _: stranger) != here  # who works there made it


def run_in(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(FAIRWAY), *arguments], cwd=here, capture_output=True, text=True, check=False
    )


def test_commands_find_it_from_below_and_say_where(tmp_path: Path) -> None:
    here = make(tmp_path, "fairway.yml", "src/")
    assert json.loads(run_in(here, "compile").stdout)
    (tmp_path / "fairway.yml").write_text(APP.replace("table", "tabel"))
    told = run_in(here, "check", "--fast")
    assert told.returncode == 1
    assert told.stdout.startswith("../fairway.yml:2:27: error: ")


def test_a_directory_that_is_gone_is_no_bug(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    told = subprocess.run(
        ["sh", "-c", f"cd gone && rmdir ../gone && {FAIRWAY} check --fast"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (told.returncode, "no-file" in told.stdout) == (1, True), told


def test_a_directory_that_is_named_is_taken_as_it_is(tmp_path: Path) -> None:
    here = make(tmp_path, "fairway.yml", "src/")
    assert "no-file" in run_in(tmp_path, "check", "--fast", "-C", str(here)).stdout


def test_names_are_completed_from_below(tmp_path: Path) -> None:
    here = make(tmp_path, "fairway.yml", "src/")
    (tmp_path / "fairway.yml").write_text(f"{APP}environments: {{poc: {{}}}}\n")
    asked = {
        "_FAIRWAY_COMPLETE": "bash_complete",
        "COMP_WORDS": "fairway plan -e ",
        "COMP_CWORD": "3",
    }
    told = subprocess.run(
        [str(FAIRWAY)], cwd=here, env={**os.environ, **asked}, capture_output=True, text=True
    )
    assert told.stdout.split() == ["plain,local", "plain,poc"]


def test_every_command_about_an_application_looks_so() -> None:
    parent = cli.make_context("fairway", ["check"])
    for verb in {*VERBS} - WITHOUT_ONE:
        command = cli.get_command(parent, verb)
        assert command is not None
        (option,) = (p for p in command.params if p.name == "directory")
        assert option.callback is not None, verb
