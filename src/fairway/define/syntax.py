"""The YAML parser's errors in the words of somebody who writes the file."""

from __future__ import annotations

from pathlib import Path

import yaml

from fairway.diagnostics import Diagnostic, Place


def explain_yaml_error(error: yaml.YAMLError, file: Path, text: str) -> Diagnostic:
    """What the parser stumbled over, and where."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        # The reader's own error: a character that YAML does not allow.
        position = getattr(error, "position", 0) or 0
        bad = next((i for i, c in enumerate(text) if not _is_printable(c)), position)
        line = text.count("\n", 0, bad) + 1
        column = bad - (text.rfind("\n", 0, bad) + 1) + 1
        code = f"U+{ord(text[bad]):04X}" if bad < len(text) else "unknown"
        return Diagnostic(
            "control-character",
            f"the file holds a character that YAML does not allow ({code})",
            Place(file, line, column),
            "remove it; is this really a text file?",
        )
    place = Place(file, mark.line + 1, mark.column + 1)
    line_text = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    indent = line_text[: len(line_text) - len(line_text.lstrip())]
    if "\t" in indent or "\\t" in str(getattr(error, "problem", "")):
        tab = line_text.index("\t") + 1 if "\t" in line_text else place.column
        return Diagnostic(
            "tab", "a tab is used to indent", Place(file, place.line, tab), "indent with spaces"
        )
    if "mapping values are not allowed" in str(getattr(error, "problem", "")):
        return _explain_second_value(place, text.splitlines())
    return _explain_syntax(error, file, place)


def _explain_second_value(place: Place, lines: list[str]) -> Diagnostic:
    """A key where there is a value already: its own line's, or that of the line above."""
    line = lines[place.line - 1]
    key = line[: place.column - 1]
    if ": " in key:
        return Diagnostic(
            "yaml-syntax",
            "a second key and colon on one line",
            place,
            "put the value in quotes, or the second key on a line of its own",
        )
    indent = _measure_indent(line)
    shallower = (n for n in range(place.line - 1, 0, -1) if _stands_left(lines[n - 1], indent))
    above = next(shallower, None)
    if above is None:
        return Diagnostic("yaml-syntax", "a key follows text", place, "write `key: value`")
    spaces = _measure_indent(lines[above - 1])
    return Diagnostic(
        "yaml-syntax",
        f"this is indented further than line {above}, which has a value already",
        Place(place.file, place.line, indent + 1),
        f"indent it like line {above}, by {spaces} space{'s' if spaces != 1 else ''}"
        if spaces
        else f"do not indent it, like line {above}",
    )


def _measure_indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _stands_left(line: str, indent: int) -> bool:
    return line.strip()[:1] not in ("", "#") and _measure_indent(line) < indent


def _explain_syntax(error: yaml.YAMLError, file: Path, place: Place) -> Diagnostic:
    """The parser's finding in our words, at the place where it began."""
    problem = str(getattr(error, "problem", "") or error)
    context = str(getattr(error, "context", "") or "")
    mark = getattr(error, "context_mark", None)
    began = Place(file, mark.line + 1, mark.column + 1) if mark else place
    if "quoted scalar" in context and "end of stream" in problem:
        summary, place, hint = "the quote opened here is never closed", began, "close it"
    elif "flow mapping" in context or "flow sequence" in context:
        bracket, end = ("{", "}") if "mapping" in context else ("[", "]")
        summary = f"the {bracket} opened here is not closed, or a comma is missing in it"
        hint = f"look up to line {place.line} for a missing {end} or comma"
        place = began
    elif "could not find expected ':'" in problem:
        summary, place, hint = "a key without a colon", began, "write `key: value`"
    elif "did not find expected key" in problem:
        summary = "this does not line up with the keys above it"
        hint = "indent it like its neighbours"
    else:
        summary = f"this is not valid YAML: {problem}"
        hint = "check the indentation, colons and quotes around this line"
    return Diagnostic("yaml-syntax", summary, place, hint)


def _is_printable(char: str) -> bool:
    """Whether YAML 1.2 allows the character (section 5.1)."""
    if char in "\t\n\r\x85" or " " <= char <= "~":
        return True
    return char >= "\xa0" and char != "\ufeff" and not "\ud800" <= char <= "\udfff"
