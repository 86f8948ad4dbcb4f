"""Which files of a source stay out of its archive: gitignore patterns.

The patterns are those of git's own documentation, "gitignore, pattern format":
later rules win, ``!`` takes a path back in, a trailing ``/`` means directories
only, a ``/`` elsewhere anchors to the root, ``*`` and ``?`` stop at ``/``, ``**``
does not. As with git, what is in an ignored directory cannot be taken back in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fairway.bundle.artifact import Platform
from fairway.errors import BundleFailed

IGNORE_FILE = ".fairwayignore"
ALWAYS_IGNORED = (".git", ".hg", ".svn", ".fairway", IGNORE_FILE, ".DS_Store")
IGNORED_FOR = {
    "python": (
        "__pycache__",
        "*.pyc",
        "*.pyo",
        ".venv",
        "venv",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        "node_modules",
    ),
    "nodejs": (".venv", "/venv", ".npm"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern: `negated` takes back in, `directories` applies to nothing else."""

    pattern: re.Pattern[str]
    negated: bool
    directories: bool


class Ignore:
    """An ordered set of rules; later ones win."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = tuple(reversed(tuple(rules)))

    def covers(self, name: str, *, directory: bool) -> bool:
        """Whether the path (relative to the source, ``/`` between parts) stays out."""
        for rule in self._rules:
            if (directory or not rule.directories) and rule.pattern.fullmatch(name):
                return not rule.negated
        return False


def read_ignore(source: Path, platform: Platform) -> Ignore:
    """Join the built-in rules of a language with the source's own ignore file."""
    builtin = (*ALWAYS_IGNORED, *IGNORED_FOR[platform.language])
    rules = [_join_patterns(builtin)]
    file = source / IGNORE_FILE
    if file.is_file():
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise BundleFailed(
                f"{file} cannot be read: {error}", hint="write it as UTF-8 text, one pattern a line"
            ) from error
        for number, line in enumerate(lines, 1):
            rule = parse_rule(line, f"{file}:{number}")
            if rule is not None:
                rules.append(rule)
    return Ignore(rules)


def parse_rule(line: str, place: str = IGNORE_FILE) -> Rule | None:
    """Read one line of an ignore file; None for comments and blank lines."""
    text = re.sub(r"(?<!\\)\s+$", "", line)
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    text = text[1:] if negated else text
    directories = text.endswith("/")
    text = text.rstrip("/")
    if not text:
        return None
    try:
        pattern = re.compile(translate_pattern(text))
    except re.error as error:
        raise BundleFailed(
            f"{place}: {line!r} is not a pattern: {error}", hint="see gitignore's pattern format"
        ) from error
    return Rule(pattern, negated, directories)


def translate_pattern(text: str) -> str:
    """Turn one gitignore pattern, without ``!`` and the last ``/``, into a regular expression."""
    anchored = "/" in text
    parts = text.lstrip("/").split("/")
    out = "" if anchored else "(?:.*/)?"
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            out += ".+" if last else "(?:.*/)?"
        else:
            out += _translate_part(part) + ("" if last else "/")
    return out


_TOKEN = re.compile(r"\\(?P<escaped>.)|(?P<stars>\*+)|(?P<any>\?)|\[(?P<set>[!^]?\]?[^\]]*)\]|(.)")


def _translate_part(part: str) -> str:
    out = ""
    for token in _TOKEN.finditer(part):
        if token["stars"]:
            out += "[^/]*"
        elif token["any"]:
            out += "[^/]"
        elif token["set"]:
            inside = token["set"].replace("\\", "\\\\").replace("[", "\\[")
            out += "[^" + inside[1:] + "]" if inside[0] in "!^" else f"[{inside}]"
        else:
            out += re.escape(token["escaped"] or token[0])
    return out


def _join_patterns(patterns: Iterable[str]) -> Rule:
    """Make one rule of many: a source is scanned at every run, so one match a file."""
    return Rule(re.compile("|".join(map(translate_pattern, patterns))), False, False)
