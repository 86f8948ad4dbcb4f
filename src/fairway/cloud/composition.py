"""The local cloud, composed: emulator, functions, edge, and what ties them together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping
from typing import Any

from fairway.cloud.control import patches
from fairway.cloud.control.coverage import RECORDED
from fairway.cloud.control.emulator import (
    CloudWatchLogs,
    Emulator,
    configure_environment,
    listen_on_loopback,
    remove_leftovers,
)
from fairway.cloud.control.gateway import Gateway
from fairway.cloud.control.invocation import Executor
from fairway.cloud.control.logs import LogBuffer
from fairway.cloud.control.ports import PortBook
from fairway.cloud.control.reconcile import Reconciler
from fairway.cloud.control.settings import CloudSettings
from fairway.cloud.control.snapshots import Stores
from fairway.cloud.control.state import StateKeeper
from fairway.cloud.front import EdgeFront
from fairway.cloud.functions.model import Function
from fairway.cloud.functions.runtime import Functions
from fairway.cloud.notices import Notices

GATEWAY = "aws-apis"
"""The control plane's own name in the port book."""


class Cloud:
    """One local cloud in this process. inherited: the environment it was started with."""

    def __init__(self, settings: CloudSettings, inherited: Mapping[str, str]) -> None:
        self.settings = settings
        self.notices = Notices()
        self._inherited = dict(inherited)
        self._ports = PortBook(settings.directory / "ports.json")
        self._emulator = Emulator(settings)
        self._started = time.time()
        self.endpoint = ""

    async def start(self) -> None:
        """Come up with the kept state; when it returns, everything restored is served."""
        remove_leftovers(self.settings.state)
        listening = self._listen()
        port = listening.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        configure_environment(self.settings, port)
        self._emulator.import_services()
        self._logs = LogBuffer(CloudWatchLogs(self.settings), lambda: int(time.time() * 1000))
        self._make_functions()
        self._make_edge()
        self._keeper = StateKeeper(self._emulator, self._emulator.services)
        loop = asyncio.get_running_loop()
        self._loop = loop
        patches.patch_invocations(Executor(loop, self._functions.invoke))
        await self._functions.start()
        await self._reconciler.settle()
        self._emulator.start_engine(self._patch_engine)
        await self._emulator.serve(Gateway(self._emulator.application, self), listening)

    def _listen(self) -> Any:
        remembered = self._ports.recall(GATEWAY)
        if remembered is not None:
            with contextlib.suppress(OSError):
                return listen_on_loopback(remembered)
            self.notices.add(
                f"Port {remembered} is in use by another program: "
                "the AWS APIs are served on another one now."
            )
        listening = listen_on_loopback(0)
        self._ports.keep(GATEWAY, listening.getsockname()[1])
        return listening

    def _make_functions(self) -> None:
        self._functions = Functions(
            base_environment=self._describe_environment,
            write_log=self._logs.write,
            notice=self.notices.add,
            scratch=self.settings.state / "scratch",
            inherited=self._inherited,
        )

    def _make_edge(self) -> None:
        from fairway.cloud.edge.server import Edge

        self._front = EdgeFront(Edge(drain=1.0), self._functions.invoke)
        self._moves: list[tuple[str, str]] = []
        self._reconciler = Reconciler(
            stores=_open_stores(),
            runtime=self._functions,
            front=self._front,
            ports=self._ports,
            code=self.settings.state / "code",
            notify=self.notices.add,
            moved=lambda old, new: self._moves.append((old, new)),
        )

    def _describe_environment(self, function: Function) -> Mapping[str, str]:
        """What every worker needs to reach this cloud."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.settings.access_key,
            "AWS_SECRET_ACCESS_KEY": self.settings.secret_key,
        }

    def _patch_engine(self) -> None:
        patches.patch_engine(
            assign=self._ports.assign,
            changed=self._reconciler.mark,
            finished=self._save_soon,
        )

    def _save_soon(self) -> None:
        """A stack operation ended; called on any thread."""
        self._loop.call_soon_threadsafe(self._keeper.request_save)

    # --- what the gateway asks (control.gateway.Control) ------------------------

    async def prepare(self, service: str) -> None:
        """Wait for the engine where it is needed; make written logs readable."""
        if service == "logs":
            self._logs.flush()
        elif service == "cloudformation":
            await self._emulator.engine_ready.wait()
            self._follow_moves()

    def _follow_moves(self) -> None:
        """Outputs of stacks name addresses: keep them true when a port had to change."""
        if self._moves:
            moves, self._moves = self._moves, []
            patches.rename_addresses(dict(moves))

    async def settle(self, service: str) -> None:
        """Wait until changes are served; a direct change is one too."""
        if service != "cloudformation":
            self._reconciler.mark()
        await self._reconciler.settle()
        self._follow_moves()

    def describe(self) -> dict[str, Any]:
        """The status document: see `launch.read_status`."""
        health = self._front.list_health()
        return {
            "endpoint": self.endpoint,
            "region": self.settings.region,
            "account": self.settings.account,
            "pid": os.getpid(),
            "started_at": self._started,
            "engine": self._describe_engine(),
            "functions": [_describe_function(f) for f in self._functions.describe()],
            "listeners": [
                {
                    "name": p.name,
                    "owner": p.owner,
                    "port": p.port,
                    "local_port": p.local,
                    "url": f"http://127.0.0.1:{p.local}",
                }
                for p in self._reconciler.list_ports()
            ],
            "target_health": health,
            "notices": [{"at": n.at, "text": n.text} for n in self.notices.list()],
            "recorded": self._list_recorded(),
        }

    def _describe_engine(self) -> str:
        if self._emulator.engine_failure is not None:
            return f"failed: {self._emulator.engine_failure!r}"
        return "ready" if self._emulator.engine_ready.is_set() else "starting"

    def _list_recorded(self) -> dict[str, str]:
        """The deployed types that are only records, with what that means."""
        if not self._emulator.engine_ready.is_set():
            return {}
        kinds = patches.list_deployed_types()
        return {kind: RECORDED[kind] for kind in sorted(kinds) if kind in RECORDED}

    @property
    def engine_failure(self) -> BaseException | None:
        """Why the CloudFormation engine did not start, if it did not."""
        return self._emulator.engine_failure

    async def stop(self) -> None:
        """End in order: no new requests, no workers, state saved."""
        await self._emulator.stop()
        await self._front.close_all()
        await self._functions.close()
        self._logs.flush()
        await self._keeper.close()
        self._reconciler.sweep_code()
        remove_leftovers(self.settings.state)


def _describe_function(status: Any) -> dict[str, Any]:
    return {
        "arn": status.arn,
        "name": status.name,
        "workers": status.workers,
        "busy": status.busy,
        "queued": status.queued,
        "bound": status.bound,
        "pids": list(status.pids),
    }


def _open_stores() -> Stores:
    from ministack.services import alb, apigateway, lambda_svc

    return Stores(
        functions=lambda_svc._functions._data,
        load_balancers=alb._lbs._data,
        listeners=alb._listeners._data,
        rules=alb._rules._data,
        target_groups=alb._tgs._data,
        targets=alb._targets._data,
        target_group_attributes=alb._tg_attrs._data,
        load_balancer_attributes=alb._lb_attrs._data,
        apis=apigateway._apis._data,
        routes=apigateway._routes._data,
        integrations=apigateway._integrations._data,
        stages=apigateway._stages._data,
    )
