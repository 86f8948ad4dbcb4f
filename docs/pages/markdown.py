"""The few forms of Markdown that the reference needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def write_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars inside cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |\n" for row in lines)


def write_fence(language: str, text: str) -> str:
    """A fenced block."""
    return f"```{language}\n{text.strip()}\n```\n"


def write_code(words: Iterable[str]) -> str:
    """Words in code style, with commas between."""
    return ", ".join(f"`{word}`" for word in words)
