"""The price table: what AWS's pricing pages say, and what each figure was checked against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("prices.json")
_NOT_REGIONS = {"page", "unit", "size", "seen"}


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for `size` of a unit.

    source: the pricing page and the date of the figure, or that it has none or was never checked.
    checked: what the figure was compared with; None when nothing could be found.
    """

    dollars: float
    size: int
    unit: str
    source: str
    checked: str | None


@dataclass(frozen=True)
class PriceTable:
    """The prices of one region by name; as_of: the oldest of their ISO dates."""

    region: str
    as_of: str
    prices: Mapping[str, Price]


def load_prices(region: str) -> PriceTable | None:
    """The table of a region, or None when it has no prices of ours."""
    if region not in list_priced_regions():
        return None
    rows = _read_table()["prices"]
    dates = [date for row in rows.values() if (date := _find_date(row, region))]
    prices = {name: _read_price(row, region) for name, row in rows.items()}
    return PriceTable(region, min(dates), prices)


def _read_price(row: Mapping[str, Any], region: str) -> Price:
    content = _read_table()
    page, seen = content["pages"][row["page"]], row["seen"].get(region)
    date = _find_date(row, region) or "undated"
    when = date if seen else f"{date}, not checked"
    checked = content["sources"][seen]["text"] if seen else None
    return Price(row[region], row["size"], row["unit"], f"{page} ({when})", checked)


def _find_date(row: Mapping[str, Any], region: str) -> str | None:
    """The date of a figure; None when what it was checked against has none."""
    content, seen = _read_table(), row["seen"].get(region)
    date: str | None = content["sources"][seen]["date"] if seen else content["unchecked"]
    return date


def list_priced_regions() -> list[str]:
    """Regions that every row has a price for."""
    rows = list(_read_table()["prices"].values())
    first = [name for name in rows[0] if name not in _NOT_REGIONS]
    return [name for name in first if all(name in row for row in rows)]


@cache
def _read_table() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_FILE.read_bytes())
    return content
