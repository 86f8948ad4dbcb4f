"""How often CloudFormation is asked for an answer that takes its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

Pause = Callable[[float], None]

# Seconds: the first pause, its growth, and the longest.
_FIRST, _GROWTH, _LONGEST = 0.05, 1.5, 5.0


def pause_between(pause: Pause, patience: float) -> Iterator[None]:
    """Yield before each question, pausing between them; ends after `patience` seconds of pauses."""
    delay, waited = _FIRST, 0.0
    while waited < patience:
        yield
        pause(delay)
        waited += delay
        delay = min(delay * _GROWTH, _LONGEST)
