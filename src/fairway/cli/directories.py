"""Where a command finds fairway.yml when nobody says it: here, or above."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

FILE_NAME = "fairway.yml"
"""That of fairway.define, which loads what validates."""

_TOP = ".git"  # a folder, or a file in a worktree: where a repository begins


def read_owner(path: Path) -> int:
    """The user id of who owns a file or directory."""
    return path.stat().st_uid


def find_directory(here: Path, owner_of: Callable[[Path], int] = read_owner) -> Path:
    """The nearest directory with a fairway.yml, from `here` upward; `here` when there is none.

    A repository is not left, and a file of another user not followed, as in a directory that all
    may write. Given relative to `here`, as places in files are told.
    """
    try:
        inside = here.resolve()
        for directory in (inside, *inside.parents):
            file = directory / FILE_NAME
            if os.path.lexists(file):
                foreign = owner_of(file) not in (0, os.getuid(), owner_of(inside))
                found = directory != inside and not foreign
                return here / os.path.relpath(directory, inside) if found else here
            if os.path.lexists(directory / _TOP):
                break
    except OSError:
        return here  # one that may not be read or is gone: reading the file says so
    return here
