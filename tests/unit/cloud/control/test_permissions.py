"""Decisions about calls, and what happens while one is made."""

from __future__ import annotations

from collections.abc import Callable, ValuesView

from fairway.cloud.control.permissions import Permissions
from fairway.cloud.edge.model import FixedResponse, Listener, TargetGroup

FUNCTION = "arn:aws:lambda:eu-west-1:000000000000:function:f"


class Groups(dict[str, TargetGroup]):
    """Target groups that tell when a decision looks at them."""

    def __init__(self, looked: Callable[[], None]) -> None:
        super().__init__(g=TargetGroup("g:::::", (FUNCTION,)))
        self._looked = looked

    def values(self) -> ValuesView[TargetGroup]:
        self._looked()
        return super().values()


def make_listener(looked: Callable[[], None]) -> Listener:
    return Listener("l", "balancer", "HTTP", 80, (), FixedResponse(503), Groups(looked))


def test_a_decision_is_made_once() -> None:
    permissions, looks = Permissions(), list[int]()
    listener = make_listener(lambda: looks.append(1))
    for _ in range(3):
        assert not permissions.permit(listener, FUNCTION, b"{}")
    assert len(looks) == 1
    permissions.forget()
    permissions.permit(listener, FUNCTION, b"{}")
    assert len(looks) == 2


def test_what_changes_while_it_is_decided_is_decided_again() -> None:
    permissions, looks = Permissions(), list[int]()

    def change() -> None:
        looks.append(1)
        if len(looks) == 1:
            permissions.forget()  # as a thread of the emulator does

    listener = make_listener(change)
    for _ in range(3):
        permissions.permit(listener, FUNCTION, b"{}")
    assert len(looks) == 2
