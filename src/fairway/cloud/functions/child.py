"""The processes that run users' code. A script of its own: it imports nothing of Fairway.

``child.py run CODE PACKAGES HANDLER`` becomes the official runtime client.
``child.py nursery PACKAGES COMMANDS`` imports what nearly every function needs
once, and forks a worker per command that arrives on the socket COMMANDS (a
descriptor): four bytes of length, then JSON; a start carries the worker's log
pipe as ancillary data. It answers on stdout, one JSON object a line: ready,
started, exited. At the end of the command stream it kills every worker and
what they left running, and ends. So no worker outlives the cloud, however that
ends; on Linux none outlives a killed nursery either.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

# What awslambdaric and boto3 import. Not awslambdaric's own modules: they read
# the environment when they are imported, and a worker's is not known yet.
PRELOADED = (
    "concurrent.futures.thread",
    "decimal",
    "http.client",
    "logging",
    "simplejson",
    "snapshot_restore_py",
    "boto3.session",
    "boto3.resources.factory",
    "boto3.dynamodb.conditions",
    "boto3.dynamodb.transform",
    "botocore.client",
    "botocore.endpoint",
    "botocore.httpsession",
    "botocore.regions",
    "botocore.retries.standard",
    "botocore.signers",
)
_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36
_NEW_MOUNTS = 0x00020000
_NEW_USER = 0x10000000
_BIND = 0x1000
_PRIVATE_ALL = 0x4000 | (1 << 18)


def arrange_path(code: str | None, packages: str) -> None:
    """Search the code, then what Lambda's runtime brings, then the standard library; no more.

    A package that is only installed beside Fairway is missing here as it would
    be on Lambda. PYTHONPATH, when the function declares it, comes after its code.
    """
    declared = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    roots = tuple(os.path.realpath(p) + os.sep for p in (sys.base_prefix, sys.base_exec_prefix))
    library = [
        entry
        for entry in sys.path
        if os.path.realpath(entry).startswith(roots)
        and "site-packages" not in entry
        and "dist-packages" not in entry
        and entry not in declared
    ]
    sys.path[:] = ([code] if code else []) + declared + [packages, *library]


def run_runtime(code: str, packages: str, handler: str) -> NoReturn:
    """Run awslambdaric as ``python -m awslambdaric HANDLER`` would, in this process.

    But for one thing: for Python 3.12 and later it would ask for each invocation in a thread that
    it starts for that, so that the main thread can take signals meanwhile. Nobody sends a worker
    a signal that it could take, and the thread costs more than all else that the client does.
    """
    arrange_path(code, packages)
    sys.argv = ["awslambdaric", handler]
    with contextlib.suppress(ImportError):  # the code may bring a client that has no such thread
        from awslambdaric.lambda_config import LambdaConfigProvider

        LambdaConfigProvider.SUPPORTED_THREADPOLLING_ENVS = frozenset()
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
    sys.exit(0)


def _call_prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _mount_temporary(folder: str) -> bool:
    """Make a directory this process's /tmp, seen by it and its children alone (Linux).

    Needs no privilege where the system lets users have namespaces; false where it does not.
    """
    if sys.platform != "linux":
        return False
    import ctypes

    library = ctypes.CDLL(None)
    user, group = os.getuid(), os.getgid()
    if library.unshare(_NEW_MOUNTS) != 0:
        if library.unshare(_NEW_MOUNTS | _NEW_USER) != 0:
            return False
        try:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        except OSError:
            return False
    if library.mount(None, b"/", None, _PRIVATE_ALL, None) != 0:
        return False
    return bool(library.mount(folder.encode(), b"/tmp", None, _BIND, None) == 0)


def _can_mount() -> bool:
    """Whether workers can have a /tmp of their own: tried once, in a fork."""
    if sys.platform != "linux":
        return False
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if _mount_temporary("/tmp") else 1)  # noqa: S108
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def _say(**message: Any) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def _become_worker(order: dict[str, Any], log: int, commands: socket.socket, parent: int) -> None:
    """Turn a fresh fork into a worker: own session, descriptors, directory, environment."""
    os.setsid()
    _call_prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    commands.detach()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.closerange(3, 4096)
    if order["tmp"] and not _mount_temporary(order["tmp"]):
        raise OSError("its /tmp could not be mounted")
    os.chdir(order["cwd"])
    if order["argv"]:
        os.execve(order["argv"][0], order["argv"], order["env"])  # noqa: S606 - no shell wanted
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    _open_streams()


def _open_streams() -> None:
    """Give the fork the text streams that a new interpreter would have on a pipe."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    into = os.fdopen(0, encoding="utf-8", closefd=False)
    out = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    err = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.stdin = sys.__stdin__ = into  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = out  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = err  # type: ignore[misc]


def _receive_order(commands: socket.socket) -> tuple[dict[str, Any] | None, int]:
    """Read one command and the descriptor that came with its first byte, if one did."""
    head, descriptors, _, _ = socket.recv_fds(commands, 4, 1)
    data = b""
    size = -1
    while True:
        if size < 0 and len(head) == 4:
            size = int.from_bytes(head, "big")
        if size >= 0 and len(data) == size:
            return json.loads(data), descriptors[0] if descriptors else -1
        chunk = commands.recv(4 - len(head) if size < 0 else size - len(data))
        if not chunk:
            return None, -1
        if size < 0:
            head += chunk
        else:
            data += chunk


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _kill_worker(pid: int) -> None:
    """Kill a worker that has not been waited for, with its group if it leads one already."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def _reap(workers: dict[int, int]) -> None:
    """Report every worker that has ended and end what it left in its process group."""
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        worker = workers.pop(pid, None)
        if worker is None:
            continue  # an orphan of some worker, adopted by us
        _kill_group(pid)
        unit = 1024 if sys.platform == "darwin" else 1
        peak = usage.ru_maxrss // unit
        _say(exited=worker, status=os.waitstatus_to_exitcode(status), peak=peak)


def _start_worker(
    order: dict[str, Any], log: int, commands: socket.socket, workers: dict[int, int]
) -> bool:
    """Fork a worker; true in the worker itself."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become_worker(order, log, commands, parent)
        except BaseException as error:
            os.write(2, f"the worker did not start: {error}\n".encode())
            os._exit(127)
        return True
    os.close(log)
    workers[pid] = order["id"]
    _say(started=order["id"], pid=pid)
    return False


def _serve_orders(commands: socket.socket, wake: int) -> dict[str, Any] | None:
    """Obey until the command stream ends; returns the order in a forked worker."""
    workers: dict[int, int] = {}
    while True:
        readable, _, _ = select.select([commands.fileno(), wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
            _reap(workers)
        if commands.fileno() not in readable:
            continue
        order, log = _receive_order(commands)
        if order is None:
            _end_everything(workers)
            return None
        if "kill" in order:
            for pid in [p for p, worker in workers.items() if worker == order["kill"]]:
                _kill_worker(pid)
        elif _start_worker(order, log, commands, workers):
            return order


def _end_everything(workers: dict[int, int]) -> None:
    """Kill the workers, then (Linux) the orphans that left their groups and came to us."""
    for pid in workers:
        _kill_worker(pid)
    for pid in workers:
        os.waitpid(pid, 0)
        _kill_group(pid)
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    while children.exists():
        orphans = [int(pid) for pid in children.read_text().split()]
        if not orphans:
            return
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _preload() -> None:
    for name in PRELOADED:
        try:
            importlib.import_module(name)
        except ImportError:
            continue  # the worker imports it itself, or says that it cannot
    gc.collect()
    gc.freeze()  # so that a worker's collections do not copy these pages


def _yield_to_cloud() -> None:
    """Let a worker that is woken wait until the cloud, which woke it, pauses (Linux).

    Otherwise the cloud stops in the middle of every answer for the worker that it has just given
    something to do, and others wait for both. Workers inherit it; see sched(7), SCHED_BATCH.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a container may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def run_nursery(packages: str, commands_fd: int) -> None:
    """Preload, then serve orders; in a forked worker, run the function's runtime."""
    arrange_path(None, packages)
    if sys.platform == "linux":  # elsewhere nothing is forked, see nursery.py
        _preload()
    _call_prctl(_SET_CHILD_SUBREAPER, 1)
    _yield_to_cloud()
    wake, poke = os.pipe()
    for descriptor in (wake, poke):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _say(ready=sorted({name.partition(".")[0] for name in sys.modules}), mounts=_can_mount())
    with socket.socket(fileno=commands_fd) as commands:
        order = _serve_orders(commands, wake)
    if order is not None:
        run_runtime(order["code"], packages, order["handler"])


if __name__ == "__main__":
    if sys.argv[1] == "nursery":
        run_nursery(sys.argv[2], int(sys.argv[3]))
    else:
        run_runtime(*sys.argv[2:5])
