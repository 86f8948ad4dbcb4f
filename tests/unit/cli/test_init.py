"""`fairway init`: where its templates come from, and what is said when they are not there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.lifecycle.applications import run_command

import fairway
from fairway.cli.commands.init import TEMPLATES, find_source
from fairway.errors import FairwayError


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_is_in_the_package(template: str) -> None:
    assert find_source(Path(fairway.__file__).parent, template).is_dir()


def test_an_installation_without_templates_is_named_as_the_cause(tmp_path: Path) -> None:
    with pytest.raises(FairwayError) as refused:
        find_source(tmp_path, "notes")
    assert "this installation lacks the template notes" in refused.value.summary
    assert refused.value.hint == "install fairway again; nothing was changed"


def test_a_place_that_cannot_be_written_is_still_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = run_command("init", "notes", str(tmp_path / "file" / "app")).expect(1)
    assert f"{tmp_path}/file/app cannot be written" in refused.err


@pytest.mark.parametrize("name", ["meine Notizen ü", "it's", "$HOME"])
def test_the_next_step_can_be_pasted_into_a_shell(tmp_path: Path, name: str) -> None:
    made = run_command("init", "notes", str(tmp_path / name)).expect()
    enter = made.err.partition("next: ")[2].partition(" && ")[0]
    where = subprocess.run(["sh", "-c", f"{enter} && pwd"], capture_output=True, check=True)
    assert os.fsdecode(where.stdout).rstrip("\n") == str(tmp_path / name)


def test_another_name_than_the_directorys_is_told(tmp_path: Path) -> None:
    made = run_command("init", "notes", str(tmp_path / "meine Notizen ü")).expect()
    assert "the application is named meine-notizen" in made.out
    assert "is named" not in run_command("init", "notes", str(tmp_path / "notes")).expect().out
