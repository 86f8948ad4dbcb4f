"""ministack embedded: configured, imported, served and kept, all in this process.

Its configuration is process-global and read at import, so a process holds one
cloud. Importing happens in two phases: what the data plane needs first, so
that the cloud answers soon; the CloudFormation engine, which imports every
service, in a thread behind it. Requests for CloudFormation wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvicorn

from fairway.cloud.control.answer_headers import AnswerHeaders
from fairway.cloud.control.asgi import Application
from fairway.cloud.control.durable.stores import State
from fairway.cloud.control.left_out import leave_out
from fairway.cloud.control.log_patterns.patching import patch_patterns
from fairway.cloud.control.logs import Line
from fairway.cloud.control.row_requests import RowRequests
from fairway.cloud.control.service_imports import ServiceImports, find_module
from fairway.cloud.control.settings import CloudSettings

Kept = Callable[[str, Any], State]
"""A service's name and module to its kept state; empty when there is none."""

_FIRST = ("dynamodb", "s3", "lambda_svc", "alb", "apigateway", "cloudwatch_logs")
_ENGINE = "cloudformation"
_SERVICES = "ministack.services"
_KEYED = ("secretsmanager", "ssm")
"""Small, and their stores are followed in a way that a thread in them would not survive."""

KEPT_LINES = 10_000
"""Lines that a log group keeps at least: without an end they would fill the memory."""


def configure_environment(settings: CloudSettings, port: int) -> None:
    """Set every variable that ministack reads at import. Call before `import_services`."""
    temporary = settings.state / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "CLOUDTRAIL_RECORDING": "0",
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
            "GATEWAY_PORT": str(port),
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "MINISTACK_ACCOUNT_ID": settings.account,
            "MINISTACK_HOST": "localhost",
            "MINISTACK_REGION": settings.region,
            "PERSIST_STATE": "1",
            "S3_DATA_DIR": str(settings.state / "objects"),
            "S3_PERSIST": "1",
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(settings.state / "services"),
            "TMPDIR": str(temporary),
        }
    )
    tempfile.tempdir = None  # ask TMPDIR again


class Emulator:
    """The embedded services, their state and their HTTP server."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._app: Any = None
        self._server: _QuietServer | None = None
        self._serving: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._is_imported = False
        self._imports = ServiceImports(_SERVICES)
        self.engine_ready = asyncio.Event()
        self.engine_failure: BaseException | None = None

    def import_services(self, kept: Kept, known: Collection[str]) -> None:
        """Import what the data plane needs, and restore every service but the engine.

        known: services that kept has something of.
        """
        self._imports.install()
        with leave_out("hypercorn"):
            self._app = importlib.import_module("ministack.app")
        self._is_imported = False
        responses = importlib.import_module("ministack.core.responses")
        responses.set_request_account_id(self._settings.access_key)
        responses.set_request_region(self._settings.region)
        for name in _FIRST:
            self._app._get_module(name)
        # Restoring event source mappings starts ministack's poller: not before our functions run.
        self._app._get_module("lambda_svc")._poller_started = True
        for service in sorted(set(known) & self._app._state_map.keys()):
            if service != _ENGINE:
                self._restore(service, kept)

    def _restore(self, service: str, kept: Kept) -> None:
        module = self._app._get_module(self._app._state_map[service])
        state = kept(service, module)
        if state:
            module.load_persisted_state(state)

    def start_engine(
        self, patch: Callable[[], None], kept: Kept, settle: Callable[[], Awaitable[None]]
    ) -> None:
        """Import the CloudFormation engine in a thread, patch it, then restore its stacks.

        patch runs in that thread after the import and before the first stack
        operation can be asked for; settle runs on the loop after it.
        """
        loop = asyncio.get_running_loop()
        self._app._MAIN_LOOP = loop
        loop.set_default_executor(ThreadPoolExecutor(32, thread_name_prefix="control"))

        def load() -> None:
            self._app._get_module("eventbridge").start_scheduler()
            self._app._get_module("scheduler").start_scheduler()
            with self._imports.put_off(_ENGINE, *_KEYED):
                importlib.import_module(f"{_SERVICES}.{_ENGINE}")
                self._app._get_module(_ENGINE)
                patch()
            self._restore(_ENGINE, kept)

        self._starting = loop.create_task(self._load_engine(load, settle))

    async def _load_engine(
        self, load: Callable[[], None], settle: Callable[[], Awaitable[None]]
    ) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def run() -> None:
            try:
                load()
                outcome: BaseException | None = None
            except BaseException as error:
                outcome = error
            with contextlib.suppress(RuntimeError):  # the loop may have been closed meanwhile
                done.get_loop().call_soon_threadsafe(finish, outcome)

        def finish(outcome: BaseException | None) -> None:
            if not done.done() and outcome is None:
                done.set_result(None)
            elif not done.done() and outcome is not None:
                done.set_exception(outcome)

        threading.Thread(target=run, name="engine-import", daemon=True).start()
        try:
            await done
            self._is_imported = True
            await settle()
        except Exception as error:
            logging.getLogger(__name__).exception("The CloudFormation engine did not start")
            self.engine_failure = error
        self.engine_ready.set()

    @property
    def application(self) -> Application:
        """Ministack's ASGI application, and a shorter way for requests for rows before it."""
        return RowRequests(AnswerHeaders(self._app.app))

    async def serve(self, application: Application, listening: socket.socket) -> None:
        """Answer on a listening loopback socket until `stop`."""
        config = uvicorn.Config(
            application,
            http="httptools",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
            backlog=1024,
        )
        self._server = _QuietServer(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """Stop answering."""
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving

    def list_modules(self) -> dict[str, Any]:
        """Every service that is imported, by the name its state is kept under."""
        found = {}
        for service, name in self._app._state_map.items():
            module = self._app._loaded_modules.get(name)
            if module is None and (self._is_imported or self._starting is None):
                # Imported by another service; while a thread imports, it may be half done.
                module = self._imports.find_imported(name)
            if service == _ENGINE and not self._is_imported:
                continue  # not restored yet
            if module is not None and hasattr(module, "load_persisted_state"):
                found[service] = find_module(module)
        return found

    def watch_imports(self, watch: Callable[[str, Any], None]) -> None:
        """Call watch(service, module) when a service is imported, before anything is stored in it.

        Watch runs in the importing thread.
        """
        names: dict[str, str] = {}
        for service, name in self._app._state_map.items():
            names.setdefault(name, service)

        def note_import(name: str, module: Any) -> None:
            if name in names and hasattr(module, "load_persisted_state"):
                watch(names[name], module)

        self._imports.imported = note_import

    def count_modules(self) -> int:
        """A number that grows whenever services are imported, by whomever."""
        return len(self._app._loaded_modules) + self._imports.count

    def read_snapshots(self) -> dict[str, State]:
        """What an earlier version kept: one file for each service."""
        from ministack.core import persistence

        folder = self._settings.state / "services"
        found = {f.stem: persistence.load_state(f.stem) for f in folder.glob("*.json")}
        return {service: state for service, state in found.items() if state}

    def forget_snapshots(self) -> None:
        """Remove them; call when the journal has them."""
        for file in (self._settings.state / "services").glob("*.json"):
            file.unlink()


class _QuietServer(uvicorn.Server):
    """A uvicorn server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class CloudWatchLogs:
    """`LogStore` over ministack's CloudWatch Logs."""

    def __init__(self, settings: CloudSettings) -> None:
        from ministack.services import cloudwatch_logs

        patch_patterns(cloudwatch_logs)
        self._logs: Any = cloudwatch_logs
        self._settings = settings

    def append(self, group: str, stream: str, lines: list[Line]) -> None:
        """Store lines; a function's group is made without retention, as Lambda makes it."""
        now = int(time.time() * 1000)
        record = self._group(group, now)
        if stream not in record["streams"]:
            record["streams"][stream] = {
                "events": [],
                "uploadSequenceToken": "1",
                "creationTime": now,
                "firstEventTimestamp": None,
                "lastEventTimestamp": None,
                "lastIngestionTime": None,
            }
        events = [{"timestamp": at, "message": text, "ingestionTime": now} for at, text in lines]
        self._logs._append_log_events(record["streams"][stream], events)
        if record.get("subscriptionFilters"):
            self._logs._fanout_to_subscription_filters(group, stream, events)
        bound_lines(record)

    def _group(self, group: str, now: int) -> dict[str, Any]:
        found: dict[str, Any] | None = self._logs._log_groups.get(group)
        if found is None:
            found = {
                "arn": self._logs._make_group_arn(group),
                "creationTime": now,
                "retentionInDays": None,
                "logGroupClass": "STANDARD",
                "kmsKeyId": None,
                "tags": {},
                "subscriptionFilters": {},
                "streams": {},
            }
            self._logs._log_groups[group] = found
        return found

    def expire(self, now_ms: int) -> None:
        """Drop events beyond their group's retention, and streams that became empty."""
        groups = self._logs._log_groups._data
        for key, group in list(dict.items(groups)):
            days = group.get("retentionInDays")
            if not days:
                continue
            oldest = now_ms - int(days) * 86_400_000
            if any(has_before(stream, oldest) for stream in group["streams"].values()):
                _drop_before(groups[key], oldest)  # by its key, so that the change is noted


def bound_lines(group: dict[str, Any]) -> None:
    """Drop all but a log group's newest KEPT_LINES events once it has twice as many.

    Not at each line: what stays is written anew, which should be seldom.
    """
    streams = group["streams"].values()
    if sum(len(stream["events"]) for stream in streams) > 2 * KEPT_LINES:
        times = sorted(event["timestamp"] for stream in streams for event in stream["events"])
        _drop_before(group, times[-KEPT_LINES])


def has_before(stream: Mapping[str, Any], oldest: int) -> bool:
    """Whether a stream has an event before a time (epoch milliseconds)."""
    return bool(stream["events"]) and stream["events"][0]["timestamp"] < oldest


def _drop_before(group: dict[str, Any], oldest: int) -> None:
    """Drop a log group's events before a time (epoch milliseconds), and streams left empty."""
    for name, stream in list(group["streams"].items()):
        if has_before(stream, oldest):
            stream["events"] = [e for e in stream["events"] if e["timestamp"] >= oldest]
            if not stream["events"]:
                del group["streams"][name]


def listen_on_loopback(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1. Raises OSError when the port is taken."""
    # Named by its protocol: only then does asyncio set TCP_NODELAY on what it accepts, without
    # which each answer waits 40 ms for the client's delayed acknowledgement.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(1024)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def remove_leftovers(state: Path) -> None:
    """Remove temporary files of an earlier process."""
    import shutil

    shutil.rmtree(state / "tmp", ignore_errors=True)
