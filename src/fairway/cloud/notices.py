"""Plain sentences for the user, kept until somebody reads them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

LIMIT = 200


@dataclass(frozen=True, slots=True)
class MissingLink:
    """What to write into fairway.yml: under the `uses` of component, `target: access`."""

    component: str
    target: str
    access: str


@dataclass(frozen=True, slots=True)
class MissingPackage:
    """What to write into the requirements.txt of a component: the package `name`."""

    component: str
    name: str


@dataclass(frozen=True, slots=True)
class KeptNotice:
    """at: epoch milliseconds. link, package: what would help, where one of them would.

    is_fault: whether it is of a fault in the application, which is told as it comes.
    """

    at: int
    text: str
    link: MissingLink | None = None
    package: MissingPackage | None = None
    is_fault: bool = False


class Notices:
    """The last notices, equal ones once."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: dict[str, KeptNotice] = {}
        self._holds: dict[str, Callable[[], bool]] = {}

    def add(self, text: str) -> None:
        """Keep a sentence."""
        self._keep(KeptNotice(int(self._clock() * 1000), text))

    def add_fault(
        self,
        text: str,
        holds: Callable[[], bool],
        link: MissingLink | None = None,
        package: MissingPackage | None = None,
    ) -> None:
        """Keep a sentence about the application, until it holds no more."""
        self._holds[text] = holds
        self._keep(KeptNotice(int(self._clock() * 1000), text, link, package, is_fault=True))

    def forget(self, text: str) -> None:
        """A sentence is not true any more; one that is not kept is no error."""
        self._kept.pop(text, None)
        self._holds.pop(text, None)

    def list(self) -> list[KeptNotice]:
        """All that hold, oldest first; whether they do is asked now."""
        for text, holds in tuple(self._holds.items()):
            if not holds():
                self.forget(text)
        return [*self._kept.values()]

    def _keep(self, notice: KeptNotice) -> None:
        self._kept.setdefault(notice.text, notice)
        while len(self._kept) > LIMIT:
            self.forget(next(iter(self._kept)))
