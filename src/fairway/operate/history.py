"""What was released: every apply, rollback, promotion and removal, as they were recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from fairway.apply import Release
from fairway.apply.journal import Step, list_journals, read_journal
from fairway.apply.lock import HeldLock, is_alive, read_lock
from fairway.apply.release import list_releases, read_release
from fairway.apply.store import Store, find_store
from fairway.aws import Aws
from fairway.define import App
from fairway.errors import FairwayError
from fairway.plan import Plan

_AT_ONCE = 8  # objects read side by side


@dataclass(frozen=True)
class History:
    """Releases, the newest first. current: the number of the one that runs; lock: who applies.

    more: how many older ones there are.
    """

    releases: tuple[Release, ...]
    current: int | None
    lock: HeldLock | None
    more: int = 0


def read_history(app: App, aws: Aws, most: int) -> History:
    """The newest releases of an application in its environment."""
    store = find_store(aws)
    if store is None:
        return History((), None, None)
    lock = read_lock(store, app.name, app.environment)
    done, unfinished = list_journals(store, app.name, app.environment)
    newest = sorted([*done, *unfinished], reverse=True)[:most]
    begun = set(unfinished)

    def read(number: int) -> Release | None:
        if number in begun:
            found = read_journal(store, app.name, app.environment, number)
            return found[0] if found else None
        return read_release(store, app.name, app.environment, number)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        releases = tuple(r for r in pool.map(read, newest) if r is not None)
    if begun and (lock is None or not is_alive(lock.lock.holder)):
        lock = read_lock(store, app.name, app.environment)  # one that began only now has it
    more = len(done) + len(unfinished) - len(newest)
    return History(releases, find_current(releases), lock, more)


def find_killed(history: History) -> frozenset[int]:
    """Releases that were begun, and that nobody is at any more; the next apply ends them."""
    running = {r.number for r in history.releases if r.outcome == "running"}
    if history.lock is not None and is_alive(history.lock.lock.holder):
        running -= {max(running, default=0)}  # one at a time holds the lock
    return frozenset(running)


def may_go_back(history: History, plan: Callable[[], Plan]) -> bool:
    """Whether a rollback would find a release to go back to, and change something.

    plan: makes the plan of one, and raises FairwayError where there is none. It is asked unless
    the releases that were read say that there can be none: two good ones may be the same, with a
    removal between, and what an earlier one was made of may not be kept any more.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if history.lock is not None and is_alive(history.lock.lock.holder):
        return False  # refused until that is done
    good = [release.is_good for release in history.releases]
    if not history.more and not any(good[1:]):
        return False
    try:
        return not plan().is_empty
    except (FairwayError, ClientError, BotoCoreError):  # also who may read, but not plan
        return False


def find_current(releases: Sequence[Release]) -> int | None:
    """The newest that succeeded, unless it removed the application; releases: newest first."""
    for release in releases:
        if release.outcome == "succeeded":
            return release.number if release.is_good else None
    return None


def read_one(app: App, aws: Aws, number: int) -> tuple[Release, list[Step]]:
    """One release and its steps. Raises FairwayError when there is none of this number."""
    store = find_store(aws)
    if store is not None:
        release = read_release(store, app.name, app.environment, number)
        found = read_journal(store, app.name, app.environment, number)
        if release is not None:
            return release, found[1] if found else []
        if found is not None:
            return found
    raise FairwayError(
        f"{app.name} has no release {number} in {app.environment}",
        hint="`fairway history` lists them",
    )


def read_good(store: Store, app: str, environment: str) -> Iterator[Release]:
    """Releases that can be gone back to, the newest first, each read when it is asked for."""
    for number in reversed(list_releases(store, app, environment)):
        release = read_release(store, app, environment, number)
        if release is not None and release.is_good:
            yield release
