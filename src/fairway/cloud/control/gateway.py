"""The door of the control plane: who may enter, and when an answer may leave.

An ASGI application around ministack's. It turns away requests that a foreign
web page may have sent, hides ministack's own administration, answers Fairway's
status, and holds answers back until what they changed is being served.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, MutableMapping
from typing import Any, Protocol
from xml.sax.saxutils import escape

from fairway.cloud.control.asgi import Receive, Scope, Send
from fairway.cloud.control.durable.touch import begin_request
from fairway.cloud.control.requests import Change, classify, reads_by_form, service_of

_LOCAL_HOST = re.compile(r"^(?:127\.0\.0\.1|\[::1\]|(?:[a-z0-9.-]+\.)?localhost)(?::\d+)?$")
_HIDDEN = ("/_ministack/", "/_localstack/")
_SERVED = frozenset({"lambda", "elasticloadbalancing", "apigateway", "cloudformation"})
"""Services whose changes the edge and the functions must follow."""


class Control(Protocol):
    """What the gateway asks of the cloud behind it."""

    async def prepare(self, service: str) -> None:
        """Wait until requests of this service can be answered."""

    async def settle(self, service: str) -> None:
        """Wait until what the service's stores say is being served."""

    async def save(self, change: Change, touched: set[str]) -> str | None:
        """Write what a request changed; why that was not possible, or None."""

    def describe(self) -> dict[str, Any]:
        """The status document."""

    def is_owner(self, scope: Scope) -> bool:
        """Whether the account's owner signed a request without a body."""

    def describe_access(self) -> list[dict[str, Any]]:
        """The calls that policies allowed."""


class Gateway:
    """An ASGI application."""

    def __init__(self, application: Any, control: Control) -> None:
        self._application = application
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        refusal = refuse_foreign(headers)
        if refusal is not None:
            await _answer(send, 403, {"message": refusal})
        elif scope["path"] == "/_fairway/status":
            await _answer(send, 200, self._control.describe())
        elif scope["path"] == "/_fairway/access":
            await self._tell_access(scope, send)
        elif scope["path"].startswith(_HIDDEN):
            await _answer(send, 404, {"message": "Not found"})
        else:
            await self._forward(scope, receive, send, service_of(headers))

    async def _tell_access(self, scope: Scope, send: Send) -> None:
        """To the owner alone: it is about all roles, and names objects and rows' tables."""
        if self._control.is_owner(scope):
            await _answer(send, 200, self._control.describe_access())
        else:
            text = "Sign this request with the owner's key, which is in .fairway/cloud.json."
            await _answer(send, 403, {"message": text})

    async def _forward(self, scope: Scope, receive: Receive, send: Send, service: str) -> None:
        started = False

        async def send_noted(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._answer_kept(scope, receive, send_noted, service)
        except asyncio.CancelledError:  # the server ends: what waited would be answered 500
            if not started:
                await _refuse(
                    send, _find_kind(scope["headers"]), "The local cloud is being stopped"
                )
            raise

    async def _answer_kept(self, scope: Scope, receive: Receive, send: Send, service: str) -> None:
        await self._control.prepare(service)
        change = classify(scope, service)
        changes = change is Change.CONTROL or not _changes_nothing(scope, service)
        serves = service in _SERVED and changes
        touched = begin_request()
        refused = False

        async def receive_noted() -> MutableMapping[str, Any]:
            nonlocal change
            message = await receive()
            if change is Change.CONTROL and reads_by_form(message.get("body", b""), service):
                change = Change.NONE
            return message

        async def send_kept(message: MutableMapping[str, Any]) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                if serves:
                    await self._control.settle(service)
                reason = await self._control.save(change, touched)
                if reason is not None and change is not Change.NONE:
                    refused = True
                    await _refuse_unsaved(send, message, reason)
            if not refused:
                await send(message)

        await self._application(scope, receive_noted, send_kept)


async def _refuse_unsaved(send: Send, message: MutableMapping[str, Any], reason: str) -> None:
    """What was asked for is not safe on disk: the client must not take it for done."""
    kind = _find_kind(message.get("headers", ()))
    await _refuse(send, kind, f"The local cloud could not save this change: {reason}")


async def _refuse(send: Send, kind: bytes, text: str) -> None:
    """Answer that it cannot be done now, in the form that a service's clients read."""
    if b"json" in kind:
        await _answer(send, 503, {"__type": "ServiceUnavailable", "message": text})
        return
    error = f"<Error><Code>ServiceUnavailable</Code><Message>{escape(text)}</Message></Error>"
    body = f"<ErrorResponse>{error}</ErrorResponse>"
    await _send(send, 503, b"application/xml", body.encode())


def _find_kind(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The content type, or b""."""
    return next((value for name, value in headers if name.lower() == b"content-type"), b"")


def refuse_foreign(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Why a request may not enter: its Host or Origin is not this machine's."""
    for name, value in headers:
        text = value.decode("latin-1").lower()
        if name == b"host" and not _LOCAL_HOST.match(text):
            return "This cloud answers requests to 127.0.0.1 and localhost only."
        if name == b"origin" and not _LOCAL_HOST.match(text.partition("://")[2]):
            return "This cloud answers requests from pages of this machine only."
    return None


def _changes_nothing(scope: Scope, service: str) -> bool:
    if service == "cloudformation":
        return False
    if service == "lambda" and scope["path"].endswith("/invocations"):
        return True
    return scope["method"] in ("GET", "HEAD")


async def _answer(send: Send, status: int, document: Any) -> None:
    await _send(send, status, b"application/json", json.dumps(document).encode())


async def _send(send: Send, status: int, kind: bytes, body: bytes) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", kind),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
