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
import json
import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import uvicorn

from fairway.cloud.control.logs import Line
from fairway.cloud.control.settings import CloudSettings
from fairway.cloud.control.state import State

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[..., Any], Callable[..., Any]], Any]

_FIRST = ("dynamodb", "s3", "lambda_svc", "alb", "apigateway", "cloudwatch_logs")
_ENGINE = "cloudformation"


def configure_environment(settings: CloudSettings, port: int) -> None:
    """Set every variable that ministack reads at import. Call before `import_services`."""
    temporary = settings.state / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        {
            "AUTH": "false",
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
        self.engine_ready = asyncio.Event()
        self.engine_failure: BaseException | None = None

    def import_services(self) -> None:
        """Import what the data plane needs, and restore every service but the engine."""
        self._app = importlib.import_module("ministack.app")
        responses = importlib.import_module("ministack.core.responses")
        responses.set_request_account_id(self._settings.access_key)
        responses.set_request_region(self._settings.region)
        for name in _FIRST:
            self._app._get_module(name)
        for key in self.names():
            if key != _ENGINE:
                self._restore(key)

    def _restore(self, key: str) -> None:
        state = self.load(key)
        if state:
            self._app._get_module(self._app._state_map[key]).load_persisted_state(state)

    def start_engine(self, patch: Callable[[], None]) -> None:
        """Import the CloudFormation engine in a thread, patch it, then restore its stacks.

        patch runs in that thread after the import and before the first stack
        operation can be asked for.
        """
        loop = asyncio.get_running_loop()
        self._app._MAIN_LOOP = loop
        loop.set_default_executor(ThreadPoolExecutor(32, thread_name_prefix="control"))

        def load() -> None:
            try:
                importlib.import_module("ministack.services.cloudformation")
                self._app._get_module(_ENGINE)
                self._app._get_module("eventbridge").start_scheduler()
                self._app._get_module("scheduler").start_scheduler()
                patch()
                self._restore(_ENGINE)
            except BaseException as error:
                logging.getLogger(__name__).exception("The CloudFormation engine did not start")
                self.engine_failure = error
            with contextlib.suppress(RuntimeError):  # the loop may have been closed meanwhile
                loop.call_soon_threadsafe(self.engine_ready.set)

        threading.Thread(target=load, name="engine-import", daemon=True).start()

    @property
    def application(self) -> Application:
        """Ministack's own ASGI application."""
        return self._app.app  # type: ignore[no-any-return]

    async def serve(self, application: Application, listening: socket.socket) -> None:
        """Answer on a listening loopback socket until `stop`."""
        config = uvicorn.Config(
            application,
            http="httptools",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
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
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving

    # --- the seam of durability: `fairway.cloud.control.state.Store` -------------

    def services(self) -> Mapping[str, Callable[[], State | None]]:
        """Every service that is loaded, with the way to copy its state."""
        found: dict[str, Callable[[], State | None]] = self._app._build_persistence_save_dict()
        if not self.engine_ready.is_set() or self.engine_failure is not None:
            found.pop(_ENGINE, None)  # not restored yet: saving would lose the stacks
        return found

    def names(self) -> list[str]:
        """Services that have a snapshot."""
        folder = self._settings.state / "services"
        return [f.stem for f in folder.glob("*.json") if f.stem in self._app._state_map]

    def save(self, service: str, state: State) -> None:
        """Write one service's snapshot in ministack's format."""
        from ministack.core import persistence

        path = self._settings.state / "services" / f"{service}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "__ministack_format__": persistence._state_format_version(service),
            "payload": state,
        }
        temporary = path.with_suffix(".tmp")
        with temporary.open("w") as file:
            file.write(json.dumps(document, default=persistence._json_default))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def load(self, service: str) -> State | None:
        """Read one service's snapshot; None when there is none that can be read."""
        from ministack.core import persistence

        found: State | None = persistence.load_state(service)
        return found


class _QuietServer(uvicorn.Server):
    """A uvicorn server that leaves the process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class CloudWatchLogs:
    """`LogStore` over ministack's CloudWatch Logs."""

    def __init__(self, settings: CloudSettings) -> None:
        from ministack.services import cloudwatch_logs

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
        for group in list(self._logs._log_groups._data.values()):
            days = group.get("retentionInDays")
            if not days:
                continue
            oldest = now_ms - int(days) * 86_400_000
            for name, stream in list(group["streams"].items()):
                events = stream["events"]
                if events and events[0]["timestamp"] < oldest:
                    stream["events"] = [e for e in events if e["timestamp"] >= oldest]
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
