"""Functions move to stacks of their own by a rule under which nothing that exists moves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairway.compile import Templates, compile_app
from fairway.compile.compilation import MOST_OUTPUTS, MOST_PARAMETERS, MOST_RESOURCES
from fairway.compile.draft import find_deployed, match_stack
from fairway.compile.template import StackOutput
from fairway.define import App
from fairway.define.definition import define_text


def read(components: dict[str, Any], **top: Any) -> App:
    file = {"app": "shop", **top, "components": components}
    return define_text(json.dumps(file), Path("/app"), "local").require_app()


def functions(count: int, **more: Any) -> dict[str, Any]:
    return {f"f{n}": {"type": "function", "handler": "a.b", **more} for n in range(count)}


def fronts(count: int) -> dict[str, Any]:
    """HTTP APIs of 250 routes each."""
    return {
        f"web{start}": {
            "type": "http-api",
            "routes": {f"GET /f{n}": f"f{n}" for n in range(start, min(start + 250, count))},
        }
        for start in range(0, count, 250)
    }


def locate(templates: Templates) -> dict[tuple[str, str], str]:
    """Stack and logical id of each resource, to its JSON."""
    return {
        (stack.name, logical_id): json.dumps(body, sort_keys=True)
        for stack in templates.stacks
        for logical_id, body in stack.resources.items()
    }


def deployed(app: App, templates: Templates) -> dict[str, int]:
    return find_deployed(app, {stack.name: stack.template for stack in templates.stacks})


def check_quotas(templates: Templates) -> None:
    names = [stack.name for stack in templates.stacks]
    for stack in templates.stacks:
        assert len(stack.resources) <= MOST_RESOURCES
        assert len(stack.parameters) <= MOST_PARAMETERS
        assert len(stack.template.get("Outputs", {})) <= MOST_OUTPUTS
        outputs = {
            name: t.template.get("Outputs", {})
            for name, t in zip(names, templates.stacks, strict=True)
        }
        for source in stack.parameters.values():
            if isinstance(source, StackOutput):
                assert names.index(source.stack) < names.index(stack.name)
                assert source.output in outputs[source.stack]


@pytest.mark.parametrize("count", [100, 400, 1000])
def test_many_functions_are_spread_within_the_quotas(count: int) -> None:
    app = read({**functions(count, uses={"rows": "read"}), **fronts(count),
                "rows": {"type": "table", "partition_key": "id"}})  # fmt: skip
    templates = compile_app(app)
    check_quotas(templates)
    held = [i for s in templates.stacks for i, r in s.resources.items()
            if r["Type"] == "AWS::Lambda::Function"]  # fmt: skip
    assert len(held) == len(set(held)) == count
    assert len(deployed(app, templates)) == count


def test_an_application_that_fits_has_one_stack_and_names_of_cloudformation() -> None:
    templates = compile_app(read({**functions(100), **fronts(100)}))
    assert [s.name for s in templates.stacks][1:] == ["shop-local-data", "shop-local-app"]
    assert "FunctionName" not in templates.stacks[-1].resources["F0"]["Properties"]


@pytest.mark.parametrize("before", [120, 133, 134, 150, 300])
@pytest.mark.parametrize("first", [True, False])
def test_a_new_function_moves_nothing_that_exists(before: int, first: bool) -> None:
    old = read({**functions(before), **fronts(before)})
    there = compile_app(old)
    new = {"new": {"type": "function", "handler": "a.b"}}
    grown = {**new, **functions(before)} if first else {**functions(before), **new}
    app = read({**grown, **fronts(before)})
    after = compile_app(app, deployed(old, there))
    kept = locate(there)
    assert {key: locate(after)[key] for key in kept} == kept
    added = {logical_id for _, logical_id in locate(after).keys() - kept.keys()}
    assert {"New", "NewRole", "NewLogs"} <= added


def test_functions_of_several_stacks_may_call_each_other_both_ways() -> None:
    components = functions(400)
    components["f0"]["uses"] = {"f399": "invoke"}
    components["f399"]["uses"] = {"f0": "invoke", "f200": "invoke"}
    components["f200"]["uses"] = {"f399": "invoke"}
    templates = compile_app(read(components))
    check_quotas(templates)
    homes = {i: s for s in templates.stacks for i in s.resources}
    assert homes["F0"] is not homes["F399"] is not homes["F200"]
    policy = json.dumps(homes["F200Role"].resources["F200Role"])
    assert "function:shop-local-f399" in policy
    assert homes["F399"].resources["F399"]["Properties"]["FunctionName"] == "shop-local-f399"
    assert homes["F399"].parameters["F0Arn"] == StackOutput("shop-local-app", "F0Arn")


def test_what_leads_to_a_function_moves_with_it() -> None:
    routes = {f"GET /{n}": f"f{n}" for n in range(90)}
    balancer = {"web": {"type": "load-balancer", "routes": routes}}
    templates = compile_app(read({**functions(90), **balancer}, network={"cidr": "10.0.0.0/24"}))
    check_quotas(templates)
    home = next(s for s in templates.stacks if "F89" in s.resources)
    assert home.name == "shop-local-app-2"
    own = {"F89", "F89Role", "F89SecurityGroup", "WebF89Permission", "WebF89Targets", "WebToF89"}
    assert {*own, "WebToF89Out"} <= home.resources.keys()
    rules = [r for r in home.resources.values() if r["Type"].endswith("ListenerRule")]
    assert {json.dumps(r["Properties"]["ListenerArn"]) for r in rules} == {
        '{"Ref": "WebListenerArn"}'
    }


def test_long_names_stay_within_lambdas_limit_and_apart() -> None:
    stem = "a-name-of-40-characters-"
    components = {f"{stem}{n}": {"type": "function", "handler": "a.b"} for n in range(300)}
    file = {"app": "an-app-with-a-long-name-as-well", "environments": {"production-one": {}}}
    text = json.dumps({**file, "components": components})
    app = define_text(text, Path("/app"), "production-one").require_app()
    names = [
        body["Properties"]["FunctionName"]
        for stack in compile_app(app).stacks
        for body in stack.resources.values()
        if body["Type"] == "AWS::Lambda::Function" and "FunctionName" in body["Properties"]
    ]
    assert len(set(names)) == len(names) > 100
    assert max(map(len, names)) <= 64
    assert any(len(name) == 64 for name in names)


def test_stacks_are_known_by_their_names() -> None:
    app = read(functions(1))
    assert match_stack(app, "shop-local-app") == ("app", 1)
    assert match_stack(app, "shop-local-data-12") == ("data", 12)
    for other in ("shop-local-app-1", "shop-local-app-02", "shop-local-app-x", "shop-local-web",
                  "shop-local-app-2-app", "shop-app", "my-shop-local-app"):  # fmt: skip
        assert match_stack(app, other) is None, other
