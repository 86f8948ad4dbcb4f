"""The local cloud, composed: emulator, functions, edge, and what ties them together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping
from typing import Any

from fairway.cloud.control import function_patches, identity, patches
from fairway.cloud.control.asynchronous import AsyncInvocations
from fairway.cloud.control.coverage import RECORDED
from fairway.cloud.control.destinations import Destinations
from fairway.cloud.control.durable import stacks
from fairway.cloud.control.emulator import (
    CloudWatchLogs,
    Emulator,
    configure_environment,
    listen_on_loopback,
    remove_leftovers,
)
from fairway.cloud.control.gateway import Gateway
from fairway.cloud.control.invocation import Executor
from fairway.cloud.control.invoke_api import InvokeApi
from fairway.cloud.control.journal import Journal
from fairway.cloud.control.logs import LogBuffer
from fairway.cloud.control.permissions import Permissions
from fairway.cloud.control.ports import PortBook
from fairway.cloud.control.reconcile import Reconciler
from fairway.cloud.control.requests import Change
from fairway.cloud.control.restore import (
    adopt_snapshots,
    follow_engine,
    make_code_blobs,
    restore_services,
)
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
    """One local cloud in this process. inherited: the environment it was started with.

    journal: what is written goes through it; keep: whether anything is written, off
    only where the price of writing is measured.
    """

    def __init__(
        self,
        settings: CloudSettings,
        inherited: Mapping[str, str],
        journal: Journal | None = None,
        keep: bool = True,
    ) -> None:
        self.settings = settings
        self.notices = Notices()
        self._inherited = dict(inherited)
        self._ports = PortBook(settings.directory / "ports.json")
        self._emulator = Emulator(settings)
        self._permissions = Permissions()
        self._keeper = StateKeeper(journal or Journal(settings.state), self.notices.add, keep=keep)
        self._started = time.time()
        self.endpoint = ""

    async def start(self) -> None:
        """Come up with the kept state; when it returns, everything restored is served."""
        opened = self._keeper.open()
        for sentence in opened.damage:
            self.notices.add(sentence)
        self.settings.directory.chmod(0o700)  # rows and archives are nobody else's to read
        remove_leftovers(self.settings.state)
        listening = self._listen()
        port = listening.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        configure_environment(self.settings, port)
        identity.guard_identity(self.settings, self._tell_denial)
        self._services = restore_services(self._emulator, self._keeper, opened.groups)
        self._blobs = make_code_blobs()
        self._sessions = identity.open_sessions()
        self._logs = LogBuffer(CloudWatchLogs(self.settings), lambda: int(time.time() * 1000))
        self._make_functions()
        self._make_edge()
        loop = asyncio.get_running_loop()
        self._adopt_invocations(loop)
        await self._functions.start()
        await self._reconciler.settle()
        self._keeper.start()
        self._emulator.start_engine(self._patch_engine, self._services.rebuild, self._settle_engine)
        self._renewing = asyncio.create_task(self._renew_sessions())
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

        self._front = EdgeFront(Edge(drain=1.0), self._functions.invoke, self._permissions.permit)
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

    def _adopt_invocations(self, loop: asyncio.AbstractEventLoop) -> None:
        """Whoever invokes a function through the AWS APIs reaches our runtime."""
        destinations = Destinations(lambda arn, payload: intake.submit(arn, payload))
        self._events = AsyncInvocations(
            invoke=self._functions.invoke,
            deliver=destinations.deliver,
            report=self.notices.add,
        )
        intake = function_patches.EventIntake(loop, self._events)
        function_patches.patch_executor(Executor(loop, self._functions.invoke))
        function_patches.patch_invoke(
            InvokeApi(
                self._functions.invoke,
                self._events,
                function_patches.find_target,
                function_patches.count_invocation,
            )
        )
        function_patches.patch_events_to_functions(intake)
        function_patches.patch_event_sources()
        function_patches.patch_environment_limit()

    def _describe_environment(self, function: Function) -> Mapping[str, str]:
        """What a worker needs to reach this cloud: as its function's role, and nobody else."""
        credentials = self._sessions.issue(function.role_arn, function.name)
        return {"AWS_ENDPOINT_URL": self.endpoint, **credentials}

    def _tell_denial(self, denial: identity.Denial) -> None:
        """A function lacks a permission: say what to write into fairway.yml."""
        sentence = identity.word_denial(denial, identity.find_component_tag)
        if sentence:
            self.notices.add(sentence)

    async def _renew_sessions(self) -> None:
        while True:
            await asyncio.sleep(identity.RENEW_SECONDS)
            functions = self._reconciler.list_functions()
            self._sessions.keep({(f.role_arn, f.name) for f in functions})

    def _patch_engine(self) -> None:
        patches.patch_engine(
            assign=self._ports.assign,
            changed=self._mark_changed,
            finished=self._keeper.mark_finished,
        )
        stacks.record_operations(self._services.notes.note_write)

    def _mark_changed(self) -> None:
        """A store changed; called on any thread."""
        self._permissions.forget()
        self._reconciler.mark()

    async def _settle_engine(self) -> None:
        """Follow what the engine imported; end what a kill interrupted."""
        await follow_engine(self._services, self.notices.add)
        await adopt_snapshots(self._emulator, self._services, self._keeper)

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
            self._mark_changed()
        await self._reconciler.settle()
        self._follow_moves()

    async def save(self, change: Change, touched: set[str]) -> str | None:
        """Write what a request changed; why that was not possible, or None."""
        return await self._keeper.save(change, touched)

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
        self._renewing.cancel()
        await self._emulator.stop()
        await self._front.close_all()
        await self._events.close()
        await self._functions.close()
        self._logs.flush()
        if await self._keeper.close():
            self._blobs.remove_unused()
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
