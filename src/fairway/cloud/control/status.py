"""What the local cloud says of itself: the parts of the status document."""

from __future__ import annotations

from typing import Any

from fairway.cloud.control import patches
from fairway.cloud.control.coverage import RECORDED
from fairway.cloud.control.emulator import Emulator
from fairway.cloud.control.reconcile import OpenPort
from fairway.cloud.functions.runtime import FunctionStatus


def describe_engine(emulator: Emulator) -> str:
    """Whether stacks can be worked on: "ready", "starting" or why not."""
    if emulator.engine_failure is not None:
        return f"failed: {emulator.engine_failure!r}"
    return "ready" if emulator.engine_ready.is_set() else "starting"


def describe_function(found: FunctionStatus) -> dict[str, Any]:
    """A function and its workers."""
    return {
        "arn": found.arn,
        "name": found.name,
        "workers": found.workers,
        "busy": found.busy,
        "queued": found.queued,
        "bound": found.bound,
        "pids": list(found.pids),
    }


def describe_port(found: OpenPort) -> dict[str, Any]:
    """A listener and where it answers on this machine."""
    return {
        "name": found.name,
        "owner": found.owner,
        "port": found.port,
        "local_port": found.local,
        "url": f"{found.scheme}://127.0.0.1:{found.local}",
    }


def list_recorded(emulator: Emulator) -> dict[str, str]:
    """The deployed types that are only records, with what that means."""
    if not emulator.engine_ready.is_set():
        return {}
    kinds = patches.list_deployed_types()
    return {kind: RECORDED[kind] for kind in sorted(kinds) if kind in RECORDED}
