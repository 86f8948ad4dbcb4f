"""The price table: what AWS's public pricing pages said, on the date that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("prices.json")
_NOT_REGIONS = {"page", "unit", "size"}


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for `size` of a unit; source: the pricing page, and the date it was read."""

    dollars: float
    size: int
    unit: str
    source: str


@dataclass(frozen=True)
class PriceTable:
    """The prices of one region by name; as_of: ISO date."""

    region: str
    as_of: str
    prices: Mapping[str, Price]


def load_prices(region: str) -> PriceTable | None:
    """The table of a region, or None when it has no prices of ours."""
    content = _read_table()
    if region not in list_priced_regions():
        return None
    pages, as_of = content["pages"], content["as_of"]
    prices = {
        name: Price(row[region], row["size"], row["unit"], f"{pages[row['page']]} ({as_of})")
        for name, row in content["prices"].items()
    }
    return PriceTable(region, as_of, prices)


def list_priced_regions() -> list[str]:
    """Regions that every row has a price for."""
    rows = list(_read_table()["prices"].values())
    first = [name for name in rows[0] if name not in _NOT_REGIONS]
    return [name for name in first if all(name in row for row in rows)]


@cache
def _read_table() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_FILE.read_bytes())
    return content
