"""The collector of cyclic garbage, kept from looking at every row again and again.

Python looks through all objects when a quarter as many are new: with 100,000
rows in memory that stops the loop for tens of milliseconds, many times while
rows are written. Rows hold no cycles and are freed without it. So whatever has
survived a full collection is set aside, and the next looks at what is new only.
Cycles that were alive then and end later, such as connections, wait until the
cloud has been quiet for a while, or too much has been set aside.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping

_THRESHOLDS = (2_000, 10, 1)
"""A full collection at the latest after so many net allocations, multiplied: about 20,000."""

_QUIET = 100
"""Ticks without a change after which a pause disturbs nobody."""

_WORTH = 50
"""Full collections since everything was looked at: about a million objects set aside."""

_ENOUGH = 100
"""The same, after which everything is looked at even while busy, so that no load leaks."""


class Garbage:
    """Sets aside what survives. Install once; `close` gives the collector back as it was."""

    def __init__(self) -> None:
        self._before = gc.get_threshold()
        self._quiet = 0
        self.set_aside = 0

    def install(self) -> None:
        """Begin; what is there now is set aside."""
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        gc.callbacks.append(self._follow)

    def close(self) -> None:
        """End."""
        gc.callbacks.remove(self._follow)
        gc.set_threshold(*self._before)
        gc.unfreeze()

    def _follow(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "stop" and info["generation"] == 2:
            gc.freeze()
            self.set_aside += 1

    def tick(self, changed: bool) -> None:
        """Call regularly: looks through everything when it is quiet and worth it, or overdue."""
        self._quiet = 0 if changed else self._quiet + 1
        is_time = self._quiet >= _QUIET and self.set_aside >= _WORTH
        if is_time or self.set_aside >= _ENOUGH:
            gc.unfreeze()
            gc.collect()
            self.set_aside = self._quiet = 0
