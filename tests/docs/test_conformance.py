"""docs/conformance.md tells of exactly the cases that tests/parity has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_page_is_that_of_the_cases(root: Path) -> None:
    script = root / "docs" / "conformance.py"
    checked = subprocess.run(
        [sys.executable, str(script), "--check"], cwd=root, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_suite_is_large_and_names_its_pages(root: Path) -> None:
    text = (root / "docs" / "conformance.md").read_text()
    totals = next(line for line in text.splitlines() if line.startswith("| **all** |"))
    assert int(totals.split("|")[-2]) >= 150
    rows = [r for r in text.splitlines() if r.startswith("| ") and r.count("|") == 5]
    assert all(len(row.split("|")[3].strip()) > 2 for row in rows)
