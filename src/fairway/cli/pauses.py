"""Pauses between questions for log lines: asking takes a fifth of the time at most.

`plan.waiting.Pace` is for what comes to an end, and asks ever more seldom. Lines come for as long
as somebody reads them, so the pause follows from what asking costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

SHORTEST = 0.4
"""Seconds; of an application by itself, whose questions take milliseconds."""

_SHARE = 5


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return True


@dataclass
class Pauses:
    """Waits between questions, for longer when there is more to ask, as in a root of services.

    sleep: waits so many seconds, and says whether to go on. shortest: in seconds.
    """

    sleep: Callable[[float], bool] = _sleep
    shortest: float = SHORTEST
    now: Callable[[], float] = time.monotonic
    _since: float = field(default=0.0)

    def __post_init__(self) -> None:
        self._since = self.now()

    def wait(self) -> bool:
        """Pause, and say whether to go on."""
        asking = self.now() - self._since
        going_on = self.sleep(max(self.shortest, asking * (_SHARE - 1)))
        self._since = self.now()
        return going_on
