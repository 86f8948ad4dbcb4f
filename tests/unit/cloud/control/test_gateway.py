"""Who may enter the control plane, and when answers leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fairway.cloud.control.gateway import Gateway, refuse_foreign
from fairway.cloud.control.requests import Change, service_of


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("host", "127.0.0.1:4566", True),
        ("host", "localhost", True),
        ("host", "bucket.localhost:1", True),
        ("host", "[::1]:80", True),
        ("host", "evil.example", False),
        ("host", "127.0.0.1.evil.example", False),
        ("host", "localhost.evil.example:80", False),
        ("host", "", False),
        ("origin", "http://127.0.0.1:8080", True),
        ("origin", "http://localhost:3000", True),
        ("origin", "https://evil.example", False),
        ("origin", "null", False),
    ],
)
def test_host_and_origin(name: str, value: str, allowed: bool) -> None:
    assert (refuse_foreign([(name.encode(), value.encode())]) is None) is allowed


def test_service_is_read_from_the_signature() -> None:
    value = b"AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu-west-1/lambda/aws4_request, Signature=x"
    assert service_of([(b"host", b"h"), (b"authorization", value)]) == "lambda"
    assert service_of([(b"authorization", b"Bearer x")]) == ""
    assert service_of([]) == ""


class Recorder:
    """A control and an application that write down what happened, in order."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.unsaved: str | None = None
        self.answer_type = b"application/json"
        self.owned = True

    async def save(self, change: Change, touched: set[str]) -> str | None:
        self.seen.append(f"save {change.value}")
        return self.unsaved

    async def prepare(self, service: str) -> None:
        self.seen.append(f"prepare {service}")

    async def settle(self, service: str) -> None:
        self.seen.append(f"settle {service}")

    def describe(self) -> dict[str, Any]:
        return {"endpoint": "here"}

    def is_owner(self, scope: Any) -> bool:
        return self.owned

    def describe_access(self) -> list[dict[str, Any]]:
        return [{"action": "sqs:SendMessage"}]

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append("answer")
        headers = [(b"content-type", self.answer_type)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def ask(recorder: Recorder, service: str, method: str, path: str) -> int:
    credential = f"Credential=A/20260101/r/{service}/aws4_request".encode()
    headers = [(b"host", b"127.0.0.1"), (b"authorization", credential)]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            recorder.seen.append("leave")
            statuses.append(message["status"])

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    asyncio.run(Gateway(recorder.application, recorder)(scope, receive, send))
    return statuses[0]


@pytest.mark.parametrize(
    ("service", "method", "path", "settles"),
    [
        ("cloudformation", "POST", "/", True),
        ("lambda", "PUT", "/2015-03-31/functions/f/code", True),
        ("lambda", "GET", "/2015-03-31/functions", False),
        ("lambda", "POST", "/2015-03-31/functions/f/invocations", False),
        ("elasticloadbalancing", "POST", "/", True),
        ("dynamodb", "POST", "/", False),
    ],
)
def test_answers_wait_for_what_they_changed(
    service: str, method: str, path: str, settles: bool
) -> None:
    recorder = Recorder()
    assert ask(recorder, service, method, path) == 200
    middle = [f"settle {service}"] if settles else []
    seen = [word for word in recorder.seen if not word.startswith("save")]
    assert seen == [f"prepare {service}", "answer", *middle, "leave"]


def test_answers_leave_when_what_they_changed_is_saved() -> None:
    recorder = Recorder()
    assert ask(recorder, "s3", "PUT", "/bucket/key") == 200
    assert recorder.seen[-2:] == ["save data", "leave"]


@pytest.mark.parametrize("kind", [b"application/json", b"application/xml"])
def test_what_cannot_be_saved_is_not_acknowledged(kind: bytes) -> None:
    recorder = Recorder()
    recorder.unsaved, recorder.answer_type = "No space left on device", kind
    assert ask(recorder, "s3", "PUT", "/bucket/key") == 503
    assert ask(recorder, "s3", "GET", "/bucket/key") == 200


def test_administration_is_hidden_and_status_answered() -> None:
    recorder = Recorder()
    assert ask(recorder, "", "POST", "/_ministack/reset") == 404
    assert ask(recorder, "", "GET", "/_fairway/status") == 200
    assert ask(recorder, "", "GET", "/_fairway/access") == 200
    recorder.owned = False
    assert ask(recorder, "", "GET", "/_fairway/access") == 403
    assert "answer" not in recorder.seen


def test_who_waits_when_the_server_ends_is_told() -> None:
    class Waiting(Recorder):
        async def prepare(self, service: str) -> None:
            await asyncio.Event().wait()

    recorder, sent = Waiting(), []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def play() -> None:
        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/x-amz-json-1.0")]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        request = asyncio.ensure_future(
            Gateway(recorder.application, recorder)(scope, receive, send)
        )
        await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    asyncio.run(play())
    assert [message.get("status") for message in sent] == [503, None]
    assert b"is being stopped" in sent[1]["body"]
