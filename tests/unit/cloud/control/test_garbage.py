"""What survives is looked at once; cycles among it wait for a quiet time."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from fairway.cloud.control.garbage import Garbage


class Node:
    """Something that can be in a cycle."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def garbage() -> Iterator[Garbage]:
    before = gc.get_threshold()
    made = Garbage()
    made.install()
    yield made
    made.close()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_what_survives_is_not_looked_at_again(garbage: Garbage) -> None:
    rows = [{"id": {"S": str(n)}} for n in range(1000)]
    gc.collect()
    assert garbage.set_aside >= 1
    assert not {id(row) for row in rows} & {id(each) for each in gc.get_objects()}


def test_cycles_of_the_time_between_are_freed_at_once(garbage: Garbage) -> None:
    gone = weakref.ref(Node())
    gc.collect()
    assert gone() is None


def test_cycles_that_were_set_aside_are_freed_in_a_quiet_time(garbage: Garbage) -> None:
    node = Node()
    for _ in range(60):
        gc.collect()
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is not None
    for _ in range(99):
        garbage.tick(False)
    garbage.tick(True)  # not quiet after all
    for _ in range(99):
        garbage.tick(False)
    assert gone() is not None
    garbage.tick(False)
    assert gone() is None
    assert garbage.set_aside <= 1


def test_a_load_that_never_pauses_does_not_keep_them_for_ever(garbage: Garbage) -> None:
    node = Node()
    gc.collect()
    gone = weakref.ref(node)
    del node
    for _ in range(98):
        gc.collect()
        garbage.tick(True)
    assert gone() is not None
    gc.collect()
    garbage.tick(True)
    assert gone() is None
