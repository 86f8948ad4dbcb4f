"""What a JavaScript file exports, read from its text: enough to catch a wrong name early."""

from __future__ import annotations

import re
from pathlib import Path

ENDINGS = (".js", ".mjs", ".cjs")
"""In the order in which Lambda looks for them."""

_NAME = r"[A-Za-z_$][\w$]*"
_DECLARED = re.compile(
    rf"\bexport\s+(?:async\s+)?(?:const|let|var|class|function)\b\s*\*?\s*({_NAME})"
)
_LISTED = re.compile(r"\bexport\s*\{([^}]*)\}")
_ASSIGNED = re.compile(rf"\bexports(?:\.({_NAME})|\[['\"]({_NAME})['\"]\])\s*=(?!=)")
_DEFINED = re.compile(rf"\bdefineProperty\(\s*(?:module\.)?exports\s*,\s*['\"]({_NAME})['\"]")
_OBJECT = re.compile(r"\bmodule\.exports\s*=\s*\{([^{}]*)\}")
_HIDING = re.compile(r"\bexport\s*(?:\*|default\b)|\bmodule\.exports\s*=|\b__export\w*\(")
_EXPORTS = re.compile(r"\bexports\b")


def list_exports(text: str) -> set[str]:
    """The names that a file exports; "*" among them when it may export more than is seen."""
    names = set(_DECLARED.findall(text))
    for listed in _LISTED.findall(text):
        names |= {part.split()[-1] for part in listed.split(",") if part.split()}
    assigned = [first or second for first, second in _ASSIGNED.findall(text)]
    names |= set(assigned) | set(_DEFINED.findall(text))
    plain = _OBJECT.findall(text)
    for body in plain:
        names |= set(re.findall(rf"(?:^|[,\n])\s*({_NAME})\s*(?=[,:(]|$)", body))
    hidden = len(_HIDING.findall(text)) > len(plain)
    known = len(assigned) + len(plain) + len(_DEFINED.findall(text))
    if hidden or len(_EXPORTS.findall(text)) > known or any("..." in body for body in plain):
        names.add("*")
    return names


def find_file(source: Path, relative: str) -> Path | None:
    """The file of a handler below its source directory."""
    candidates = (source / f"{relative}{ending}" for ending in ENDINGS)
    return next((file for file in candidates if file.is_file()), None)


def list_files(source: Path) -> list[str]:
    """The handlers' files that there are, without their endings."""
    return sorted(
        str(file.relative_to(source).with_suffix(""))
        for ending in ENDINGS
        for file in source.rglob(f"*{ending}")
        if "node_modules" not in file.parts
    )
