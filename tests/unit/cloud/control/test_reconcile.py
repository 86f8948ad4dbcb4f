"""Stores in, what is served out: with a fake runtime and a fake edge."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from fairway.cloud.control.durable.entries import Entries, EntryStore
from fairway.cloud.control.durable.touch import Notes
from fairway.cloud.control.ports import FIRST_PORT, PortBook
from fairway.cloud.control.reconcile import Reconciler, Served
from fairway.cloud.control.reservations import Reservations
from fairway.cloud.control.snapshots import Stores
from fairway.cloud.edge.model import FixedResponse, Forward, Listener
from fairway.cloud.functions.model import Alias, Function

ACCOUNT, REGION = "000000000000", "eu-west-1"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"


class FakeRuntime:
    """Remembers what is deployed."""

    def __init__(self) -> None:
        self.deployed: dict[str, Function] = {}
        self.puts = 0
        self.aliases: dict[str, Alias] = {}

    async def put(self, function: Function) -> None:
        self.puts += 1
        self.deployed[function.arn] = function

    async def remove(self, arn: str) -> None:
        del self.deployed[arn]

    def set_aliases(self, aliases: Mapping[str, Alias]) -> None:
        self.aliases = dict(aliases)


class FakeFront:
    """Remembers what is open; ports in `taken` go to somebody else."""

    def __init__(self, *taken: int) -> None:
        self.open_now: dict[str, tuple[Served, int]] = {}
        self.calls: list[str] = []
        self._taken = taken

    async def open(self, name: str, served: Served, port: int) -> int:
        self.calls.append(f"open {name}")
        local = 50_000 if port in self._taken else port
        self.open_now[name] = (served, local)
        return local

    async def replace(self, name: str, served: Served) -> None:
        self.calls.append(f"replace {name}")
        self.open_now[name] = (served, self.open_now[name][1])

    async def close(self, name: str) -> None:
        self.calls.append(f"close {name}")
        del self.open_now[name]


def zipped(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("handler.py"), source)
    return buffer.getvalue()


def make_stores() -> Stores:
    stores: dict[str, Any] = {field.name: {} for field in fields(Stores)}
    scope = (ACCOUNT, REGION)
    stores["functions"][(*scope, "f")] = {
        "config": {
            "FunctionName": "f",
            "FunctionArn": FUNCTION,
            "Runtime": "python3.11",
            "Handler": "handler.handler",
            "CodeSha256": "one",
        },
        "code_zip": zipped("1"),
        "versions": {},
        "aliases": {"live": {"FunctionVersion": "$LATEST"}},
        "concurrency": 3,
    }
    stores["load_balancers"][(*scope, "lb")] = {
        "LoadBalancerArn": "lb",
        "LoadBalancerName": "balancer",
    }
    stores["listeners"][(*scope, "l80")] = make_listener("l80", 80)
    stores["target_groups"][(*scope, "tg")] = {
        "TargetGroupArn": "tg",
        "TargetType": "lambda",
        "HealthCheckEnabled": False,
    }
    stores["targets"][(ACCOUNT, "tg")] = [{"Id": f"{FUNCTION}:live"}]
    return Stores(**stores)


def make_listener(arn: str, port: int) -> dict[str, Any]:
    return {
        "ListenerArn": arn,
        "LoadBalancerArn": "lb",
        "Protocol": "HTTP",
        "Port": port,
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": "tg"}],
    }


class World:
    """A reconciler with its fakes."""

    def __init__(
        self,
        path: Path,
        *taken: int,
        reserved: Path | None = None,
        stores: Stores | None = None,
    ) -> None:
        self.stores = stores or make_stores()
        self.runtime, self.front = FakeRuntime(), FakeFront(*taken)
        self.notices: list[str] = []
        self.moves: list[tuple[str, str]] = []
        self.reconciler = Reconciler(
            stores=self.stores,
            runtime=self.runtime,
            front=self.front,
            ports=PortBook(
                path / "ports.json",
                probe=lambda port: True,
                reservations=Reservations(reserved),
            ),
            code=path / "code",
            notify=self.notices.append,
            moved=lambda old, new: self.moves.append((old, new)),
        )

    def settle(self) -> None:
        self.reconciler.mark()
        asyncio.run(self.reconciler.settle())

    def record(self, store: str, key: str) -> Any:
        return next(v for k, v in getattr(self.stores, store).items() if k[-1] == key)


def test_everything_is_deployed_and_opened_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.settle()
    world.settle()
    function = world.runtime.deployed[FUNCTION]
    assert (function.code / "handler.py").read_text() == "1"
    assert function.reserved == 3
    assert world.runtime.puts == 1
    assert world.front.calls == ["open l80"]
    served, local = world.front.open_now["l80"]
    assert isinstance(served, Listener)
    assert served.default == Forward((("tg", 1),))
    assert served.target_groups["tg"].functions == (f"{FUNCTION}:live",)
    assert world.runtime.aliases[f"{FUNCTION}:live"].versions == ((FUNCTION, 1.0),)
    assert local == FIRST_PORT
    assert world.record("load_balancers", "lb")["DNSName"] == f"127.0.0.1:{FIRST_PORT}"


def test_changed_code_is_put_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.settle()
    record = world.record("functions", "f")
    record["code_zip"], record["config"]["CodeSha256"] = zipped("2"), "two"
    world.settle()
    assert world.runtime.puts == 2
    assert (world.runtime.deployed[FUNCTION].code / "handler.py").read_text() == "2"
    assert world.front.calls == ["open l80"]


def test_changed_rules_replace_and_removed_listeners_close(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.settle()
    world.record("listeners", "l80")["DefaultActions"] = [
        {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "410"}}
    ]
    world.settle()
    assert world.front.open_now["l80"][0].default == FixedResponse(410)  # type: ignore[union-attr]
    world.stores.listeners.clear()  # type: ignore[attr-defined]
    world.stores.functions.clear()  # type: ignore[attr-defined]
    world.settle()
    assert world.front.calls == ["open l80", "replace l80", "close l80"]
    assert world.runtime.deployed == {}


def test_a_second_listener_has_its_own_port(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.settle()
    world.stores.listeners[(ACCOUNT, REGION, "l81")] = make_listener("l81", 81)  # type: ignore[index]
    world.settle()
    ports = {name: local for name, (_, local) in world.front.open_now.items()}
    assert ports == {"l80": FIRST_PORT, "l81": FIRST_PORT + 1}


def test_a_taken_port_is_replaced_and_told(tmp_path: Path) -> None:
    world = World(tmp_path, FIRST_PORT)
    world.settle()
    assert world.front.open_now["l80"][1] == FIRST_PORT + 1
    assert world.record("load_balancers", "lb")["DNSName"] == f"127.0.0.1:{FIRST_PORT + 1}"
    assert world.moves == [(f"127.0.0.1:{FIRST_PORT}", f"127.0.0.1:{FIRST_PORT + 1}")]
    assert len(world.notices) == 1
    assert f"Port {FIRST_PORT} is in use" in world.notices[0]


def test_a_port_that_another_application_keeps_is_given_up_and_told(tmp_path: Path) -> None:
    one, two = tmp_path / "one" / ".fairway", tmp_path / "two" / ".fairway"
    one.mkdir(parents=True)
    other = World(one, reserved=tmp_path / "reserved")
    other.settle()  # and its cloud is stopped
    shutil.copytree(one, two)
    world = World(two, reserved=tmp_path / "reserved")
    world.stores.load_balancers.update(other.stores.load_balancers)  # type: ignore[attr-defined]
    world.stores.listeners.update(other.stores.listeners)  # type: ignore[attr-defined]
    world.settle()
    assert world.front.open_now["l80"][1] == FIRST_PORT + 1
    assert world.record("load_balancers", "lb")["DNSName"] == f"127.0.0.1:{FIRST_PORT + 1}"
    assert world.moves == [(f"127.0.0.1:{FIRST_PORT}", f"127.0.0.1:{FIRST_PORT + 1}")]
    assert world.notices == [
        f"Port {FIRST_PORT} is kept for {one.parent}: balancer is served on {FIRST_PORT + 1} now."
    ]


def test_a_bad_archive_is_told_and_stops_nobody(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.record("functions", "f")["code_zip"] = b"junk"
    world.settle()
    assert world.runtime.deployed == {}
    assert world.notices[0].startswith("f: ")
    assert "l80" in world.front.open_now


def add_secure_listener(world: World) -> None:
    world.stores.listeners[(ACCOUNT, REGION, "l443")] = {  # type: ignore[index]
        **make_listener("l443", 443),
        "Protocol": "HTTPS",
    }


def test_the_listeners_of_both_schemes_share_the_balancers_port(tmp_path: Path) -> None:
    world = World(tmp_path)
    add_secure_listener(world)
    world.settle()
    assert {local for _, local in world.front.open_now.values()} == {FIRST_PORT}
    assert world.record("load_balancers", "lb")["DNSName"] == f"127.0.0.1:{FIRST_PORT}"
    listed = {(p.name, p.scheme, p.port, p.local) for p in world.reconciler.list_ports()}
    assert listed == {("l80", "http", 80, FIRST_PORT), ("l443", "https", 443, FIRST_PORT)}


def test_a_further_listener_has_a_port_of_its_own(tmp_path: Path) -> None:
    world = World(tmp_path)
    add_secure_listener(world)
    other = {**make_listener("l8443", 8443), "Protocol": "HTTPS"}
    world.stores.listeners[(ACCOUNT, REGION, "l8443")] = other  # type: ignore[index]
    world.settle()
    assert world.front.open_now["l8443"][1] == FIRST_PORT + 1


def test_both_move_together_when_the_port_is_taken(tmp_path: Path) -> None:
    world = World(tmp_path, FIRST_PORT)
    add_secure_listener(world)
    world.settle()
    assert {local for _, local in world.front.open_now.values()} == {FIRST_PORT + 1}
    assert world.record("load_balancers", "lb")["DNSName"] == f"127.0.0.1:{FIRST_PORT + 1}"


def test_a_listener_that_changes_its_scheme_is_opened_anew(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.settle()
    world.record("listeners", "l80")["Protocol"] = "HTTPS"
    world.settle()
    assert world.front.calls == ["open l80", "close l80", "open l80"]
    assert world.front.open_now["l80"][1] == FIRST_PORT


def test_a_port_book_that_cannot_be_written_leaves_no_listener_unserved_for_good(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.stores.listeners[(ACCOUNT, REGION, "l81")] = make_listener("l81", 81)
    book = tmp_path / "ports.json"
    book.mkdir()
    world.settle()
    assert not world.front.open_now
    assert {notice.partition(" cannot be served")[0] for notice in world.notices} == {"l80", "l81"}
    book.rmdir()
    world.settle()
    assert set(world.front.open_now) == {"l80", "l81"}
    assert set(json.loads(book.read_text()).values()) == {FIRST_PORT, FIRST_PORT + 1}


def test_what_is_only_read_is_not_taken_for_changed(tmp_path: Path) -> None:
    notes, entries = Notes(), Entries()
    followed: dict[str, Any] = {
        name: EntryStore(dict(store), notes, "any", entries)
        for name, store in vars_of(make_stores()).items()
    }
    world = World(tmp_path, stores=Stores(**followed))
    world.settle()
    assert entries.take(thorough=False)  # the ports that were chosen
    world.settle()
    assert not entries.has_touched
    followed["functions"][(ACCOUNT, REGION, "f")]["concurrency"] = 4
    world.settle()
    assert world.runtime.puts == 2


def vars_of(stores: Stores) -> dict[str, Any]:
    return {field.name: getattr(stores, field.name) for field in fields(Stores)}


def test_an_archive_is_unpacked_again_when_its_folder_is_gone(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.settle()
    code = world.runtime.deployed[FUNCTION].code
    shutil.rmtree(code)
    world.settle()
    assert (code / "handler.py").read_text() == "1"
    functions: Any = world.stores.functions
    functions[(ACCOUNT, REGION, "f")]["code_zip"] = zipped("2")
    world.settle()
    assert (world.runtime.deployed[FUNCTION].code / "handler.py").read_text() == "2"
