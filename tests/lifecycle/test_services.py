"""A root of services on one local cloud: one that is edited is deployed, the others untouched."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.lifecycle.applications import Application, Outcome, ask, run_command, running, wait_until
from tests.lifecycle.small import REFUSED
from tests.unit.workspaces import write_root

from fairway.apply.lock import Holder, Lock
from fairway.apply.store import find_store

pytestmark = pytest.mark.slow

NAMES = ["billing", "catalog", "mail", "orders", "search", "users"]


class Shop(Application):
    """The root, with its services."""

    def service(self, name: str) -> Application:
        return Application(self.directory / "services" / name)

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = self.fairway("status", "--json").expect().json()["services"]
        return found

    def read(self, name: str, method: str = "GET") -> str:
        answer = ask(method, f"{self.told()[name]['urls']['web']}/")
        assert answer.status == 200, answer.text
        return answer.text

    def count_events(self) -> dict[str, int]:
        """How many events each stack has."""
        aws = self.aws()
        stacks = aws.cloudformation.describe_stacks()["Stacks"]
        return {
            stack["StackName"]: len(
                aws.cloudformation.describe_stack_events(StackName=stack["StackName"])[
                    "StackEvents"
                ]
            )
            for stack in stacks
        }

    def list_objects(self) -> set[str]:
        """The keys of locks, releases, templates and archives."""
        aws = self.aws()
        outputs = aws.cloudformation.describe_stacks(StackName="fairway-artifacts")["Stacks"][0]
        bucket = {o["OutputKey"]: o["OutputValue"] for o in outputs["Outputs"]}["BucketName"]
        pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def read_code(self) -> dict[str, str]:
        """What code each function runs."""
        pages = self.aws().lambda_.get_paginator("list_functions").paginate()
        return {f["FunctionName"]: f["CodeSha256"] for page in pages for f in page["Functions"]}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    found = Shop(write_root(tmp_path_factory.mktemp("life") / "shop", NAMES))
    found.apply()
    yield found
    found.stop()


def find_moved(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def test_all_are_there_and_apart(shop: Shop) -> None:
    assert set(shop.told()) == set(NAMES)
    shop.read("orders", "POST")
    assert shop.read("orders") == "first of orders 1"
    assert shop.read("users") == "first of users 0"
    assert "nothing to change" in shop.apply().out
    assert not (shop.directory / "services" / "orders" / ".fairway").exists()


def test_one_edited_is_the_one_deployed(shop: Shop) -> None:
    events, objects, code = shop.count_events(), shop.list_objects(), shop.read_code()
    shop.service("mail").replace("128MB", "192MB")
    done = shop.apply()
    assert "1 of 6 services changes" in done.out
    assert "5 services: no change (billing, catalog, orders, search, users)" in done.out
    assert find_moved(events, shop.count_events()) == {"shop-mail-local-app"}
    new = {key for key in shop.list_objects() - objects if not key.startswith("templates/")}
    assert new
    assert all(key.startswith(("releases/shop-mail/local/", "definitions/")) for key in new), new
    assert shop.read_code() == code


def test_code_alone_reaches_one_function(shop: Shop) -> None:
    events, code = shop.count_events(), shop.read_code()
    shop.service("search").replace("first", "second", "src/app.py")
    shop.apply()
    assert find_moved(events, shop.count_events()) == set()
    (moved,) = find_moved(code, shop.read_code())
    assert moved.startswith("shop-search-local-app-")
    assert shop.read("search") == "second of search 0"
    assert shop.read("mail") == "first of mail 0"


def test_its_folder_says_the_same(shop: Shop) -> None:
    """The same stacks, and nothing to change, from the service's folder or by its name."""
    folder = shop.service("mail")
    assert "nothing to change" in folder.apply().out
    assert folder.status()["stacks"] == shop.told()["mail"]["stacks"]
    named = shop.fairway("status", "--service", "mail", "--json").expect().json()
    assert named["stacks"] == folder.status()["stacks"]
    folder.replace("192MB", "256MB")
    events = shop.count_events()
    folder.apply()
    assert find_moved(events, shop.count_events()) == {"shop-mail-local-app"}
    assert "nothing to change" in shop.fairway("plan").expect().out


def test_a_failure_stops_the_rest_and_the_next_goes_on(shop: Shop) -> None:
    for name in NAMES:
        shop.service(name).replace("memory: ", "timeout: 11s, memory: ")
    file = shop.service("billing").file
    sound = file.read_text()
    shop.service("billing").add(REFUSED)
    failed = shop.fairway("apply", "--yes", "--json").expect(1)
    assert "error: billing: Extra (" in failed.err
    assert "does not exist" in failed.err
    applied = set(list_named(failed, "applied, and staying: "))
    not_begun = set(list_named(failed, "not begun: "))
    assert applied | not_begun == set(NAMES) - {"billing"}
    assert applied, "those beside it came to their end"
    document = json.loads(failed.out)
    assert document["error"]["code"] == "deployment-failed"
    assert document["error"]["summary"].startswith("billing: Extra (")
    told = document["services"]
    assert {name for name in NAMES if told[name]["changed"]} == applied

    file.write_text(sound)
    done = shop.apply()
    assert f"{len(not_begun) + 1} of 6 services change" in done.out.replace("changes", "change")
    assert "nothing to change" in shop.fairway("plan").expect().out


def list_named(outcome: Outcome, start: str) -> list[str]:
    lines = [line.strip() for line in outcome.err.splitlines()]
    found = [line.removeprefix(start) for line in lines if line.startswith(start)]
    return found[0].split(", ") if found else []


def test_history_and_logs_of_all(shop: Shop) -> None:
    told = shop.fairway("history", "--json").expect().json()["services"]
    assert len(told["mail"]["releases"]) > len(told["users"]["releases"])
    lines = shop.fairway("history", "--limit", "3").expect().out.splitlines()
    assert lines[0] == "releases of shop in local"
    assert lines[-1].strip().startswith("and ")
    shop.read("catalog")

    def is_logged() -> bool:
        out = shop.fairway("logs", "catalog/api", "--json").expect().out
        return any(json.loads(line)["component"] == "catalog/api" for line in out.splitlines())

    wait_until(is_logged, "a line of catalog/api")


def test_saved_plans_and_rollback_are_of_one(shop: Shop, tmp_path: Path) -> None:
    shop.service("users").replace("first", "third", "src/app.py")
    file = tmp_path / "plan.json"
    shop.fairway("plan", "--service", "users", "--save", str(file)).expect()
    arguments = ("apply", str(file), "-C", str(shop.directory), "--yes")
    assert "one at a time" in run_command(*arguments).expect(1).err
    run_command(*arguments, "--service", "users").expect()
    assert shop.read("users").startswith("third")
    shop.fairway("rollback", "--service", "users", "--yes").expect()
    assert shop.read("users").startswith("first")
    shop.service("users").replace("third", "first", "src/app.py")


def test_a_held_lock_is_broken_by_the_name_of_its_service(shop: Shop) -> None:
    store = find_store(shop.aws())
    assert store
    holder = Holder("ann@desk", "desk", "another", 77, "5")
    since = "2026-11-21T10:00:00+00:00"
    lock = Lock("abcd1234", "shop-users", "local", "apply", since, holder)
    assert store.create(lock.key, json.dumps(asdict(lock)).encode())
    shop.service("users").replace("128MB", "160MB")
    breaking = ("unlock", "--service", "users", "-e", "local", "--break", "abcd1234")
    for verb in (("apply", "--yes"), ("apply", "--yes", "--service", "users")):
        held = shop.fairway(*verb).expect(1)
        assert "ann@desk is changing shop-users" in held.err
        assert f"fairway {' '.join(breaking)}" in held.err
    shown = shop.fairway("unlock", "--service", "users").expect()
    assert f"next: fairway {' '.join(breaking)}" in shown.err
    shop.fairway(*breaking).expect()
    shop.apply()


def test_up_takes_an_edit_to_its_service(shop: Shop, tmp_path: Path) -> None:
    shop.apply()
    code = shop.read_code()
    with running(["up", "-C", str(shop.directory)], tmp_path / "output") as process:
        process.wait_for("watching for edits")
        shop.service("orders").replace("first", "fresh", "src/app.py")
        process.wait_for("reloaded services/orders/src/app.py")
        assert shop.read("orders") == "fresh of orders 1"
        process.wait_for("orders/api")
        assert process.end(signal.SIGINT) == 0, process.text
    assert len(find_moved(code, shop.read_code())) == 1


def test_data_goes_only_by_its_service_and_name(shop: Shop) -> None:
    shop.service("orders").replace("partition_key: id", "partition_key: id, on_delete: delete")
    shop.service("mail").replace("partition_key: id", "partition_key: id, on_delete: delete")
    shop.apply()
    refused = shop.fairway("destroy", "--yes").expect(1)
    assert "error: orders: " in refused.err
    assert "--service orders" in refused.err
    refused = shop.fairway("destroy", "--yes", "--delete", "entries").expect(1)
    assert "write SERVICE/NAME" in refused.err
    assert len(shop.told()["orders"]["stacks"]) == 2


def test_destroy_removes_all_of_them(shop: Shop) -> None:
    shop.fairway("destroy", "--yes", "--service", "mail").expect()
    assert shop.told()["mail"]["stacks"] == {}
    gone = shop.fairway("destroy", "--yes", "--delete", "orders/entries").expect()
    for name in ("billing", "catalog", "orders", "search", "users"):
        assert f"shop-{name} is gone from local\n" in gone.out
    assert gone.out.count("  kept: AWS::DynamoDB::Table shop-") == 4
    assert "next: fairway down" in gone.err
    assert all(not told["stacks"] for told in shop.told().values())
    assert set(shop.count_events()) == {"fairway-artifacts"}
    again = shop.fairway("destroy", "--yes", "--json").expect().json()
    assert again["changed"] is False


@pytest.mark.parametrize(
    ("ending", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_an_apply_that_ends_midway_is_carried_on(
    tmp_path_factory: pytest.TempPathFactory, ending: signal.Signals, code: int
) -> None:
    names = [f"s{number}" for number in range(10)]
    shop = Shop(write_root(tmp_path_factory.mktemp("life") / "shop", names))
    output = tmp_path_factory.mktemp("interrupted") / "output"
    try:
        with running(["apply", "--yes", "-C", str(shop.directory)], output) as process:
            process.wait_for("-local-data (")
            assert process.end(ending) == code, process.text
        keys = shop.list_objects()
        locked = [key for key in keys if key.startswith("locks/")]
        begun = {key.split("/")[1] for key in keys if key.startswith("releases/")}
        assert 0 < len(begun) < len(names)
        if ending is signal.SIGINT:
            assert "run the same command again" in process.text
            assert locked == []
        else:
            assert locked, "nobody was there to give them back"

        shop.apply()
        assert {name: len(told["stacks"]) for name, told in shop.told().items()} == dict.fromkeys(
            names, 2
        )
        assert "nothing to change" in shop.fairway("plan").expect().out
    finally:
        shop.stop()
