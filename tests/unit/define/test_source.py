"""YAML 1.2 text with places: scalars, overlays, what is refused, and no file that hangs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairway.define.source import (
    MAX_BYTES,
    Mapping,
    find_place,
    overlay,
    read_source,
    read_text,
    to_plain,
)

FILE = Path("fairway.yml")


def read(text: str) -> Mapping:
    tree, problems = read_text(text, FILE)
    assert problems == []
    assert tree is not None
    return tree


def find(tree: Mapping, *path: str | int, of_key: bool = False) -> tuple[int, int]:
    place = find_place(tree, path, of_key=of_key)
    return place.line, place.column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("12:30", "12:30"),
        ("2026-11-21", "2026-11-21"),
        ("0777", 777),
        ("0o777", 511),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("9" * 400, "9" * 400),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ('""', ""),
        ("'5'", "5"),
        ('"true"', "true"),
        ("|\n  5\n", "5\n"),
        ("=", "="),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text: str, value: object) -> None:
    plain = to_plain(read(f"key: {text}\n"))
    assert plain == {"key": value}
    assert type(plain["key"]) is type(value)


def test_every_value_and_key_has_its_place() -> None:
    tree = read("a: 1\nb:\n  c: [x, y]\n  d: {e: f}\n")
    assert find(tree, "a") == (1, 4)
    assert find(tree, "a", of_key=True) == (1, 1)
    assert find(tree, "b", "c", 1) == (3, 10)
    assert find(tree, "b", "d", "e") == (4, 10)
    assert find(tree, "b", "d", "e", of_key=True) == (4, 7)


def test_a_container_stands_where_its_key_stands() -> None:
    assert find(read("a: 1\nb:\n  c: 1\n"), "b") == (2, 1)


def test_a_missing_path_stands_at_its_nearest_ancestor() -> None:
    tree = read("a:\n  b: 1\n")
    assert find(tree, "a", "x", "y") == (1, 1)
    assert find(tree, "a", "b", "y") == (2, 3)
    assert find(tree, "nothing") == (1, 1)


def test_overlay_merges_by_key_and_keeps_every_place() -> None:
    below = read("a: {x: 1, y: 2}\nb: [1, 2]\nc: 1\n")
    above = read("\n\na: {y: 3, z: 4}\nb: [5]\nd: 6\n")
    merged = overlay(below, above)
    assert to_plain(merged) == {"a": {"x": 1, "y": 3, "z": 4}, "b": [5], "c": 1, "d": 6}
    assert find(merged, "a", "x") == (1, 8)
    assert find(merged, "a", "y") == (3, 8)
    assert find(merged, "a", "z", of_key=True) == (3, 11)
    assert find(merged, "b", 0) == (4, 5)
    assert find(merged, "d") == (5, 4)
    assert to_plain(below) == {"a": {"x": 1, "y": 2}, "b": [1, 2], "c": 1}


def test_overlay_tells_what_stands_only_above() -> None:
    merged = overlay(read("a: {x: 1}\n"), read("a: {x: 2}\nb: 1\n"))
    assert [key for key, entry in merged.entries.items() if entry.only_above] == ["b"]


def test_aliases_repeat_the_value_and_its_place() -> None:
    tree = read("a: &x {k: 1}\nb: *x\n")
    assert to_plain(tree) == {"a": {"k": 1}, "b": {"k": 1}}
    assert find(tree, "b", "k") == (1, 11)


@pytest.mark.parametrize("levels", [10, 60])
def test_depth_counts_through_aliases(levels: int) -> None:
    ladder = "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, levels))
    tree, problems = read_text(f"a0: &a0 [x]\n{ladder}", FILE)
    assert [p.code for p in problems] == ([] if levels == 10 else ["too-deep"])
    assert (tree is None) == (levels == 60)


def test_the_first_of_two_equal_keys_counts() -> None:
    tree, problems = read_text("a: 1\na: 2\n", FILE)
    assert tree is not None
    assert to_plain(tree) == {"a": 1}
    assert [p.code for p in problems] == ["duplicate-key"]


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    file = tmp_path / "fairway.yml"
    file.write_bytes(b"a: 1 #".ljust(MAX_BYTES, b"."))
    assert read_source(file)[1] == []
    file.write_bytes(b"a: 1 #".ljust(MAX_BYTES + 1, b"."))
    assert [p.code for p in read_source(file)[1]] == ["file-too-large"]


@given(st.binary(max_size=300))
def test_no_bytes_raise(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yml"
    file.write_bytes(raw)
    tree, problems = read_source(file)
    assert tree is not None or problems


WORDS = st.text("ab:-&*!{}[]#'\"|>%@`\\,? \n\t<~0.", max_size=60)


@given(WORDS)
def test_no_text_raises(text: str) -> None:
    tree, problems = read_text(text, FILE)
    assert tree is not None or problems


# JSON writes what lies above this as two escapes, which YAML does not join.
TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abc", min_size=1), JSON, min_size=1))
def test_json_reads_as_itself(value: dict[str, Any]) -> None:
    import json

    tree, problems = read_text(json.dumps(value), FILE)
    assert problems == []
    assert tree is not None
    assert to_plain(tree) == value
