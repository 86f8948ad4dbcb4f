"""Plain scalars by the core schema of YAML 1.2: `on` is text, and so is `12:30`.

yaml.org/spec/1.2.2, section 10.3.
"""

from __future__ import annotations

import math
import re

_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INT = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")


def read_scalar(text: str) -> str | int | float | bool | None:
    """The value of plain text: nothing, a truth, a number, or the text itself."""
    if _NULL.match(text):
        return None
    if _BOOL.match(text):
        return text[0] in "tT"
    if _INT.match(text):
        if text[:2] in ("0o", "0x"):
            return int(text, 0)
        return int(text) if len(text) <= 300 else text
    if _FLOAT.match(text) and math.isfinite(number := float(text)):
        return number
    return text
