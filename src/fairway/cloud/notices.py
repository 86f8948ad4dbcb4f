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
class KeptNotice:
    """at: epoch milliseconds. link: what would help, where a link would."""

    at: int
    text: str
    link: MissingLink | None = None


class Notices:
    """The last notices, equal ones once."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: dict[str, KeptNotice] = {}

    def add(self, text: str, link: MissingLink | None = None) -> None:
        """Keep a sentence."""
        self._kept.setdefault(text, KeptNotice(int(self._clock() * 1000), text, link))
        while len(self._kept) > LIMIT:
            del self._kept[next(iter(self._kept))]

    def list(self) -> list[KeptNotice]:
        """All, oldest first."""
        return list(self._kept.values())
