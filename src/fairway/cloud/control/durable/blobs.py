"""Code archives: files of their own, named by their content, removed when no record names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairway.cloud.control.durable.touch import peek


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
        self._referenced: set[str] = set()

    def install(self) -> None:
        """Take the two functions' places."""
        self._lambda._prune_orphan_code_blobs = self._note
        self._lambda._write_code_blob = self._write_once

    def _note(self, referenced: set[str]) -> None:
        self._referenced = set(referenced)
        kept = self._list_archives()
        for key in self._names.keys() - kept:
            del self._names[key]

    def _list_archives(self) -> set[int]:
        """The identities of all archives: which part is being collected says nothing of others."""
        return {
            id(version.get("code_zip"))
            for record in peek(self._lambda._functions._data).values()
            for version in (record, *record.get("versions", {}).values())
        }

    def _write_once(self, code: bytes) -> str:
        found = self._names.get(id(code))
        if found is None or found[0] is not code:
            found = self._names[id(code)] = (code, self._write(code))
        return found[1]

    def remove_unused(self) -> None:
        """Remove what no record names; call when the records are written, and nothing changes."""
        self._lambda.get_state()  # which names all
        self._prune(self._referenced)
