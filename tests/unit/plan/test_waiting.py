"""How often is asked, and what ends it."""

from __future__ import annotations

import itertools

import pytest

from fairway.plan.waiting import Interrupted, Pace


def test_patience_is_of_the_pauses() -> None:
    """They are 1, 2, 2 ... thousandths of a second: after three of them 4 are over."""
    pace = Pace(first=0.001, growth=2, longest=0.002, patience=0.004)
    assert list(pace.beats()) == [0, 1, 2]


def test_without_patience_it_never_asks() -> None:
    assert list(Pace(patience=0).beats()) == []


def test_it_goes_on_until_it_is_stopped() -> None:
    pace = Pace(first=0)
    beats = pace.beats()
    assert list(itertools.islice(beats, 20)) == list(range(20))
    pace.stop.set()
    with pytest.raises(Interrupted):
        next(beats)
