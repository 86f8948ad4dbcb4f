"""Compiled modules are kept, whatever keeps Python from writing them beside their sources."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import fairway

ASK = """
import json, sys
from pathlib import Path
from fairway.cli.entry import find_cache, keep_compiled_modules

keep_compiled_modules(find_cache(), ["fairway.cli.entry", "engine"])
print(json.dumps([sys.pycache_prefix, sys.dont_write_bytecode]))
"""


def ask(source: Path, cache: Path, **variables: str) -> tuple[str | None, bool]:
    """What a command line decides that finds Fairway in a copy of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(source), **variables}
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True
    )
    prefix, refused = json.loads(done.stdout)
    return prefix, refused


def copy_source(place: Path) -> Path:
    """The few modules that the decision needs, without anything compiled."""
    package = Path(fairway.__file__).parent
    (place / "fairway" / "cli").mkdir(parents=True)
    for name in ("__init__.py", "cli/__init__.py", "cli/entry.py"):
        shutil.copy(package / name, place / "fairway" / name)
    (place / "engine.py").touch()
    return place


def test_python_that_may_not_write_gets_a_folder_of_ours(tmp_path: Path) -> None:
    source, cache = copy_source(tmp_path / "source"), tmp_path / "cache"
    prefix, refused = ask(source, cache, PYTHONDONTWRITEBYTECODE="1")
    assert (prefix, refused) == (str(cache / "fairway" / "bytecode"), False)
    assert not list(source.rglob("*.pyc")), "nothing is written beside the sources"


def test_python_that_may_write_is_left_alone(tmp_path: Path) -> None:
    source = copy_source(tmp_path / "source")
    assert ask(source, tmp_path / "cache") == (None, False)
    assert list(source.rglob("entry.*.pyc")), "it wrote as ever"


def test_what_is_compiled_beside_the_sources_is_used(tmp_path: Path) -> None:
    source, cache = copy_source(tmp_path / "source"), tmp_path / "cache"
    compileall.compile_dir(source, quiet=1)
    assert ask(source, cache, PYTHONDONTWRITEBYTECODE="1") == (None, True)


def test_a_few_compiled_modules_do_not_stand_for_the_rest(tmp_path: Path) -> None:
    source, cache = copy_source(tmp_path / "source"), tmp_path / "cache"
    compileall.compile_dir(source / "fairway", quiet=1)
    prefix, refused = ask(source, cache, PYTHONDONTWRITEBYTECODE="1")
    assert (prefix, refused) == (str(cache / "fairway" / "bytecode"), False)


def test_a_place_that_the_user_named_counts(tmp_path: Path) -> None:
    source, named = copy_source(tmp_path / "source"), str(tmp_path / "named")
    chosen = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": named}
    assert ask(source, tmp_path / "cache", **chosen) == (named, True)


def test_without_a_home_nothing_is_kept_and_nothing_breaks(tmp_path: Path) -> None:
    """As for a number without a name in a container, which has no HOME either."""
    source = copy_source(tmp_path / "source")
    homeless = {"HOME": "~", "XDG_CACHE_HOME": "", "PYTHONDONTWRITEBYTECODE": "1"}
    assert ask(source, tmp_path, **homeless) == (None, True)
    (tmp_path / "fairway.yml").write_text(
        "app: shop\nregion: eu-west-1\nenvironments: {poc: {}}\n"
        "components: {rows: {type: table, partition_key: id}}\n"
    )
    for line in ("--version", "check --fast", "check", "plan -e poc"):
        done = subprocess.run(
            [sys.executable, "-c", "from fairway.cli.entry import main; main()", *line.split()],
            env={"PATH": os.environ["PATH"], "HOME": "~"}, cwd=tmp_path,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert "bug in Fairway" not in done.stderr
        assert done.returncode == (line == "check"), done.stderr
    assert not (tmp_path / "~").exists()
    assert not (tmp_path / ".fairway" / "cache" / "lint.json").exists()
