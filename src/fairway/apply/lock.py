"""The lock: one apply at a time in an environment, held by an object in the artifact bucket."""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from fairway.apply.store import Store
from fairway.errors import DeploymentFailed


class LockHeld(DeploymentFailed):
    """Somebody else applies; the summary says who, and since when."""

    code = "lock-held"


@dataclass(frozen=True)
class Holder:
    """A process that applies.

    machine: tells this boot of this machine (and its namespace of processes) from any other.
    process: the process's start in the machine's ticks, so that a pid used again is another.
    """

    actor: str
    host: str
    machine: str
    pid: int
    process: str


@dataclass(frozen=True)
class Lock:
    """A lock as it lies in the bucket. since: ISO 8601, UTC."""

    id: str
    app: str
    environment: str
    verb: str
    since: str
    holder: Holder

    @property
    def key(self) -> str:
        """Where it lies."""
        return lock_key(self.app, self.environment)


@dataclass(frozen=True)
class HeldLock:
    """A lock and the tag of its object."""

    lock: Lock
    etag: str


IsAlive = Callable[[Holder], bool]
LOCKS = "locks/"
"""What the keys of all locks begin with."""


def lock_key(app: str, environment: str) -> str:
    """Where the lock of an environment lies in the artifact bucket."""
    return f"{LOCKS}{app}/{environment}.json"


def find_holder(actor: str) -> Holder:
    """The process that runs this."""
    pid = os.getpid()
    return Holder(actor, socket.gethostname(), _find_machine(), pid, _find_start(pid))


def is_alive(holder: Holder) -> bool:
    """Whether a holder may still run; one on another machine may."""
    if not holder.machine or holder.machine != _find_machine():
        return True
    return _find_start(holder.pid) == holder.process


def _find_machine() -> str:
    """Empty where the system does not tell: then nobody is said to be dead."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _find_start(pid: int) -> str:
    """The start of a process: field 22 of proc_pid_stat(5); empty for one that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


def read_lock(store: Store, app: str, environment: str) -> HeldLock | None:
    """The lock of an environment, or None when nobody holds it."""
    found = store.read(lock_key(app, environment))
    if found is None:
        return None
    content = json.loads(found.body)
    return HeldLock(Lock(**{**content, "holder": Holder(**content["holder"])}), found.etag)


def take_lock(
    store: Store,
    app: str,
    environment: str,
    verb: str,
    holder: Holder,
    now: datetime,
    alive: IsAlive = is_alive,
) -> tuple[HeldLock, Lock | None]:
    """Take the lock; also the lock of a dead process that it was taken from, if it was.

    Raises LockHeld with the holder, since when, and how to break it.
    """
    lock = Lock(
        uuid.uuid4().hex[:8], app, environment, verb, now.isoformat(timespec="seconds"), holder
    )
    body = json.dumps(asdict(lock), indent=1).encode()
    while True:
        etag = store.create_tagged(lock.key, body)
        if etag is not None:
            return HeldLock(lock, etag), None
        held = read_lock(store, app, environment)
        if held is None:
            continue  # released meanwhile
        if alive(held.lock.holder):
            raise explain_lock(held.lock, now)
        etag = store.replace(lock.key, body, held.etag)
        if etag is not None:
            return HeldLock(lock, etag), held.lock


def release_lock(store: Store, held: HeldLock) -> None:
    """Give the lock back; one that was broken and taken by another stays the other's."""
    store.remove_same(held.lock.key, held.etag)


def break_lock(store: Store, app: str, environment: str, identity: str) -> Lock | None:
    """Remove the lock with this id; None when there is none. Raises LockHeld for another's."""
    held = read_lock(store, app, environment)
    if held is None:
        return None
    if held.lock.id != identity:
        raise LockHeld(
            f"the lock of {app} in {environment} is {held.lock.id}, not {identity}",
            hint=f"to break it all the same: {tell_break(held.lock)}",
        )
    store.remove_same(held.lock.key, held.etag)
    return held.lock


def tell_break(lock: Lock, service: str = "") -> str:
    """The command that breaks a lock; service: which one's, to be run in its root."""
    which = f" --service {service}" if service else ""
    return f"fairway unlock{which} -e {lock.environment} --break {lock.id}"


def explain_lock(lock: Lock, now: datetime) -> LockHeld:
    """Who holds it, since when, and how to break it."""
    holder = lock.holder
    since = datetime.fromisoformat(lock.since)
    minutes = int((now - since).total_seconds() // 60)
    ago = f"{minutes} min ago" if minutes else "just now"
    return LockHeld(
        f"{holder.actor} is changing {lock.app} in {lock.environment}: `fairway {lock.verb}` "
        f"as process {holder.pid} on {holder.host}, since {lock.since} ({ago}); "
        "nothing was changed",
        hint=f"wait for it; if it is dead for certain: {tell_break(lock)}",
    )
