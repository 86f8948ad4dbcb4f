"""How handlers and extensions sit in the engine's table: a fake engine, real closures."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import pytest

from fairway.cloud.control.resources.registry import (
    Extension,
    Handler,
    call_api,
    extend_handlers,
    install_handlers,
    watch_handlers,
)


class FakeEngine:
    """The members of ministack's provisioners module that are used."""

    def __init__(self) -> None:
        self.things: dict[str, dict[str, Any]] = {}
        self._NAME_SEED: ContextVar[str] = ContextVar("seed", default="")
        self._STACK_TAG_PROPERTY: dict[str, tuple[str, str]] = {}
        self._RESOURCE_HANDLERS: dict[str, dict[str, Any]] = {
            "T": {"create": self.create, "delete": self.delete}
        }

    def create(self, logical_id: str, props: dict[str, Any], stack: str) -> Any:
        name = f"{stack}-{logical_id}"
        self.things[name] = props
        return name, {"Arn": "arn"}

    def delete(self, physical_id: str, props: dict[str, Any]) -> None:
        self.things.pop(physical_id, None)


def test_a_refused_check_creates_nothing() -> None:
    engine = FakeEngine()

    def check(props: dict[str, Any]) -> None:
        raise ValueError("no")

    extend_handlers(engine, {"T": Extension(check=check)})
    with pytest.raises(ValueError, match="no"):
        engine._RESOURCE_HANDLERS["T"]["create"]("L", {}, "s")
    assert engine.things == {}


def test_a_failed_apply_takes_the_resource_back() -> None:
    engine = FakeEngine()

    def apply(*args: Any) -> None:
        raise ValueError("later")

    extend_handlers(engine, {"T": Extension(apply=apply)})
    with pytest.raises(ValueError, match="later"):
        engine._RESOURCE_HANDLERS["T"]["create"]("L", {}, "s")
    assert engine.things == {}


def test_several_families_extend_one_type_in_turn() -> None:
    engine = FakeEngine()
    seen: list[tuple[str, object]] = []

    def note(name: str) -> Any:
        def apply(
            physical_id: str, props: Any, old: Any, stack: str, logical_id: str
        ) -> dict[str, Any]:
            seen.append((name, old))
            return {name: physical_id}

        return apply

    extend_handlers(engine, {"T": Extension(apply=note("a"))})
    extend_handlers(engine, {"T": Extension(apply=note("b"))})
    handler = engine._RESOURCE_HANDLERS["T"]
    assert handler["create"]("L", {}, "s") == ("s-L", {"Arn": "arn", "a": "s-L", "b": "s-L"})
    handler["update"]("s-L", {"x": 1}, {"x": 2}, "s", "L")
    assert seen == [("a", None), ("b", None), ("a", {"x": 1}), ("b", {"x": 1})]


def test_a_guard_keeps_the_resource() -> None:
    engine = FakeEngine()

    def guard(physical_id: str, props: dict[str, Any]) -> None:
        raise ValueError("protected")

    extend_handlers(engine, {"T": Extension(guard=guard)})
    handler = engine._RESOURCE_HANDLERS["T"]
    handler["create"]("L", {}, "s")
    with pytest.raises(ValueError, match="protected"):
        handler["delete"]("s-L", {}, "L")
    assert "s-L" in engine.things


def test_watched_handlers_tell_even_when_they_fail_and_draw_seeds() -> None:
    engine = FakeEngine()
    seeds: list[str] = []
    calls: list[int] = []

    def create(logical_id: str, props: dict[str, Any], stack: str) -> Any:
        seeds.append(engine._NAME_SEED.get())
        if props:
            raise ValueError("x")
        return "id", {}

    def update(*args: Any) -> Any:
        return "id", {}

    install_handlers(engine, {"N": Handler(create, update, engine.delete, tags="Tags")})
    assert engine._STACK_TAG_PROPERTY == {"N": ("Tags", "list")}
    watch_handlers(engine, lambda: calls.append(1))
    handler = engine._RESOURCE_HANDLERS["N"]
    for props in ({}, {"bad": 1}):
        engine._NAME_SEED.set("")
        if props:
            with pytest.raises(ValueError, match="x"):
                handler["create"]("L", props, "s")
        else:
            handler["create"]("L", props, "s")
    assert len(calls) == 2
    assert len(set(seeds)) == 2
    engine._NAME_SEED.set("kept")
    handler["create"]("L", {}, "s")
    assert seeds[-1] == "kept"


def test_refusals_of_services_are_raised() -> None:
    call_api((200, {}, b""), "Thing")
    with pytest.raises(ValueError, match="Thing: bad"):
        call_api((400, {}, b"bad"), "Thing")
