"""Code archives: files of their own, named by their content, removed when no record names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class CodeBlobs:
    """Makes ministack's own blob files safe against a kill, and cheap to name again.

    It removes files that its records no longer name while it makes a copy of
    its state: before that copy is written anywhere. Here they are removed after.
    """

    def __init__(self, lambda_svc: Any) -> None:
        self._lambda = lambda_svc
        self._prune: Callable[[set[str]], None] = lambda_svc._prune_orphan_code_blobs
        self._write: Callable[[bytes], str] = lambda_svc._write_code_blob
        self._names: dict[int, tuple[bytes, str]] = {}
        self._referenced: set[str] | None = None

    def install(self) -> None:
        """Take the two functions' places."""
        self._lambda._prune_orphan_code_blobs = self._note
        self._lambda._write_code_blob = self._write_once

    def _note(self, referenced: set[str]) -> None:
        self._referenced = set(referenced)
        for key, (_, name) in list(self._names.items()):
            if name not in referenced:
                del self._names[key]

    def _write_once(self, code: bytes) -> str:
        found = self._names.get(id(code))
        if found is None or found[0] is not code:
            found = self._names[id(code)] = (code, self._write(code))
        return found[1]

    def remove_unused(self) -> None:
        """Remove what no record names; call when the records are written."""
        if self._referenced is not None:
            self._prune(self._referenced)
