"""fairway.yml as one environment sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairway.define.definition import Definition, define_text, list_environments, nearest
from fairway.define.spec import Function, KeyAttribute, Table
from fairway.errors import InvalidApplication

ROOT = Path("/application")
TEXT = """\
app: shop
owner: platform
environments:
  prod:
    account: "123456789012"
    region: eu-central-1
    components:
      api: {memory: 1GB, variables: {LEVEL: debug}}
      extra: {type: table, partition_key: id}
    network: {zones: 3}
  local: {components: {api: {timeout: 1m}}}
network: {cidr: 10.1.0.0/16}
components:
  api: {type: function, handler: app.handler, variables: {LEVEL: info, MODE: fast}}
"""


def define(text: str, environment: str = "local") -> Definition:
    return define_text(text, ROOT, environment)


def codes(text: str, environment: str = "local") -> list[str]:
    return [d.code for d in define(text, environment).diagnostics]


def test_an_environment_overlays_components_and_network() -> None:
    app = define(TEXT, "prod").require_app()
    api = app.components["api"]
    assert isinstance(api, Function)
    assert (api.memory, api.timeout) == (1024, 10)
    assert api.variables == {"LEVEL": "debug", "MODE": "fast"}
    assert app.network is not None
    assert (app.network.cidr, app.network.zones) == ("10.1.0.0/16", 3)
    assert (app.region, app.account, app.prefix) == ("eu-central-1", "123456789012", "shop-prod")
    assert list(app.components) == ["api", "extra"]


def test_local_exists_always_and_may_be_overlaid() -> None:
    app = define(TEXT).require_app()
    api = app.components["api"]
    assert isinstance(api, Function)
    assert (api.memory, api.timeout) == (256, 60)
    assert (app.region, app.account) == ("us-east-1", None)


def test_places_lie_in_the_overlay_or_below_it() -> None:
    app = define(TEXT, "prod").require_app()
    places = [
        app.place("components", "api", "memory"),
        app.place("components", "api", "handler"),
        app.place("components", "api", "variables", "LEVEL"),
        app.place("network", "zones"),
    ]
    assert [(p.line, p.column) for p in places] == [(8, 21), (14, 34), (8, 45), (10, 22)]


def test_values_are_typed() -> None:
    text = "app: a\ncomponents:\n  t: {type: table, partition_key: {name: n, type: number}}\n"
    table = define(text).require_app().components["t"]
    assert isinstance(table, Table)
    assert table.partition_key == KeyAttribute(name="n", type="number")
    assert table.sort_key is None


def test_a_broken_component_is_checked_as_far_as_it_can_be_read() -> None:
    text = "app: a\ncomponents:\n  f: {type: function, handler: app.h, memory: 1, uses: {t: x}}\n"
    definition = define(text)
    assert [d.code for d in definition.diagnostics] == ["bad-size"]
    assert definition.app is not None
    found = definition.app.components["f"]
    assert isinstance(found, Function)
    assert found.uses == {"t": "x"}
    with pytest.raises(InvalidApplication):
        definition.require_app()


@pytest.mark.parametrize("key", ["handler: 5", "handler: app.h, source: 5"])
def test_what_would_be_judged_by_a_default_is_broken(key: str) -> None:
    definition = define(f"app: a\ncomponents:\n  f: {{type: function, {key}}}\n")
    assert definition.app is not None
    assert definition.app.broken == {"f"}


def test_a_problem_is_told_once() -> None:
    assert codes("app: a\nnetwork: {cidr: x}\ncomponents: {t: {type: table}}\n") == [
        "bad-cidr",
        "missing-key",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("app: shop", "app: Shop"),
        ("app: shop", "app: shop\napp: store"),
        ("app: shop", "app: shop\nregion: nowhere"),
        ("eu-central-1", "nowhere"),
        ('"123456789012"', "123456789012"),
        ("  prod:", "  production:"),
        ("owner:", "regoin:"),
        ("account:", "acount:"),
    ],
)
def test_nothing_is_looked_for_in_the_wrong_place(old: str, new: str) -> None:
    text = TEXT.replace(old, new)
    with pytest.raises(InvalidApplication):
        define(text, "prod").find_app()


@pytest.mark.parametrize(
    ("old", "new"),
    [("type: function", "type: functoin"), ("10.1.0.0/16", "x"), ("zones: 3", "zones: 9")],
)
def test_a_broken_application_can_still_be_looked_at(old: str, new: str) -> None:
    definition = define(TEXT.replace(old, new), "prod")
    assert definition.find_app().prefix == "shop-prod"
    with pytest.raises(InvalidApplication):
        definition.require_app()


def test_environments_are_listed_local_first(tmp_path: Path) -> None:
    (tmp_path / "fairway.yml").write_text(TEXT)
    assert list_environments(tmp_path) == ["local", "prod"]
    assert list_environments(tmp_path / "nowhere") == []


def test_nearest_offers_only_what_is_near() -> None:
    assert nearest("memroy", ["memory", "timeout"]) == "memory"
    assert nearest("colour", ["memory", "timeout"]) is None


KEYS = st.sampled_from(
    ["app", "components", "environments", "network", "resources", "api", "type", "handler", "uses",
     "routes", "partition_key", "name", "indexes", "local", "cidr", "existing", "memory", "GET /"]
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False)
    | st.sampled_from(["function", "table", "http-api", "load-balancer", "app.handler", "", "1GB"])
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, VALUES, min_size=1))
def test_nothing_that_is_yaml_raises(value: dict[str, Any]) -> None:
    import json

    definition = define(json.dumps(value))
    for diagnostic in definition.diagnostics:
        assert diagnostic.hint, diagnostic
        assert diagnostic.place is not None
