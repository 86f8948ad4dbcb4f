"""Answers carry the headers that AWS's would, whatever ministack gives them."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from fairway.cloud.control.answer_headers import AnswerHeaders, choose_headers
from fairway.cloud.control.asgi import Receive, Scope, Send

GIVEN = [
    (b"Content-Type", b"application/x-amz-json-1.0"),
    (b"Access-Control-Allow-Origin", b"*"),
    (b"x-amzn-requestid", b"first"),
    (b"x-amz-request-id", b"first"),
    (b"x-amz-id-2", b"host"),
    (b"X-Amzn-RequestId", b"second"),
    (b"x-amz-function-error", b"Unhandled"),
]


@pytest.mark.parametrize(
    ("service", "of_page", "names"),
    [
        ("dynamodb", False, ["content-type", "x-amzn-requestid", "x-amz-function-error"]),
        (
            "s3",
            False,
            ["content-type", "x-amz-request-id", "x-amz-id-2", "x-amz-function-error"],
        ),
        (
            "dynamodb",
            True,
            [
                "content-type",
                "access-control-allow-origin",
                "x-amzn-requestid",
                "x-amz-function-error",
            ],
        ),
    ],
)
def test_a_request_is_named_as_its_service_does(
    service: str, of_page: bool, names: list[str]
) -> None:
    chosen = choose_headers(GIVEN, service, of_page)
    assert [name.decode().lower() for name, _ in chosen] == names
    assert (b"X-Amzn-RequestId", b"second") not in chosen


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/restapis/a1/prod/_user_request_/x"},
        {"host": b"a1.lambda-url.eu-west-1.localhost:4000"},
        {"service": b"execute-api"},
        {"service": b""},
    ],
    ids=["rest-api", "function-url", "signed-for-an-api", "not-signed"],
)
def test_the_headers_of_an_application_are_its_own(changes: dict[str, Any]) -> None:
    service = changes.get("service", b"lambda")
    credential = b"AWS4-HMAC-SHA256 Credential=A/20260102/eu-west-1/%s/aws4_request, " % service
    headers = [(b"host", changes.get("host", b"localhost"))]
    headers += [(b"authorization", credential)] if service else []
    scope = {"type": "http", "path": changes.get("path", "/"), "headers": headers}
    sent: list[MutableMapping[str, Any]] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": GIVEN})

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nobody asks for the body")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(AnswerHeaders(answer)(scope, receive, send))
    assert sent[0]["headers"] == GIVEN
