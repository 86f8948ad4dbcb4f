"""Templates: canonical, stable under edits, with no more permission than the links ask for."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairway.compile import Templates, compile_app
from fairway.compile.components.load_balancer import HIGHEST_PRIORITY, list_rules
from fairway.compile.components.network import split_subnets
from fairway.compile.raw import overlay_plain
from fairway.compile.template import ArtifactKey, StackOutput, StackTemplate, dump_canonical
from fairway.define.definition import define_text
from fairway.define.file import Network
from fairway.define.spec import LoadBalancer
from fairway.errors import InvalidApplication
from fairway.plan.compare import find_references

ROOT = Path("/application")
FILE: dict[str, Any] = {
    "app": "shop",
    "owner": "platform",
    "network": {"cidr": "10.0.0.0/24"},
    "components": {
        "entries": {"type": "table", "partition_key": "id", "sort_key": "at"},
        "api": {
            "type": "function",
            "handler": "app.handler",
            "variables": {"BB": "2x", "AA": "1x"},
            "uses": {"worker": "invoke", "entries": "read"},
        },
        "worker": {"type": "function", "handler": "app.work", "uses": {"entries": "write"}},
        "web": {
            "type": "load-balancer",
            "health_check": "/health",
            "routes": {"GET /": "api", "POST /app": "api", "ANY /work/*": "worker"},
        },
        "http": {"type": "http-api", "routes": {"GET /{id}": "api", "PUT /{id}": "worker"}},
    },
}


def compile_file(file: dict[str, Any], environment: str = "local") -> Templates:
    return compile_app(define_text(json.dumps(file), ROOT, environment).require_app())


def find_stack(templates: Templates, layer: str) -> StackTemplate:
    return next(stack for stack in templates.stacks if stack.layer == layer)


def shuffle(value: Any, draw: st.DrawFn) -> Any:
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        return {key: shuffle(value[key], draw) for key in keys}
    return value


@st.composite
def shuffled_files(draw: st.DrawFn) -> dict[str, Any]:
    shuffled: dict[str, Any] = shuffle(FILE, draw)
    return shuffled


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = compile_file(FILE), compile_file(FILE)
    assert [s.to_json() for s in first.stacks] == [s.to_json() for s in second.stacks]
    assert first.sources == second.sources


@given(shuffled_files())
def test_the_order_of_keys_does_not_matter(file: dict[str, Any]) -> None:
    plain, shuffled = compile_file(FILE), compile_file(file)
    assert {s.name: s.digest for s in plain.stacks} == {s.name: s.digest for s in shuffled.stacks}
    assert plain.sources == shuffled.sources


def test_stacks_come_after_those_they_need() -> None:
    templates = compile_file(FILE)
    assert [s.layer for s in templates.stacks] == ["artifacts", "network", "data", "app"]
    before: set[str] = set()
    for stack in templates.stacks:
        assert stack.needs <= before
        before.add(stack.name)


def test_every_parameter_is_declared_taken_and_given() -> None:
    templates = compile_file(FILE)
    given_outputs = {s.name: set(s.template.get("Outputs", {})) for s in templates.stacks}
    sources = {source.name for source in templates.sources}
    for stack in templates.stacks:
        declared = stack.template.get("Parameters", {}).keys()
        assert declared == stack.parameters.keys()
        assert declared <= find_references(stack.template["Resources"])
        for source in stack.parameters.values():
            if isinstance(source, StackOutput):
                assert source.output in given_outputs[source.stack]
            if isinstance(source, ArtifactKey):
                assert source.source in sources


def test_every_reference_leads_somewhere() -> None:
    for stack in compile_file(FILE).stacks:
        known = stack.resources.keys() | stack.parameters.keys() | {"Bucket", "Table"}
        found = {r for r in find_references(stack.template) if not r.startswith("AWS::")}
        assert found <= known, stack.name


def test_stacks_of_two_environments_share_no_name() -> None:
    file = FILE | {"environments": {"poc": {}}}
    local, poc = compile_file(file), compile_file(file, "poc")
    shared = {s.name for s in local.stacks} & {s.name for s in poc.stacks}
    assert shared == {"fairway-artifacts"}


def read_statements(stack: StackTemplate, role: str) -> list[dict[str, Any]]:
    policies = stack.resources[role]["Properties"]["Policies"]
    statements: list[dict[str, Any]] = policies[0]["PolicyDocument"]["Statement"]
    return statements


@pytest.mark.parametrize(
    ("access", "allowed", "denied"),
    [
        ("read", "dynamodb:GetItem", "dynamodb:PutItem"),
        ("write", "dynamodb:PutItem", "dynamodb:GetItem"),
        ("read-write", "dynamodb:PutItem", "dynamodb:CreateTable"),
    ],
)
def test_a_link_gives_its_own_actions_on_its_own_table(
    access: str, allowed: str, denied: str
) -> None:
    file = json.loads(json.dumps(FILE))
    file["components"]["api"]["uses"] = {"entries": access}
    app = find_stack(compile_file(file), "app")
    tables = [s for s in read_statements(app, "ApiRole") if "dynamodb" in s["Action"][0]]
    assert [s["Resource"] for s in tables] == [{"Ref": "EntriesArn"}]
    assert allowed in tables[0]["Action"]
    assert denied not in tables[0]["Action"]
    variables = app.resources["Api"]["Properties"]["Environment"]["Variables"]
    assert variables == {"AA": "1x", "BB": "2x", "ENTRIES_TABLE": {"Ref": "EntriesName"}}


def test_a_function_without_links_reaches_no_table_and_no_address() -> None:
    file = json.loads(json.dumps(FILE))
    del file["components"]["api"]["uses"]
    app = find_stack(compile_file(file), "app")
    actions = {a for s in read_statements(app, "ApiRole") for a in s["Action"]}
    assert {a.split(":")[0] for a in actions} == {"ec2", "kms", "logs", "sqs"}
    egress = app.resources["ApiSecurityGroup"]["Properties"]["SecurityGroupEgress"]
    assert [rule["CidrIp"] for rule in egress] == ["127.0.0.1/32"]


def test_only_interface_descriptions_are_allowed_on_everything() -> None:
    app = find_stack(compile_file(FILE), "app")
    for role in ("ApiRole", "WorkerRole"):
        broad = [s["Action"] for s in read_statements(app, role) if s["Resource"] == "*"]
        assert broad == [["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]]


METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "ANY"])
PATHS = st.builds(
    "/{}{}".format, st.text("abcd/", max_size=4), st.sampled_from(["", "*", "/*", "?", "/*/x"])
)
ROUTES = st.dictionaries(
    st.builds("{} {}".format, METHODS, PATHS), st.sampled_from(["api", "worker"]), min_size=1,
    max_size=30,
)  # fmt: skip


def read_rules(routes: dict[str, str]) -> dict[str, Any]:
    file = {"app": "a", "components": {
        "api": {"type": "function", "handler": "a.b"},
        "worker": {"type": "function", "handler": "a.c"},
        "web": {"type": "load-balancer", "routes": routes},
    }}  # fmt: skip
    app = find_stack(compile_file(file), "app")
    return {
        logical_id: body["Properties"]
        for logical_id, body in app.resources.items()
        if body["Type"] == "AWS::ElasticLoadBalancingV2::ListenerRule"
    }


def read_priorities(routes: dict[str, str]) -> dict[str, int]:
    return {rule: body["Priority"] for rule, body in read_rules(routes).items()}


def read_route_priorities(routes: dict[str, str]) -> dict[str, int]:
    return {
        body["Conditions"][0]["PathPatternConfig"]["Values"][0]: body["Priority"]
        for body in read_rules(routes).values()
    }


@given(ROUTES)
def test_priorities_are_distinct_in_range_and_in_the_order_of_matching(
    routes: dict[str, str],
) -> None:
    priorities = read_priorities(routes)
    assert len(set(priorities.values())) == len(priorities)
    assert all(1 <= priority <= HIGHEST_PRIORITY for priority in priorities.values())
    balancer = LoadBalancer(type="load-balancer", routes=routes)
    assert len(priorities) == len(list_rules(balancer))


def test_what_is_more_exact_matches_first() -> None:
    balancer = LoadBalancer(
        type="load-balancer",
        routes={
            "ANY /*": "a", "GET /*": "a", "ANY /app": "a", "GET /app": "a", "GET /app/*": "a",
            "GET /app/x/*": "a", "GET /app/?": "a",
        },
    )  # fmt: skip
    paths = [(" ".join(chunk), path) for path, _, chunk in list_rules(balancer)]
    assert paths[:2] == [("GET", "/app"), ("", "/app")]
    assert paths[2] == ("GET", "/app/x/*")
    assert paths[-2:] == [("GET", "/*"), ("", "/*")]


ADDED = [
    f"{method} /{path}"
    for method in ("GET", "DELETE", "ANY")
    for path in ("users", "users/*", "users/?", "orders/*/lines", "static/*", "img-*", "api/v1/*")
]


def test_priorities_do_not_move_when_routes_are_added() -> None:
    routes = {f"{m} /{p}": "api" for m in ("GET", "POST") for p in ("", "a", "b/*", "c/?", "*")}
    before = read_priorities(routes)
    for route in ADDED:
        routes[route] = "worker"
        after = read_priorities(routes)
        # A method more for the same path and target makes another rule of that one.
        assert len(before.keys() - after.keys()) <= 1, route
        assert {r: after[r] for r in before if r in after} == {
            r: before[r] for r in before if r in after
        }, route
        before = after


@given(st.lists(PATHS, min_size=2, max_size=2, unique=True), METHODS, METHODS)
def test_the_longer_prefix_has_the_lower_priority(paths: list[str], one: str, other: str) -> None:
    """Held for each pair of which one begins the other: only those can match one request."""
    shorter, longer = sorted(paths, key=lambda path: len(literal_of(path)))
    if literal_of(shorter) == shorter or literal_of(longer) == literal_of(shorter):
        return
    routes = {f"{one} {shorter}": "api", f"{other} {longer}": "api"}
    priorities = read_route_priorities(routes)
    if literal_of(longer).startswith(literal_of(shorter)):
        assert priorities[longer] < priorities[shorter]


def literal_of(path: str) -> str:
    return path.split("*")[0].split("?")[0]


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.0.0.0/24", "192.168.16.0/20"])
@pytest.mark.parametrize("kind", ["public", "private"])
def test_subnets_do_not_move_when_a_zone_is_added(cidr: str, kind: str) -> None:
    two = split_subnets(Network(cidr=cidr, zones=2), kind)
    three = split_subnets(Network(cidr=cidr, zones=3), kind)
    assert three[:2] == two
    assert len(set(three)) == 3


def test_subnets_do_not_overlap() -> None:
    import ipaddress

    network = Network(cidr="10.0.0.0/20", zones=3)
    names = [*split_subnets(network, "public"), *split_subnets(network, "private")]
    blocks = [ipaddress.IPv4Network(name) for name in names]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(blocks, 2))


def test_raw_resources_are_merged_last_and_key_by_key() -> None:
    file = FILE | {
        "resources": {
            "Api": {"Properties": {"Timeout": 3}},
            "Entries": {"DeletionPolicy": "Delete"},
            "Topic": {"Type": "AWS::SNS::Topic"},
        }
    }
    templates = compile_file(file)
    app, data = find_stack(templates, "app"), find_stack(templates, "data")
    assert app.resources["Api"]["Properties"]["Timeout"] == 3
    assert app.resources["Api"]["Properties"]["Handler"] == "app.handler"
    assert data.resources["Entries"]["DeletionPolicy"] == "Delete"
    assert app.resources["Topic"] == {"Type": "AWS::SNS::Topic"}
    assert app.origins["Topic"].path == ("resources", "Topic")


def test_overlay_plain_replaces_lists_and_leaves_its_input_alone() -> None:
    below = {"a": {"b": [1, 2], "c": 1}}
    assert overlay_plain(below, {"a": {"b": [3]}, "d": 1}) == {"a": {"b": [3], "c": 1}, "d": 1}
    assert below == {"a": {"b": [1, 2], "c": 1}}


def test_a_stack_that_outgrows_cloudformation_is_refused() -> None:
    tables = {f"t{i}": {"type": "table", "partition_key": "id"} for i in range(501)}
    with pytest.raises(InvalidApplication) as caught:
        compile_file({"app": "a", "components": tables})
    assert [d.code for d in caught.value.diagnostics] == ["too-many-resources"]


def test_functions_of_one_source_share_an_archive() -> None:
    assert [source.name for source in compile_file(FILE).sources] == ["src-python312-arm64"]


def test_sources_that_differ_only_in_punctuation_have_archives_of_their_own() -> None:
    functions = {
        name: {"type": "function", "handler": "a.b", "source": source}
        for name, source in {"a": "my-code", "b": "my_code", "c": "my/code"}.items()
    }
    templates = compile_file({"app": "a", "components": functions})
    assert sorted(s.directory for s in templates.sources) == ["my-code", "my/code", "my_code"]
    app = find_stack(templates, "app")
    keys = {app.resources[i]["Properties"]["Code"]["S3Key"]["Ref"] for i in ("A", "B", "C")}
    assert len(keys) == 3


def test_canonical_json_is_compact_and_sorted() -> None:
    assert dump_canonical({"b": [1], "a": {"d": None, "c": "é"}}) == (
        '{"a":{"c":"\\u00e9","d":null},"b":[1]}'
    )
