"""One mechanism that makes what runs equal to what the stores say.

Whoever changes a store marks the reconciler; whoever wants to answer that the
change is done settles it first. It reads everything, compares with what it
applied last, and opens, replaces or closes the difference.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fairway.cloud.control.api_snapshots import read_apis
from fairway.cloud.control.archives import UnsafeArchive, sweep_archives, unpack_archive
from fairway.cloud.control.ports import PortBook
from fairway.cloud.control.snapshots import (
    Stores,
    iterate_packages,
    peek_stores,
    read_aliases,
    read_function,
    read_listeners,
)
from fairway.cloud.edge.model import HttpApi, Listener
from fairway.cloud.functions.model import Alias, Function

_log = logging.getLogger(__name__)

Served = Listener | HttpApi
Notify = Callable[[str], None]


class Runtime(Protocol):
    """The function runtime, as far as deployment goes."""

    async def put(self, function: Function) -> None:
        """Deploy or replace."""

    async def remove(self, arn: str) -> None:
        """Forget."""

    def set_aliases(self, aliases: Mapping[str, Alias]) -> None:
        """Replace all aliases, by ARN."""


class Front(Protocol):
    """The edge, as far as deployment goes. Names are listener ARNs and API ids."""

    async def open(self, name: str, served: Served, port: int) -> int:
        """Serve on a port, or on another when it is taken; returns the port."""

    async def replace(self, name: str, served: Served) -> None:
        """Serve the next requests differently."""

    async def close(self, name: str) -> None:
        """Stop serving."""


@dataclass(frozen=True, slots=True)
class OpenPort:
    """One listener or API that is served. port: on AWS; local: on this machine."""

    name: str
    local: int
    port: int
    owner: str
    scheme: str = "http"


class Reconciler:
    """Applies the stores to the runtime and the edge.

    moved(old, new): called when an address had to change; both as "host:port".
    """

    def __init__(
        self,
        *,
        stores: Stores,
        runtime: Runtime,
        front: Front,
        ports: PortBook,
        code: Path,
        notify: Notify,
        moved: Callable[[str, str], None],
    ) -> None:
        self._stores = stores
        self._runtime = runtime
        self._front = front
        self._ports = ports
        self._code = code
        self._notify = notify
        self._moved = moved
        self._dirty = True
        self._lock = asyncio.Lock()
        self._functions: dict[str, Function] = {}
        self._unpacked: dict[int, tuple[bytes, Path]] = {}
        self._served: dict[str, Served] = {}
        self._local: dict[str, int] = {}
        self._told: set[str] = set()

    def mark(self) -> None:
        """A store changed. Cheap; may be called from any thread."""
        self._dirty = True

    async def settle(self) -> None:
        """Return when everything marked before the call is being served."""
        # Even with nothing marked, an application that is under way must end first.
        async with self._lock:
            while self._dirty:
                self._dirty = False
                try:
                    await self._apply()
                except Exception as error:  # the change stands in the stores; say what is off
                    _log.exception("what was deployed could not be served")
                    self._tell(f"What was deployed could not all be served: {error}")

    async def _apply(self) -> None:
        await self._apply_functions()
        stores = peek_stores(self._stores)
        self._runtime.set_aliases(read_aliases(stores))
        wanted: dict[str, Served] = {}
        for listener in read_listeners(stores):
            wanted[listener.arn] = listener
        for api in read_apis(stores):
            wanted[api.api_id] = api
        await self._apply_served(wanted)

    # --- functions -----------------------------------------------------------

    async def _apply_functions(self) -> None:
        wanted: dict[str, Function] = {}
        unpacked: dict[int, tuple[bytes, Path]] = {}
        for config, archive, record in list(iterate_packages(peek_stores(self._stores))):
            try:
                code = await self._unpack(archive)
            except UnsafeArchive as error:
                self._tell(f"{config['FunctionName']}: {error}")
                continue
            unpacked[id(archive)] = archive, code
            function = read_function(config, record, code)
            wanted[function.arn] = function
        self._unpacked = unpacked
        for arn in self._functions.keys() - wanted.keys():
            del self._functions[arn]
            await self._runtime.remove(arn)
        for arn, function in wanted.items():
            if self._functions.get(arn) != function:
                await self._put(function)

    async def _unpack(self, archive: bytes) -> Path:
        """An archive's folder; the digest of one that was there before is not taken again."""
        known = self._unpacked.get(id(archive))
        if known is not None and known[0] is archive and known[1].is_dir():
            return known[1]
        return await asyncio.to_thread(unpack_archive, archive, self._code)

    async def _put(self, function: Function) -> None:
        self._functions[function.arn] = function
        try:
            await self._runtime.put(function)
        except Exception as error:  # one function that cannot run must not stop the others
            self._tell(f"{function.name} cannot run here: {error}")

    def sweep_code(self) -> None:
        """Remove unpacked archives that no function uses; call when no old worker can run."""
        sweep_archives(self._code, {f.code for f in self._functions.values()})

    # --- listeners and APIs --------------------------------------------------

    async def _apply_served(self, wanted: dict[str, Served]) -> None:
        for name in self._served.keys() - wanted.keys():
            del self._served[name]
            self._local.pop(name, None)
            await self._front.close(name)
        for name, served in wanted.items():
            if name not in self._served:
                await self._open(name, served)
            elif _scheme_of(self._served[name]) != _scheme_of(served):
                await self._front.close(name)
                self._record_of(served)["LocalPort"] = None
                await self._open(name, served)
            elif self._served[name] != served:
                await self._front.replace(name, served)
                self._served[name] = served

    async def _open(self, name: str, served: Served) -> None:
        label = name
        try:  # of the port book's file too: the others are to be served
            label, port = self._choose_port(served)
            wanted, keeper = self._ports.claim(label, port)
            local = await self._front.open(name, served, wanted)
            if local != wanted:  # by another program: a readable port instead of the system's
                await self._front.close(name)
                local = await self._front.open(name, served, self._ports.replace(label))
        except OSError as error:
            self._tell(f"{label} cannot be served: {error}")
            return
        self._served[name], self._local[name] = served, local
        if local != port:
            self._set_port(served, local)
            why = f"kept for {keeper.parent}" if keeper else "in use by another program"
            self._tell(f"Port {port} is {why}: {label} is served on {local} now.")
            self._moved(f"127.0.0.1:{port}", f"127.0.0.1:{local}")

    def _choose_port(self, served: Served) -> tuple[str, int]:
        if isinstance(served, HttpApi):
            record = self._record_of(served)
            label = record.setdefault("localName", served.name)
            if "localPort" not in record:
                self._set_port(served, self._ports.assign(label, self._local.values()))
            return label, int(record["localPort"])
        return self._choose_balancer_port(served)

    def _choose_balancer_port(self, served: Listener) -> tuple[str, int]:
        """The first listener of each scheme shares the balancer's own port, which DNSName names."""
        record, balancer = self._record_of(served), self._balancer_of(served)
        base = balancer.setdefault("LocalName", served.load_balancer)
        if "LocalPort" not in balancer:
            balancer["LocalPort"] = self._ports.assign(base, self._local.values())
            balancer["DNSName"] = f"127.0.0.1:{balancer['LocalPort']}"
        if record.get("LocalPort") is None:
            first = not any(
                other.get("LocalName") == base and other.get("LocalPort") is not None
                for other in self._stores.listeners.values()
                if other["LoadBalancerArn"] == record["LoadBalancerArn"]
                and other["Protocol"] == record["Protocol"]
            )
            record["LocalName"] = base if first else f"{base}:{served.port}"
            if not first:
                record["LocalPort"] = self._ports.assign(record["LocalName"], self._local.values())
        if record["LocalName"] == base:
            record["LocalPort"] = balancer["LocalPort"]
        return str(record["LocalName"]), int(record["LocalPort"])

    def _set_port(self, served: Served, port: int) -> None:
        record = self._record_of(served)
        if isinstance(served, HttpApi):
            record["localPort"] = port
            record["apiEndpoint"] = f"http://127.0.0.1:{port}"
            return
        balancer = self._balancer_of(served)
        if balancer.get("LocalPort") == record.get("LocalPort"):
            balancer["LocalPort"] = port
            balancer["DNSName"] = f"127.0.0.1:{port}"
        record["LocalPort"] = port

    def _record_of(self, served: Served) -> dict[str, Any]:
        if isinstance(served, HttpApi):
            return self._stores.apis[(served.account, served.region, served.api_id)]
        return next(r for r in self._stores.listeners.values() if r["ListenerArn"] == served.arn)

    def _balancer_of(self, listener: Listener) -> dict[str, Any]:
        arn = self._record_of(listener)["LoadBalancerArn"]
        return next(r for r in self._stores.load_balancers.values() if r["LoadBalancerArn"] == arn)

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._notify(text)

    # --- status --------------------------------------------------------------

    def list_ports(self) -> list[OpenPort]:
        """What is served, and where."""
        found = []
        for name, served in self._served.items():
            port = 443 if isinstance(served, HttpApi) else served.port
            owner = served.name if isinstance(served, HttpApi) else served.load_balancer
            found.append(OpenPort(name, self._local[name], port, owner, _scheme_of(served)))
        return found

    def list_functions(self) -> list[Function]:
        """What is deployed."""
        return list(self._functions.values())


def _scheme_of(served: Served) -> str:
    """How a served thing is spoken to here: HTTP APIs, HTTPS on AWS, are in the clear."""
    return "https" if isinstance(served, Listener) and served.protocol == "HTTPS" else "http"
