"""How AWS is asked about what takes its time: soon at first, then ever more seldom."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


class Interrupted(Exception):
    """Nobody waits for the outcome any more; CloudFormation goes on by itself."""


@dataclass(frozen=True)
class Pace:
    """Pauses between questions: the first, what each is longer than the last, the longest; seconds.

    patience: seconds of pauses after which no more is asked. stop: set to end all waiting with
    Interrupted.
    """

    first: float = 0.005
    growth: float = 1.5
    longest: float = 3.0
    patience: float = math.inf
    stop: threading.Event = field(default_factory=threading.Event)

    def beats(self) -> Iterator[int]:
        """Yield before each question, having waited as long as is due."""
        delay, waited = self.first, 0.0
        for beat in itertools.count():
            if waited >= self.patience:
                return
            yield beat
            if self.stop.wait(delay):
                raise Interrupted
            waited += delay
            delay = min(delay * self.growth, self.longest)
