"""The note of a denial goes when it is mended."""

from __future__ import annotations

from fairway.cloud.control.denials import Denial, Denials
from fairway.cloud.notices import Notices

CALLER = "arn:aws:sts::000000000000:assumed-role/role/app-reader"
TABLE = "arn:aws:dynamodb:eu-west-1:000000000000:table/app-notes"
DENIAL = Denial(CALLER, "dynamodb:PutItem", TABLE)


class World:
    """A cloud's policies and code, as far as denials ask for them."""

    def __init__(self) -> None:
        self.notices = Notices(clock=lambda: 1.0)
        self.denied = True
        self.revision = "1"
        self.components = {"app-reader": "reader", TABLE: "notes"}
        self.denials = Denials(
            self.notices,
            lambda kind, name: None if kind == "named" else self.components.get(name),
            lambda denial: lambda: self.denied,
            lambda principal: self.revision,
        )

    def count(self) -> int:
        return len(self.notices.list())


def test_it_stays_while_it_holds_and_goes_with_the_policy() -> None:
    world = World()
    world.denials.tell(DENIAL)
    world.revision = "2"
    assert world.count() == 1
    world.denied = False
    assert world.count() == 0
    world.denied = True
    assert world.count() == 0


def test_it_is_told_again_when_it_comes_again() -> None:
    world = World()
    world.denials.tell(DENIAL)
    world.denied = False
    assert world.count() == 0
    world.denied = True
    world.denials.tell(DENIAL)
    assert world.count() == 1


def test_it_goes_when_the_same_call_succeeds() -> None:
    world = World()
    world.denials.tell(DENIAL)
    world.denials.note_allowed(CALLER, "dynamodb:GetItem", TABLE)
    world.denials.note_allowed(CALLER, "dynamodb:PutItem", TABLE + "s")
    assert world.count() == 1
    world.denials.note_allowed(CALLER, "dynamodb:PutItem", TABLE)
    assert world.count() == 0


def test_of_what_is_no_component_it_goes_with_the_code() -> None:
    world = World()
    del world.components[TABLE]
    world.denials.tell(DENIAL)
    assert world.count() == 1
    world.revision = "2"
    assert world.count() == 0


def test_other_notices_stay() -> None:
    world = World()
    world.notices.add("a port moved")
    world.denials.tell(DENIAL)
    world.denied = False
    assert [notice.text for notice in world.notices.list()] == ["a port moved"]
