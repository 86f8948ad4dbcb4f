"""The ignore file's patterns, as git's page "gitignore" gives them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.bundle import Platform
from fairway.bundle.ignore import Ignore, parse_rule, read_ignore
from fairway.errors import BundleFailed


@pytest.mark.parametrize(
    ("pattern", "covered", "kept"),
    [
        ("*.md", ["a.md", "x/y/a.md"], ["a.mdx", "md"]),
        ("/a.md", ["a.md"], ["x/a.md"]),
        ("docs/*.md", ["docs/a.md"], ["x/docs/a.md", "docs/x/a.md"]),
        ("**/gen", ["gen", "x/gen", "x/y/gen"], ["regen", "gen.py"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb"]),
        ("?.py", ["a.py", "x/b.py"], ["ab.py", "/.py"]),
        ("[a-c].py", ["b.py"], ["d.py"]),
        ("[!a-c].py", ["d.py"], ["b.py"]),
        (r"\#x", ["#x"], ["x"]),
        (r"\!x", ["!x"], ["x"]),
        ("a.b", ["a.b"], ["axb"]),
        ("trailing   ", ["trailing"], ["trailing   "]),
        ("[", ["["], ["x"]),
    ],
)
def test_patterns(pattern: str, covered: list[str], kept: list[str]) -> None:
    rule = parse_rule(pattern)
    assert rule is not None
    ignore = Ignore([rule])
    assert [name for name in covered if not ignore.covers(name, directory=False)] == []
    assert [name for name in kept if ignore.covers(name, directory=False)] == []


@pytest.mark.parametrize("line", ["", "   ", "# words", "/", "!"])
def test_lines_without_a_rule(line: str) -> None:
    assert parse_rule(line) is None


def test_slash_at_the_end_means_directories(tmp_path: Path) -> None:
    (tmp_path / ".fairwayignore").write_text("build/\n")
    ignore = read_ignore(tmp_path, Platform("python", "3.12", "arm64"))
    assert ignore.covers("x/build", directory=True)
    assert not ignore.covers("build", directory=False)


def test_later_rules_win_over_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / ".fairwayignore").write_text("!node_modules\n*.txt\n!keep.txt\n")
    ignore = read_ignore(tmp_path, Platform("python", "3.12", "arm64"))
    assert not ignore.covers("node_modules", directory=True)
    assert ignore.covers("a.txt", directory=False)
    assert not ignore.covers("keep.txt", directory=False)


def test_languages_differ(tmp_path: Path) -> None:
    node = read_ignore(tmp_path, Platform("nodejs", "22", "arm64"))
    assert not node.covers("node_modules", directory=True)
    assert node.covers(".git", directory=True)


def test_bad_ignore_files_are_explained(tmp_path: Path) -> None:
    file = tmp_path / ".fairwayignore"
    file.write_bytes(b"ok\n[z-a]\n")
    with pytest.raises(BundleFailed, match=r"\.fairwayignore:2: '\[z-a\]' is not a pattern"):
        read_ignore(tmp_path, Platform("python", "3.12", "arm64"))
    file.write_bytes(b"\xff\n")
    with pytest.raises(BundleFailed, match="cannot be read"):
        read_ignore(tmp_path, Platform("python", "3.12", "arm64"))
