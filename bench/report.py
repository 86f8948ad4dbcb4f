"""What the benches write: tables for people, JSON for comparing runs."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from install_peers import BENCH, NODE_PEERS, PYTHON_PEERS


def describe_machine() -> dict[str, Any]:
    """Where and when a run took place, and which versions it compared."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "load_before": os.getloadavg(),
        "peers": {"python": PYTHON_PEERS, "node": NODE_PEERS},
    }


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the first one to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = [
            c.ljust(w) if not i else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    sys.stdout.flush()


def write_json(bench: str, result: dict[str, Any], place: Path | None) -> Path:
    """Write the result, by default to bench/results/<bench>.json."""
    path = place or BENCH / "results" / f"{bench}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".tmp")
    partial.write_text(json.dumps(result, indent=1) + "\n")
    partial.replace(path)
    return path


def split_names(known: Sequence[str], text: str | None) -> list[str]:
    """The names of `--only`, in the order of the bench; unknown ones end it."""
    if not text:
        return list(known)
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := sorted(set(wanted) - set(known)):
        raise SystemExit(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    return [name for name in known if name in wanted]


def split_numbers(text: str) -> list[int]:
    """`1,10,100` as numbers above zero."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise SystemExit(f"'{text}' is not a list of numbers above 0, such as 1,10,100")
    return numbers
