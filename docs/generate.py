"""Make docs/reference and the shapes of the commands from the code: `python docs/generate.py`.

`--check` compares only.

Exit code of --check: 1 when a page on disk is not what the code says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from pages import commands, diagnostics, file, links, resources

from fairway.cli.completing import SHAPES, write_shapes
from fairway.cli.main import cli

REFERENCE = Path(__file__).parent / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "file.md": file.make_page,
    "commands.md": commands.make_page,
    "links.md": links.make_page,
    "diagnostics.md": diagnostics.make_page,
    "resources.md": resources.make_page,
}
NOTE = "<!-- Made by docs/generate.py from the code; edit the code, not this page. -->\n\n"


def make_pages() -> dict[Path, str]:
    """Every page's path and text, and what shells complete by."""
    pages = {REFERENCE / name: NOTE + make() for name, make in PAGES.items()}
    return {**pages, SHAPES: write_shapes(cli)}


def find_stale(pages: dict[Path, str]) -> list[Path]:
    """Pages that are missing or different on disk."""
    return [p for p, text in pages.items() if not p.is_file() or p.read_text() != text]


def main(arguments: list[str]) -> int:
    pages = make_pages()
    stale = find_stale(pages)
    if "--check" in arguments:
        for path in stale:
            print(f"{path} is stale; run: python docs/generate.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages[path])
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
