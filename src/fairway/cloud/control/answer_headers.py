"""The headers of AWS's own answers, instead of those that ministack gives to every answer.

ministack lets pages of any origin read every answer, and names each request in the ways of all
services. AWS names it once ("x-amzn-RequestId"; Amazon S3 "x-amz-request-id" and "x-amz-id-2":
"Common response headers" of its API Reference) and speaks of origins to browsers alone. Clients
take every header apart: the six that nobody reads cost boto3 a fifteenth of a small request.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

from fairway.cloud.control.asgi import Application, Receive, Scope, Send
from fairway.cloud.control.requests import service_of

_NAME = b"x-amzn-requestid"
_NAMES_OF_S3 = frozenset({b"x-amz-request-id", b"x-amz-id-2"})

Header = tuple[bytes, bytes]


class AnswerHeaders:
    """An ASGI application around ministack's."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = scope["headers"]
        service = service_of(headers)
        if not service or _calls_application(scope, service):
            await self._application(scope, receive, send)
            return
        of_page = any(name == b"origin" for name, _ in headers)

        async def send_named(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = choose_headers(message.get("headers", ()), service, of_page)
            await send(message)

        await self._application(scope, receive, send_named)


def _calls_application(scope: Scope, service: str) -> bool:
    """Whether an application answers: a function's URL, or an API, whose headers stay."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    by_path = "/_user_request_" in scope["path"]
    return (
        service == "execute-api" or by_path or b".lambda-url." in host or b".execute-api." in host
    )


def choose_headers(headers: Iterable[Header], service: str, of_page: bool) -> list[Header]:
    """Those that the service would give, the first of each name of the request.

    of_page: whether a page in a browser asks.
    """
    left_out = frozenset() if service == "s3" else _NAMES_OF_S3
    found: list[Header] = []
    named = False
    for name, value in headers:
        lower = name.lower()
        if lower == _NAME:
            # An invocation's own comes before that of ministack's call.
            if named or service == "s3":
                continue
            named = True
        if lower in left_out or (lower.startswith(b"access-control-") and not of_page):
            continue
        found.append((name, value))
    return found
