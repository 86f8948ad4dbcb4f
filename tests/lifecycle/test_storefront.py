"""The example of services: what it keeps is what was sent, whatever the client calls it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lifecycle.applications import Application, ask

pytestmark = pytest.mark.slow

STOREFRONT = Path(__file__).parents[2] / "examples" / "storefront"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}  # as curl -d says


@pytest.fixture
def storefront(tmp_path: Path) -> Iterator[Application]:
    """The example in a directory of its own, deployed."""
    left_out = shutil.ignore_patterns(".fairway", "__pycache__")
    found = Application(Path(shutil.copytree(STOREFRONT, tmp_path / "storefront", ignore=left_out)))
    found.apply()
    yield found
    found.stop()


@pytest.mark.parametrize("headers", [FORM, {"Content-Type": "application/json"}, {}])
def test_bodies_are_kept_as_they_were_sent(
    storefront: Application, headers: dict[str, str]
) -> None:
    services = storefront.status()["services"]
    products = f"{services['catalog']['urls']['web']}/products"
    assert ask("PUT", f"{products}/1", '{"name": "Ruder, größer"}'.encode(), headers).status == 200
    assert ask("GET", products).json() == [{"id": "1", "name": '{"name": "Ruder, größer"}'}]

    orders = f"{services['orders']['urls']['web']}/customers/ann/orders"
    assert ask("POST", orders, b"a boat", headers).json()["what"] == "a boat"
