"""The process that workers are born from: started on need, obeyed, and replaced when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairway.cloud.functions.interpreters import Interpreter
from fairway.cloud.functions.nodejs import BOOTSTRAP

_SCRIPT = str(Path(__file__).with_name("child.py"))


@dataclass(frozen=True, slots=True)
class Launch:
    """What a worker is started with.

    log: the descriptor that becomes its stdout and stderr. temporary: the
    directory that becomes its /tmp, or None to share the machine's.
    """

    interpreter: Interpreter
    code: Path
    handler: str
    environment: Mapping[str, str]
    log: int
    temporary: Path | None = None


@dataclass(frozen=True, slots=True)
class Nest:
    """What a nursery that is ready can do.

    modules: the top-level ones it has loaded. mounts: whether it can give a
    worker a /tmp of its own.
    """

    modules: frozenset[str]
    mounts: bool


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker ended: exit code, or minus the signal; peak: its largest RSS in KiB."""

    status: int
    peak: int


OnExit = Callable[[Exit], None]


class NurseryFailed(Exception):
    """The nursery ended before it started the worker."""


class Nursery:
    """Starts worker processes and tells when they end.

    Workers on our own interpreter are forked with the SDK already imported,
    unless their code brings (or shadows) one of the modules that are loaded
    then, or they declare variables that speak to the interpreter itself: those,
    and other interpreters, are executed anew.
    """

    def __init__(self, interpreter: Interpreter, environment: Mapping[str, str]) -> None:
        self._interpreter = interpreter
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None
        self._commands: socket.socket | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Nest] | None = None
        self._starting: dict[int, asyncio.Future[int]] = {}
        self._exits: dict[int, OnExit] = {}
        self._pids: dict[int, int] = {}
        self._turn = asyncio.Lock()
        self._next_id = 0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The nursery's process id while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the process; it preloads while the caller goes on."""
        async with self._turn:
            if self._process is None and not self._closed:
                await self._start_process()

    async def _start_process(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                self._interpreter.program,
                "-s",
                _SCRIPT,
                "nursery",
                str(self._interpreter.packages),
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                env=self._environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                limit=1 << 20,
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._commands = ours
        self._ready = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read_messages(self._process, self._ready))

    async def wait_ready(self) -> Nest:
        """Start the nursery if need be; returns when it can start workers."""
        await self.start()
        if self._ready is None:
            raise NurseryFailed("the function runtime is closed")
        return await asyncio.shield(self._ready)

    async def start_worker(self, launch: Launch, on_exit: OnExit) -> tuple[int, int]:
        """Start one worker; returns (its number here, its process id).

        on_exit is called once, on the loop, when it has ended and its process
        group has been killed. Raises NurseryFailed.
        """
        nest = await self.wait_ready()
        self._next_id += 1
        number = self._next_id
        started = asyncio.get_running_loop().create_future()
        self._starting[number] = started
        self._exits[number] = on_exit
        order = {
            "id": number,
            "cwd": str(launch.code),
            "code": str(launch.code),
            "handler": launch.handler,
            "env": dict(launch.environment),
            "argv": await self._choose_command(launch, nest.modules),
            "tmp": str(launch.temporary) if launch.temporary else None,
        }
        try:
            await self._send(order, launch.log)
            return number, await started
        except (OSError, NurseryFailed) as error:
            self._exits.pop(number, None)
            raise NurseryFailed(str(error)) from error
        finally:
            self._starting.pop(number, None)

    async def kill_worker(self, number: int) -> None:
        """Kill a worker and its process group; nothing happens when it has already ended."""
        if number in self._exits:
            with contextlib.suppress(OSError, NurseryFailed):
                await self._send({"kill": number}, None)

    async def _choose_command(self, launch: Launch, preloaded: frozenset[str]) -> list[str] | None:
        """Give the program to execute, or None where a fork of the nursery does."""
        if launch.interpreter.language == "nodejs":
            return [launch.interpreter.program, str(BOOTSTRAP)]
        # macOS's system libraries do not survive a fork without exec.
        forkable = (
            sys.platform == "linux"
            and launch.interpreter.ours
            and not any(name.startswith(("PYTHON", "LD_", "DYLD_")) for name in launch.environment)
        )
        if forkable and not (_list_modules(launch.code) & preloaded):
            return None
        interpreter = launch.interpreter
        return [
            interpreter.program,
            "-s",
            _SCRIPT,
            "run",
            str(launch.code),
            str(interpreter.packages),
            launch.handler,
        ]

    async def _send(self, order: Mapping[str, Any], descriptor: int | None) -> None:
        data = json.dumps(order).encode()
        head = len(data).to_bytes(4, "big")
        loop = asyncio.get_running_loop()
        async with self._turn:
            if self._commands is None:
                raise NurseryFailed("the process that starts workers has ended")
            if descriptor is None:
                await loop.sock_sendall(self._commands, head + data)
                return
            while True:
                try:
                    socket.send_fds(self._commands, [head], [descriptor])
                    break
                except BlockingIOError:
                    await _wait_writable(self._commands)
            await loop.sock_sendall(self._commands, data)

    async def _read_messages(
        self, process: asyncio.subprocess.Process, ready: asyncio.Future[Nest]
    ) -> None:
        assert process.stdout is not None
        loop = asyncio.get_running_loop()
        while line := await process.stdout.readline():
            message = json.loads(line)
            if "ready" in message:
                ready.set_result(Nest(frozenset(message["ready"]), message["mounts"]))
            elif "started" in message:
                self._pids[message["started"]] = message["pid"]
                started = self._starting.get(message["started"])
                if started and not started.done():
                    started.set_result(message["pid"])
            elif on_exit := self._exits.pop(message["exited"], None):
                self._pids.pop(message["exited"], None)
                # By the loop: after whoever waits for the start, and errors stay its own.
                loop.call_soon(on_exit, Exit(message["status"], message["peak"]))
        await process.wait()
        self._forget_process(ready)

    def _forget_process(self, ready: asyncio.Future[Nest]) -> None:
        """Tell everyone who waits that the nursery has ended, and its workers with it."""
        if self._commands is not None:
            self._commands.close()
        self._process = self._commands = self._ready = None
        failure = NurseryFailed("the process that starts workers has ended")
        if not ready.done():
            ready.set_exception(failure)
            ready.exception()  # looked at, even if nobody waits for it
        for started in list(self._starting.values()):
            if not started.done():
                started.set_exception(failure)
        for pid in self._pids.values():  # where the system does not do it by itself
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        self._pids.clear()
        exits, self._exits = self._exits, {}
        for on_exit in exits.values():
            asyncio.get_running_loop().call_soon(on_exit, Exit(-signal.SIGKILL, 0))

    async def close(self) -> None:
        """End every worker and the nursery; returns when they are gone."""
        self._closed = True
        if self._commands is not None:
            self._commands.close()  # the end of the stream tells it to end everything
            self._commands = None
        process = self._process
        if process is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(process.wait()), timeout=10)
        except TimeoutError:
            process.kill()
        if self._reader is not None:
            await self._reader


async def _wait_writable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    writable: asyncio.Future[None] = loop.create_future()

    def note_writable() -> None:
        if not writable.done():
            writable.set_result(None)

    loop.add_writer(sock.fileno(), note_writable)
    try:
        await writable
    finally:
        loop.remove_writer(sock.fileno())


def _list_modules(code: Path) -> frozenset[str]:
    """List the top-level names that the code could be imported by."""
    try:
        names = [entry.name for entry in code.iterdir()]
    except OSError:
        return frozenset()
    return frozenset(name.partition(".")[0] for name in names if not name.startswith("__"))
