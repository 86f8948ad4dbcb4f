"""Patterns for the folders of services, and what they find."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePath

from fairway.diagnostics import Diagnostic, Place

_LEFT_OUT = ("__pycache__", "node_modules")


@dataclass(frozen=True)
class Pattern:
    """A pattern for the folders of services, like `services/*`: a name each level."""

    text: str
    place: Place

    @cached_property
    def steps(self) -> tuple[str, ...]:
        """Its levels."""
        return tuple(step for step in self.text.split("/") if step not in ("", "."))

    @property
    def is_sound(self) -> bool:
        """Whether it can be followed; what is wrong with others the file's own check says."""
        return not self.text.startswith("/") and ".." not in self.steps and "**" not in self.text

    def matches(self, folder: PurePath) -> bool:
        """Whether it names a folder, given relative to the root."""
        names = folder.parts
        return len(names) == len(self.steps) and all(map(_fits, names, self.steps))

    def find_folders(self, root: Path) -> tuple[list[PurePath], list[Diagnostic]]:
        """The folders below the root that it names, in order, relative to the root.

        Also those that cannot be listed: what it names may be in them.
        """
        found, problems = [PurePath()], []
        for step in self.steps:
            below = []
            for folder in found:
                try:
                    below += [folder / name for name in _list_names(root / folder, step)]
                except OSError as error:
                    problems.append(self._explain_unlisted(folder, error))
            found = below
        return [folder for folder in found if folder.parts], problems

    def _explain_unlisted(self, folder: PurePath, error: OSError) -> Diagnostic:
        return Diagnostic(
            "unreadable-file",
            f"'{folder}' cannot be looked through for '{self.text}': {error.strerror or error}",
            self.place,
            "make it a folder that you may read, or name the services one by one",
        )


def _fits(name: str, step: str) -> bool:
    if name == step:
        return True
    return not name.startswith(".") and name not in _LEFT_OUT and fnmatchcase(name, step)


def _list_names(folder: Path, step: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if _fits(e.name, step) and _may_be_folder(e))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _may_be_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is one; what reads it says why it cannot be told of a link."""
    try:
        return entry.is_dir()
    except OSError as error:
        return error.errno != errno.ELOOP  # a link to itself leads nowhere
