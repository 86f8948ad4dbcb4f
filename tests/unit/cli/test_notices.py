"""A notice about a missing link names the place in fairway.yml where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.cli.render.notices import word_notice
from fairway.define.app import App
from fairway.define.definition import define_text

TEXT = """\
app: shop
components:
  notes: {type: table, partition_key: id}
  reading:
    type: function
    source: src
    handler: api.handler
    runtime: python3.12
    uses: {notes: read}
  idle:
    type: function
    source: src
    handler: idle.handler
    runtime: python3.12
"""


@pytest.fixture
def app() -> App:
    defined = define_text(TEXT, Path("/somewhere"))
    assert defined.app is not None, defined.diagnostics
    return defined.app


def notice(component: str) -> dict[str, object]:
    link = {"component": component, "target": "notes", "access": "read-write"}
    return {"at": 1, "text": "denied", "link": link}


def test_the_place_is_that_of_the_uses(app: App) -> None:
    assert word_notice(app, notice("reading")) == "/somewhere/fairway.yml:9:5: denied"


def test_without_uses_it_is_the_components(app: App) -> None:
    assert word_notice(app, notice("idle")) == "/somewhere/fairway.yml:10:3: denied"


def test_a_component_that_is_gone_has_no_place(app: App) -> None:
    assert word_notice(app, notice("gone")) == "denied"


def test_a_notice_without_a_link_stays_as_it_is(app: App) -> None:
    assert word_notice(app, {"at": 1, "text": "a port moved", "link": None}) == "a port moved"
