"""The folder beside an application in which Fairway keeps what is not its source."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

STATE_DIRECTORY = ".fairway"


def make_state_directory(path: Path) -> None:
    """Make the folder, or one below it, as far as it is not there. Raises OSError.

    When the folder itself is made, git is told to leave it alone ("gitignore", a file in the
    folder counts too): whoever checks out a repository and looks at it must not commit it.
    """
    place = next((p for p in (path, *path.parents) if p.name == STATE_DIRECTORY), None)
    is_new = place is not None and not place.exists()
    path.mkdir(parents=True, exist_ok=True)
    if place is None or not is_new:
        return
    with suppress(FileExistsError), (place / ".gitignore").open("x", encoding="utf-8") as file:
        file.write("*\n")
