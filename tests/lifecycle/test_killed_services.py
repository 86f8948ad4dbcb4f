"""An apply of a root of services, killed at any step, leaves nothing the next does not put right.

Some steps of each kind; with FAIRWAY_EVERY_STEP set, as in .ci/run, all of them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.lifecycle.applications import Application, ask, tell_seconds
from tests.lifecycle.killed_applies import KilledApplies, expect_order

from fairway.apply.store import find_store

pytestmark = pytest.mark.slow

STOREFRONT = Path(__file__).parents[2] / "examples" / "storefront"
SERVICES = ("catalog", "orders")
STRIDE = 1 if os.environ.get("FAIRWAY_EVERY_STEP") else 6
ORDERS = "customers/ann/orders"
PRODUCTS = "services/catalog/src/catalog.py"
ANSWER = '"body": json.dumps(products)'


def list_all(client: Any, operation: str, expression: str) -> Iterator[str]:
    """What an expression finds in all pages of an operation."""
    found: Iterator[str] = client.get_paginator(operation).paginate().search(expression)
    return found


class Storefront(Application):
    """The example, in a directory of its own."""

    def url(self, name: str = "orders") -> str:
        return str(self.status()["services"][name]["urls"]["web"])

    def ask_orders(self, method: str = "GET", body: bytes | None = None) -> Any:
        answer = ask(method, f"{self.url('orders')}/{ORDERS}", body)
        assert answer.status in (200, 201), answer.text
        return answer.json()

    def ask_products(self) -> tuple[Any, str]:
        """All of them, and the edition of the code that tells."""
        answer = ask("GET", f"{self.url('catalog')}/products")
        assert answer.status == 200, answer.text
        return answer.json(), answer.headers.get("edition", "")

    def describe(self) -> dict[str, Any]:
        """What each stack was made of, and its resources."""
        client = self.aws().cloudformation
        found: dict[str, Any] = {}
        for stack in client.describe_stacks()["Stacks"]:
            name = stack["StackName"]
            template = client.get_template(StackName=name)["TemplateBody"]
            resources = client.describe_stack_resources(StackName=name)["StackResources"]
            found[name] = (
                json.dumps(template, sort_keys=True),
                sorted((r["LogicalResourceId"], r["ResourceType"]) for r in resources),
            )
        return found

    def list_strays(self) -> set[str]:
        """Functions, tables, log groups and buckets that are of no stack, as after a creation
        that was begun twice."""
        aws = self.aws()
        owned = {
            resource["PhysicalResourceId"]
            for stack in aws.cloudformation.describe_stacks()["Stacks"]
            for resource in aws.cloudformation.describe_stack_resources(
                StackName=stack["StackName"]
            )["StackResources"]
        }
        there = [
            *list_all(aws.lambda_, "list_functions", "Functions[].FunctionName"),
            *list_all(aws.dynamodb, "list_tables", "TableNames[]"),
            *list_all(aws.logs, "describe_log_groups", "logGroups[].logGroupName"),
            *list_all(aws.s3, "list_buckets", "Buckets[].Name"),
        ]
        return set(there) - owned

    def forget(self) -> None:
        """Everything gone, what all applications share too: the next run meets an empty account."""
        self.fairway("destroy", "--yes").expect()
        self.aws().cloudformation.delete_stack(StackName="fairway-artifacts")

    def expect_order(self) -> None:
        aws = self.aws()
        store = find_store(aws)
        assert store
        for service in SERVICES:
            expect_order(self, aws, store, f"storefront-{service}")
        assert store.list("locks/") == []


@pytest.fixture
def storefront(tmp_path: Path) -> Iterator[Storefront]:
    found = Storefront(tmp_path / "storefront")
    left_out = shutil.ignore_patterns(".fairway", "__pycache__")
    shutil.copytree(STOREFRONT, found.directory, ignore=left_out)
    yield found
    found.stop()


def choose_steps(steps: list[str]) -> range:
    """Those at which it is killed: from the first to the last, or some of them."""
    return range(1, len(steps) + 1, STRIDE)


def test_killed_during_a_first_deployment(storefront: Storefront, tmp_path: Path) -> None:
    storefront.apply()
    sound = storefront.describe()
    with KilledApplies(tmp_path / "errors") as applies:
        storefront.forget()
        steps = applies.list_steps(storefront)
        assert {"CreateChangeSet", "ExecuteChangeSet", "PutObject", "DeleteObject"} <= set(steps)
        for step in choose_steps(steps):
            storefront.forget()
            before = storefront.list_strays()  # tables stay
            assert applies.run(storefront, step) == -signal.SIGKILL, (step, applies.errors)
            storefront.apply()
            storefront.expect_order()
            assert storefront.describe() == sound, (step, steps)
            assert storefront.list_strays() == before, (step, steps)
            ordered = storefront.ask_orders("POST", b"a boat")
            assert storefront.ask_orders() == [ordered]
            assert storefront.ask_products() == ([], "")
    tell_seconds("steps of a first deployment of two services", len(steps))


def edit_memory(storefront: Storefront, number: int) -> None:
    """Both go through their stacks."""
    for service in SERVICES:
        file = f"services/{service}/fairway.yml"
        storefront.replace(f"memory: {127 + number}MB", f"memory: {128 + number}MB", file)


def edit_code_of_one(storefront: Storefront, number: int) -> None:
    """The code of one, which goes past its stack, and the memory of the other."""
    old, new = (f'"headers": {{"edition": "{n}"}}' for n in (number - 1, number))
    storefront.replace(old, new, PRODUCTS)
    old, new = (f"memory: {127 + n}MB" for n in (number, number + 1))
    storefront.replace(old, new, "services/orders/fairway.yml")


def expect_edited(storefront: Storefront, memory: tuple[int, int], edition: int) -> None:
    functions = storefront.aws().lambda_.list_functions()["Functions"]
    sizes = {f["FunctionName"].split("-")[1]: f["MemorySize"] for f in functions}
    assert tuple(sizes[service] for service in SERVICES) == memory
    assert storefront.ask_products()[1] == str(edition)


@pytest.mark.parametrize("edit", [edit_memory, edit_code_of_one])
def test_killed_during_an_update(
    storefront: Storefront, tmp_path: Path, edit: Callable[[Storefront, int], None]
) -> None:
    told = '"headers": {"edition": "0"}, "body"'
    storefront.replace(ANSWER, ANSWER.replace('"body"', told), PRODUCTS)
    storefront.apply()
    order = storefront.ask_orders("POST", b"a boat")
    assert ask("PUT", f"{storefront.url('catalog')}/products/1", b"oar").status == 200
    products, strays = storefront.ask_products()[0], storefront.list_strays()
    both = edit is edit_memory

    def expect_update(number: int) -> None:
        storefront.expect_order()
        memory = 128 + number
        expect_edited(storefront, (memory if both else 128, memory), 0 if both else number)
        assert storefront.ask_orders() == [order]
        assert storefront.ask_products()[0] == products
        assert storefront.list_strays() == strays

    with KilledApplies(tmp_path / "errors") as applies:
        for number in (1, 2):  # the second one finds what the first has left
            edit(storefront, number)
            steps = applies.list_steps(storefront)
            expect_update(number)
        for number, step in enumerate(choose_steps(steps), 3):
            edit(storefront, number)
            assert applies.run(storefront, step) == -signal.SIGKILL, (step, applies.errors)
            storefront.apply()
            expect_update(number)
    tell_seconds(f"steps of an update of two services, {edit.__name__}", len(steps))
