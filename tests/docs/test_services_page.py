"""The page on services shows the example's files as they are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "storefront"


def test_the_page_shows_the_example() -> None:
    page = (ROOT / "docs" / "services.md").read_text()
    shown = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    files = ("fairway.yml", "services/orders/fairway.yml")
    assert shown == [(EXAMPLE / file).read_text() for file in files]


def test_its_plan_names_the_line_of_the_example() -> None:
    page = (ROOT / "docs" / "services.md").read_text()
    places = re.findall(r"services/orders/fairway\.yml:(\d+):(\d+)", page)
    assert places
    lines = (EXAMPLE / "services/orders/fairway.yml").read_text().splitlines()
    for line, column in places:
        assert lines[int(line) - 1][int(column) - 1 :].startswith("memory: 128MB")
