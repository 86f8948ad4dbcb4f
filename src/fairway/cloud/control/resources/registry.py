"""How our resource handlers meet ministack's CloudFormation engine.

The engine keeps a table of handlers per type. A family of ours either brings a
whole handler, or an extension that runs around ministack's: `check` before a
create or update may refuse, `apply` after it stores what ministack drops.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Properties = dict[str, Any]
Provisioned = tuple[str, dict[str, Any]]


class Create(Protocol):
    """Make a resource. Raises ValueError with AWS's message to refuse."""

    def __call__(self, logical_id: str, props: Properties, stack: str) -> Provisioned:
        """Answer the physical id and the attributes."""
        ...


class Update(Protocol):
    """Change a resource in place, or answer another physical id when it was replaced."""

    def __call__(
        self,
        physical_id: str,
        old: Properties,
        new: Properties,
        stack: str,
        logical_id: str | None = None,
    ) -> Provisioned:
        """Answer the physical id and the attributes."""
        ...


class Delete(Protocol):
    """Remove a resource; one that is gone already is no error."""

    def __call__(self, physical_id: str, props: Properties) -> None:
        """Remove it."""


@dataclass(frozen=True, slots=True)
class Handler:
    """All that a type can do. tags: the property that takes stack-level tags, if any."""

    create: Create
    update: Update
    delete: Delete
    tags: str | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    """What is added to ministack's handler of a type.

    check(props): before create and update. apply(physical_id, props, old,
    stack, logical_id): after them, `old` is None at creation; may answer
    further attributes. guard(physical_id, props): before delete.
    """

    check: Callable[[Properties], None] | None = None
    apply: (
        Callable[[str, Properties, Properties | None, str, str], dict[str, Any] | None] | None
    ) = None
    guard: Callable[[str, Properties], None] | None = None
    tags: str | None = None


def install_handlers(engine: Any, handlers: dict[str, Handler]) -> None:
    """Put handlers into the table of ministack's provisioners module."""
    table = engine._RESOURCE_HANDLERS
    for kind, handler in handlers.items():
        table[kind] = {
            "create": handler.create,
            "update": handler.update,
            "update_with_logical_id": True,
            "delete": handler.delete,
        }
        if handler.tags:
            engine._STACK_TAG_PROPERTY[kind] = (handler.tags, "list")


def extend_handlers(engine: Any, extensions: dict[str, Extension]) -> None:
    """Put extensions around handlers; a type may be extended by several families in turn."""
    table = engine._RESOURCE_HANDLERS
    for kind, extension in extensions.items():
        table[kind] = _extend(table[kind], extension)
        if extension.tags:
            engine._STACK_TAG_PROPERTY[kind] = (extension.tags, "list")


def _extend(handler: dict[str, Any], extension: Extension) -> dict[str, Any]:
    inner = dict(handler)

    def create(logical_id: str, props: Properties, stack: str) -> Provisioned:
        if extension.check:
            extension.check(props)
        physical_id, attributes = inner["create"](logical_id, props, stack)
        try:
            return _applied(physical_id, attributes, props, None, stack, logical_id)
        except Exception:
            _remove(inner, physical_id, props, logical_id)
            raise

    def update(
        physical_id: str,
        old: Properties,
        new: Properties,
        stack: str,
        logical_id: str | None = None,
    ) -> Provisioned:
        if extension.check:
            extension.check(new)
        name = logical_id or physical_id
        if "update" not in inner:
            found, attributes = inner["create"](name, new, stack)
        elif inner.get("update_with_logical_id"):
            found, attributes = inner["update"](physical_id, old, new, stack, logical_id)
        else:
            found, attributes = inner["update"](physical_id, old, new, stack)
        before = old if found == physical_id else None
        return _applied(found, attributes, new, before, stack, name)

    def _applied(
        physical_id: str,
        attributes: dict[str, Any],
        props: Properties,
        old: Properties | None,
        stack: str,
        logical_id: str,
    ) -> Provisioned:
        if extension.apply is None:
            return physical_id, attributes
        more = extension.apply(physical_id, props, old, stack, logical_id)
        return physical_id, {**attributes, **(more or {})}

    def delete(physical_id: str, props: Properties, logical_id: str | None = None) -> None:
        if extension.guard:
            extension.guard(physical_id, props)
        _remove(inner, physical_id, props, logical_id)

    return {
        **inner,
        "create": create,
        "update": update,
        "update_with_logical_id": True,
        "delete": delete,
        "delete_with_logical_id": True,
    }


def _remove(
    handler: dict[str, Any], physical_id: str, props: Properties, logical_id: str | None
) -> None:
    if handler.get("delete_with_logical_id"):
        handler["delete"](physical_id, props, logical_id)
    else:
        handler["delete"](physical_id, props)


def watch_handlers(engine: Any, changed: Callable[[], None]) -> None:
    """Call `changed` after any handler of any type ran, and seed generated names.

    A create without a seed of its own draws one, so that a generated name is
    never that of an earlier resource; the engine keeps it on the record.
    """
    table = engine._RESOURCE_HANDLERS
    for kind, handler in list(table.items()):
        watched = dict(handler)
        for verb in ("create", "update", "delete"):
            if verb in watched:
                seed = engine._NAME_SEED if verb == "create" else None
                watched[verb] = _watch(watched[verb], changed, seed)
        table[kind] = watched


def _watch(call: Callable[..., Any], changed: Callable[[], None], seed: Any) -> Callable[..., Any]:
    def watched(*args: Any) -> Any:
        if seed is not None and not seed.get():
            seed.set(uuid.uuid4().hex[:8])
        try:
            return call(*args)
        finally:
            changed()

    return watched


def random_id(prefix: str) -> str:
    """A physical id in EC2's long format: prefix, dash, 17 hexadecimal digits."""
    return f"{prefix}-{uuid.uuid4().hex[:17]}"


def call_api(answer: tuple[int, Any, Any], what: str) -> None:
    """Raise ValueError when a service of ministack's refused. answer: (status, headers, body)."""
    status, _, body = answer
    if status >= 400:
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
        raise ValueError(f"{what}: {text}")
