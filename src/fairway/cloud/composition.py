"""The local cloud, composed: emulator, functions, edge, and what ties them together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fairway.cloud.certificates import LocalAuthority
from fairway.cloud.control import (
    authority,
    deliveries,
    denials,
    destination_roles,
    event_source_roles,
    function_patches,
    identity,
    inline_delivery,
    owner,
    patches,
    recovery,
    request_keys,
    service_models,
    sessions,
    status,
    target_attributes,
)
from fairway.cloud.control.access_logs import delivery
from fairway.cloud.control.access_logs.api_logs import ApiLogs
from fairway.cloud.control.access_logs.balancer_files import BalancerLogs
from fairway.cloud.control.allowances import Allowance, Allowances
from fairway.cloud.control.asynchronous import AsyncInvocations
from fairway.cloud.control.destinations import Destinations
from fairway.cloud.control.durable import stacks
from fairway.cloud.control.durable.events import EventRows
from fairway.cloud.control.durable.rows import Rows
from fairway.cloud.control.emulator import (
    CloudWatchLogs,
    Emulator,
    configure_environment,
    listen_on_loopback,
    remove_leftovers,
)
from fairway.cloud.control.garbage import Garbage
from fairway.cloud.control.gateway import Gateway
from fairway.cloud.control.history import Clock, History
from fairway.cloud.control.invocation import Executor
from fairway.cloud.control.invoke_api import InvokeApi
from fairway.cloud.control.journal import Journal
from fairway.cloud.control.log_faults import LogFaults
from fairway.cloud.control.logs import LogBuffer
from fairway.cloud.control.metrics.meter import Meter
from fairway.cloud.control.permissions import Permissions, permits
from fairway.cloud.control.ports import open_book
from fairway.cloud.control.reconcile import Reconciler, Served
from fairway.cloud.control.requests import Change
from fairway.cloud.control.restore import (
    adopt_snapshots,
    follow_engine,
    make_code_blobs,
    restore_services,
)
from fairway.cloud.control.settings import CloudSettings
from fairway.cloud.control.snapshots import Stores
from fairway.cloud.control.stages import find_stage, has_detailed_metrics
from fairway.cloud.control.state import StateKeeper
from fairway.cloud.control.streams import poller as stream_poller
from fairway.cloud.control.streams.mappings import (
    follow_mappings,
    patch_stream_mappings,
    start_polling,
)
from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.model import HttpApi
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
        self._denials = denials.Denials(
            self.notices,
            denials.find_component_tag,
            authority.watch_denial,
            authority.find_revision,
        )
        self._inherited = dict(inherited)
        self._ports = open_book(settings.directory, inherited, self.notices.add)
        self._emulator = Emulator(settings)
        self._permissions = Permissions()
        self._garbage = Garbage()
        self._allowances = Allowances()
        self._keeper = StateKeeper(
            journal or Journal(settings.state), self.notices.add, keep, self._tick
        )
        self._clock = Clock(self._keeper.append)
        self._waiting = EventRows()
        self._positions = Rows(stream_poller.STORE)
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
        service_models.patch_models()
        identity.guard_identity(self.settings, self._denials.tell, self._note_allowed)
        unfinished = self._waiting.restore(opened.groups)
        self._positions.restore(opened.groups)
        self._services = restore_services(self._emulator, self._keeper, opened.groups)
        self._services.include(self._waiting.rows)
        self._services.include(self._positions)
        self._blobs = make_code_blobs()
        self._sessions = sessions.open_sessions()
        store = LogFaults(CloudWatchLogs(self.settings), self.notices)
        self._logs = LogBuffer(store, lambda: int(time.time() * 1000))
        home = (self.settings.account, self.settings.region)
        self._meter = Meter(home, has_detailed_metrics, self._keeper.append)
        self._meter.restore(opened.groups)
        self._api_logs = ApiLogs(find_stage, self._logs.write)
        self._balancer_logs = BalancerLogs(
            delivery.read_attributes, delivery.store_log, self.notices.add
        )
        delivery.patch_attributes()
        request_keys.patch_key_headers()
        target_attributes.patch_target_attributes()
        recovery.patch_recovery(History(self.settings.state / "journal"))
        self._make_functions()
        self._make_edge()
        loop = asyncio.get_running_loop()
        self._adopt_invocations(loop)
        await self._functions.start()
        await self._reconciler.settle()
        self._garbage.install()
        self._keeper.start()
        self._emulator.start_engine(self._patch_engine, self._services.rebuild, self._settle_engine)
        self._renewing = asyncio.create_task(self._renew_sessions())
        self._meter.start()
        self._balancer_logs.start()
        await self._emulator.serve(Gateway(self._emulator.application, self), listening)
        for event in unfinished:
            self._events.start(event)
        self._streams.start()
        start_polling()

    def _tick(self, changed: bool) -> None:
        self._garbage.tick(changed)
        self._clock.tick(changed)

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
            observe=self._meter.invocations.note,
        )

    def _make_edge(self) -> None:
        from fairway.cloud.edge.server import Edge

        self._front = EdgeFront(
            Edge(drain=1.0),
            self._functions.invoke,
            self._permissions.permit,
            open_tls=LocalAuthority(self.settings.directory, self.notices.add).open_context,
            tell=self.notices.add,
            secret=self.settings.secret_key,
            observe=self._observe_request,
        )
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

    def _observe_request(self, served: Served, record: AccessRecord) -> None:
        """The edge answered a request: count it and log it."""
        self._meter.requests.note(served, record)
        if isinstance(served, HttpApi):
            self._api_logs.note(served, record)
        else:
            self._balancer_logs.note(served, record)

    def _adopt_invocations(self, loop: asyncio.AbstractEventLoop) -> None:
        """Whoever invokes a function through the AWS APIs reaches our runtime."""
        destinations = Destinations(
            lambda arn, payload: intake.submit(arn, payload),
            lambda sender, arn: destination_roles.check_sender(sender, arn, self._denials.tell),
        )
        self._events = AsyncInvocations(
            invoke=self._functions.invoke,
            deliver=destinations.deliver,
            report=self.notices.add,
            log=self._waiting,
            observe=self._meter.invocations.note_event,
        )
        intake = function_patches.EventIntake(loop, self._events)
        function_patches.patch_executor(Executor(loop, self._functions.invoke))
        function_patches.patch_invoke(
            InvokeApi(
                self._functions.invoke,
                self._events,
                function_patches.find_target,
            )
        )
        function_patches.patch_events_to_functions(intake)
        inline_delivery.patch_notifications()
        function_patches.patch_event_sources()
        self._streams = stream_poller.StreamPoller(
            follow=event_source_roles.follow_readable(follow_mappings, self._denials.tell),
            invoke=self._functions.invoke,
            deliver=destinations.deliver,
            report=self.notices.add,
            positions=self._positions,
        )
        patch_stream_mappings(self._streams)
        function_patches.patch_environment_limit()
        function_patches.patch_settling()
        deliveries.patch_deliveries(deliveries.Deliveries(self.notices.add))
        event_source_roles.patch_mapping_roles(self._denials.tell)
        destination_roles.patch_destination_roles()
        self._meter.adopt(loop, intake.submit, permits, self.notices.add)

    def _describe_environment(self, function: Function) -> Mapping[str, str]:
        """What a worker needs to reach this cloud: as its function's role, and nobody else."""
        credentials = self._sessions.issue(function.role_arn, function.name)
        return {"AWS_ENDPOINT_URL": self.endpoint, **credentials}

    def _note_allowed(self, allowed: Allowance) -> None:
        self._allowances.note(allowed)
        self._denials.note_allowed(allowed.principal, allowed.action, allowed.resource)

    async def _renew_sessions(self) -> None:
        while True:
            await asyncio.sleep(sessions.RENEW_SECONDS)
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
        self._api_logs.forget()
        self._balancer_logs.forget()
        self._reconciler.mark()

    async def _settle_engine(self) -> None:
        """Follow what the engine imported; end what a kill interrupted."""
        self._emulator.watch_imports(self._services.watch)
        await follow_engine(self._services, self.notices.add)
        await adopt_snapshots(self._emulator, self._services, self._keeper)

    # --- what the gateway asks (control.gateway.Control) ------------------------

    async def prepare(self, service: str) -> None:
        """Wait for the engine where it is needed; make written logs readable."""
        if service == "logs":
            self._logs.flush()
        elif service == "monitoring":
            self._meter.flush()
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
        return {
            "endpoint": self.endpoint,
            "region": self.settings.region,
            "account": self.settings.account,
            "pid": os.getpid(),
            "started_at": self._started,
            "engine": status.describe_engine(self._emulator),
            "functions": [status.describe_function(f) for f in self._functions.describe()],
            "listeners": [status.describe_port(p) for p in self._reconciler.list_ports()],
            "target_health": self._front.list_health(),
            "notices": [asdict(notice) for notice in self.notices.list()],
            "recorded": status.list_recorded(self._emulator),
        }

    def is_owner(self, scope: Mapping[str, Any]) -> bool:
        """Whether the account's owner signed a request without a body."""
        return owner.is_owner(scope, self.settings)

    def describe_access(self) -> list[dict[str, Any]]:
        """What policies allowed since the start, for whoever wants to make one smaller."""
        return self._allowances.describe()

    @property
    def engine_failure(self) -> BaseException | None:
        """Why the CloudFormation engine did not start, if it did not."""
        return self._emulator.engine_failure

    async def stop(self) -> None:
        """End in order: no new requests, no workers, state saved."""
        self._renewing.cancel()
        await self._meter.stop()
        await self._emulator.stop()
        await self._front.close_all()
        await self._balancer_logs.stop()
        await self._streams.close()  # before the events, which it makes of what it discards
        await self._events.close()
        await self._functions.close()
        self._logs.flush()
        if await self._keeper.close():
            self._blobs.remove_unused()
        self._garbage.close()
        self._reconciler.sweep_code()
        remove_leftovers(self.settings.state)


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
        authorizers=apigateway._authorizers._data,
    )
