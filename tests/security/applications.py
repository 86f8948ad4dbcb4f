"""Applications of all kinds and links, generated: files as users could write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

from hypothesis import strategies as st

from fairway.define import App
from fairway.define.definition import define_text
from fairway.define.spec import Runtime

FUNCTIONS = [f"fn-{letter}" for letter in "abcdef"]
TABLES = ["rows", "people", "order-lines"]
METHODS = ["GET", "POST", "PUT", "DELETE", "ANY"]
PATHS = ["/", "/health", "/orders", "/orders/open"]
# AWS deprecated nodejs20.x on 2026-04-30, which cfn-lint warns of.
RUNTIMES = [name for name in get_args(Runtime) if name != "nodejs20.x"]
RETENTION = st.sampled_from(["1d", "90d"])
CERTIFICATE = "arn:aws:acm:eu-west-1:123456789012:certificate/0a1b2c3d"


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """fairway.yml as a mapping: at least one function, and what may be beside it."""
    tables = draw(st.lists(st.sampled_from(TABLES), unique=True))
    functions = draw(st.lists(st.sampled_from(FUNCTIONS), unique=True, min_size=1))
    components: dict[str, Any] = {name: draw(table_specs()) for name in tables}
    for position, name in enumerate(functions):
        # Functions call only those before them: a circle of links is refused.
        components[name] = draw(function_specs(tables, functions[:position]))
    if draw(st.booleans()):
        components["web"] = draw(balancers(functions))
    if draw(st.booleans()):
        components["public"] = draw(apis(functions))
    file: dict[str, Any] = {"app": "shop", "region": "eu-west-1", "components": components}
    file["encryption"] = draw(st.sampled_from(["customer-key", "aws-key"]))
    if draw(st.booleans()):
        file["network"] = draw(
            st.sampled_from([
                {"cidr": "10.0.0.0/24"},
                {"cidr": "10.1.0.0/16", "zones": 3, "flow_logs": "30d"},
                {"existing": {"vpc": "vpc-0a1b2c3d", "private_subnets": ["subnet-0a1b2c3d"],
                              "public_subnets": ["subnet-0b1b2c3d", "subnet-0c1b2c3d"]}},
            ])
        )  # fmt: skip
    return file


@st.composite
def table_specs(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {"type": "table", "partition_key": "id"}
    if draw(st.booleans()):
        spec["sort_key"] = {"name": "at", "type": "number"}
    if draw(st.booleans()):
        spec["indexes"] = {"by-day": {"partition_key": "day"}}
    spec["on_delete"] = draw(st.sampled_from(["keep", "delete"]))
    return spec | draw(maybe(expire=st.just("until")))


def maybe(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the keys."""
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def function_specs(draw: st.DrawFn, tables: list[str], others: list[str]) -> dict[str, Any]:
    spec: dict[str, Any] = {"type": "function", "handler": "app.handler"}
    uses = {name: draw(st.sampled_from(["read", "write", "read-write"])) for name in tables
            if draw(st.booleans())}  # fmt: skip
    uses |= {name: "invoke" for name in others if draw(st.booleans())}
    if uses:
        spec["uses"] = uses
    if draw(st.booleans()):
        spec["concurrency"] = draw(st.integers(0, 100))
    return spec | draw(
        maybe(
            source=st.just("code"),
            runtime=st.sampled_from(RUNTIMES),
            architecture=st.sampled_from(["arm64", "x86_64"]),
            memory=st.sampled_from(["128MB", "10240MB"]),
            timeout=st.sampled_from(["1s", "29s", "15m"]),
            variables=st.just({"MODE": "fast"}),
            logs=RETENTION,
        )
    )


def routes(functions: list[str]) -> st.SearchStrategy[dict[str, str]]:
    keys = [f"{method} {path}" for path in PATHS for method in METHODS]
    target = st.sampled_from(functions)
    return st.dictionaries(st.sampled_from(keys), target, min_size=1, max_size=6)


@st.composite
def balancers(draw: st.DrawFn, functions: list[str]) -> dict[str, Any]:
    spec: dict[str, Any] = {"type": "load-balancer", "routes": draw(routes(functions))}
    if draw(st.booleans()):
        spec |= {"certificate": CERTIFICATE, "redirect_http": draw(st.booleans())}
    return spec | draw(
        maybe(health_check=st.just("/health"), multi_value_headers=st.booleans(), logs=RETENTION)
    )


@st.composite
def apis(draw: st.DrawFn, functions: list[str]) -> dict[str, Any]:
    spec: dict[str, Any] = {"type": "http-api", "routes": draw(routes(functions))}
    some = st.sampled_from(sorted(spec["routes"]))
    auth = st.fixed_dictionaries(
        {"issuer": st.just("https://tenant.example/"), "audience": st.just("shop")},
        optional={
            "scopes": st.just(["shop/read"]),
            "public": st.lists(some, unique=True, max_size=1),
        },
    )
    return spec | draw(
        maybe(
            cors=st.just(["https://shop.example"]),
            payload=st.sampled_from(["1.0", "2.0"]),
            auth=auth,
            logs=RETENTION,
        )
    )


def read(file: dict[str, Any]) -> App:
    """The application of a file; a generated one has no errors that reading could show."""
    return define_text(json.dumps(file), Path("/app")).require_app()
