"""Which application of this user keeps which local port, also while its cloud is stopped."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

BOOK = "ports.json"
"""The port book in an application's `.fairway` directory."""

_PATIENCE = 2.0
_PAUSE = 0.005
_DESPAIR = 60.0
"""Seconds for which a lock that was not to be had is not waited for again."""


def read_book(path: Path) -> dict[str, int]:
    """Names to ports, as a port book has them; empty when it is missing or damaged."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):  # whatever another application wrote
        return {}
    if not isinstance(document, dict):
        return {}
    return {
        str(name): port
        for name, port in document.items()
        if isinstance(port, int) and 0 < port < 65536
    }


def find_folder(variables: Mapping[str, str]) -> Path | None:
    """Where reservations are kept ("XDG Base Directory Specification"); None without a home."""
    named, home = Path(variables.get("XDG_STATE_HOME", "")), Path(variables.get("HOME", ""))
    if named.is_absolute():
        return named / "fairway" / "ports"
    return home / ".local" / "state" / "fairway" / "ports" if home.is_absolute() else None


class Reservations:
    """A folder with one link for each port, to the `.fairway` directory that keeps it.

    A link holds as long as the port book there names its port. So an application that was
    removed or moved away keeps nothing, and nothing has to be given back. folder: made when
    needed; where it is None or cannot be used, nobody keeps anything: that must stop no start.
    """

    def __init__(
        self,
        folder: Path | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder
        self._clock = clock
        self._sleep = sleep
        self._hopeless_until = -math.inf

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Let no other cloud of this user look for ports or take one meanwhile."""
        try:
            descriptor = self._lock()
        except OSError:
            descriptor = None
        try:
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _lock(self) -> int | None:
        if self._folder is None:
            return None
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        began = self._clock()
        patience = _PATIENCE if began >= self._hopeless_until else 0.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if self._clock() - began >= patience:  # held by a process that was stopped, say
                    if patience:
                        self._hopeless_until = self._clock() + _DESPAIR
                    return descriptor
                self._sleep(_PAUSE)
            except OSError:  # some file systems have no locks
                return descriptor

    def list_others(self, directory: Path) -> dict[int, Path]:
        """Ports that others keep, with their directories; call it while holding.

        Links that hold no more are removed.
        """
        kept: dict[int, Path] = {}
        books: dict[Path, set[int]] = {directory: set()}
        with contextlib.suppress(OSError):
            for link in list(os.scandir(self._folder) if self._folder else ()):
                if not link.name.isdecimal() or not link.is_symlink():
                    continue
                port, owner = int(link.name), Path(link.path).readlink()
                if owner not in books:
                    books[owner] = set(read_book(owner / BOOK).values())
                if port in books[owner]:
                    kept[port] = owner
                elif owner != directory:
                    Path(link.path).unlink(missing_ok=True)
        return kept

    def keep(self, port: int, directory: Path) -> None:
        """Note that a directory keeps a port; call it while holding, when its book names it."""
        if self._folder is None:
            return
        link = self._folder / str(port)
        with contextlib.suppress(OSError):
            if not link.is_symlink() or link.readlink() != directory:
                link.unlink(missing_ok=True)
                link.symlink_to(directory)
