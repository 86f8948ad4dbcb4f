"""Archives and templates that no kept release needs any more are removed, for all applications.

The records of releases stay for good; what can be gone back to are the newest good ones of
each environment.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from fairway.apply.release import Release, parse_release
from fairway.apply.store import Store
from fairway.apply.uploading import template_key
from fairway.bundle.artifact import artifact_key
from fairway.errors import DeploymentFailed
from fairway.plan.given_code import NOTES, CodeNote, parse_note

KEPT = 10  # good releases of each environment
EVERY = 10  # releases between two sweeps: one reads the kept releases of all applications
# What is younger may have been uploaded, or found there, by an apply that runs right now.
GRACE = timedelta(days=1)
_SWEPT = ("artifacts/", "templates/", "definitions/")


def clean_up(store: Store, number: int, now: datetime) -> str:
    """Sweep when it is due after the release of this number; what to tell of it, if anything.

    The release was made: that this fails is told, and is no failure of the apply.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    if not is_due(number):
        return ""
    try:
        gone = sweep(store, now)
    except (BotoCoreError, ClientError, DeploymentFailed) as error:
        return f"old archives could not be cleaned up: {error}"
    return f"removed {len(gone)} old archives and templates" if gone else ""


def is_due(number: int) -> bool:
    """Whether a sweep belongs to the release of this number."""
    return number % EVERY == 0


def sweep(store: Store, now: datetime, kept: int = KEPT) -> list[str]:
    """Remove what no kept release needs; the keys that went.

    Raises DeploymentFailed, with nothing removed, when that cannot be told of an application.
    """
    needed = _find_needed(store, kept)
    gone = [
        key
        for prefix in _SWEPT
        for key, at in store.list_aged(prefix).items()
        if key not in needed and now - at > GRACE
    ]
    store.purge(gone)
    return gone


def _find_needed(store: Store, kept: int) -> set[str]:
    """Keys that the newest good releases of every environment need, and those since the oldest."""
    environments: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for key in store.list("releases/"):
        place, _, name = key.rpartition("/")
        stem, _, ending = name.partition(".")
        if stem.isdecimal() and ending in ("json", "journal"):
            environments[place][int(stem)].append(key)
    # What CloudFormation would go back to may be older than all of these.
    needed = {key for note in _read_notes(store) for key in note.archives.values()}
    for numbers in environments.values():
        good = 0
        for number in sorted(numbers, reverse=True):
            if good >= kept:
                break
            release = _read(store, numbers[number])
            if release is not None:  # of a failed one too: parts of it may be what runs
                needed |= _list_needed(release)
                good += release.is_good
    return needed


def _read_notes(store: Store) -> Iterator[CodeNote]:
    """Notes of code that functions were given past their stacks.

    Raises DeploymentFailed with the key of one that cannot be read: what it needs is not known.
    """
    for key in store.list(NOTES):
        found = store.read(key)
        if found is None:
            continue
        try:
            yield parse_note(found.body)
        except DeploymentFailed as error:
            raise DeploymentFailed(f"{key}: {error.summary}", hint=error.hint) from error


def _read(store: Store, keys: list[str]) -> Release | None:
    """The release of a number; of one that is under way, its journal's."""
    finished = [key for key in keys if key.endswith(".json")]
    found = store.read((finished or keys)[0])
    if found is None:
        return None
    if finished:
        return parse_release(found.body)
    return parse_release(json.dumps(json.loads(found.body)["release"]).encode())


def _list_needed(release: Release) -> set[str]:
    return {
        *(artifact_key(digest) for digest in release.artifacts.values()),
        *(template_key(record.digest) for record in release.stacks.values()),
        f"definitions/{release.definition}.yml",
    }
