"""Requests for the rows of a table, taken straight to their handler.

ministack learns what a request is by trying some forty kinds in turn, which takes longer than
most answers. One that names its operation, has come to this machine by its own name and has
nothing unusual about it can be but one thing: it goes through ministack's own checks to
ministack's own handler, without the questions. Everything else goes the whole way, so that what
is served does not depend on this module (tests/parity/test_row_requests.py).
"""

from __future__ import annotations

import logging
import re
import uuid
from email.utils import formatdate
from typing import Any

from fairway.cloud.control.asgi import Application, Receive, Scope, Send

Answer = tuple[int, dict[str, str], bytes]

_SERVICE = "dynamodb"
_TARGET = re.compile(r"DynamoDB_20120810\.(PutItem|GetItem|UpdateItem|DeleteItem|Query|Scan)")
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::\d+)?")
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([A-Za-z0-9]+)/\d{8}/([a-z0-9-]+)/dynamodb/aws4_request, "
)
_UNUSUAL = frozenset(
    {
        "content-encoding",
        "origin",
        "transfer-encoding",
        "x-amz-content-sha256",
        "x-amz-decoded-content-length",
        "x-forwarded-proto",
    }
)
"""Headers that change how a body or its origin is read, or what is answered."""

_log = logging.getLogger(__name__)


class RowRequests:
    """An ASGI application before ministack's."""

    def __init__(self, application: Application) -> None:
        from ministack import app
        from ministack.core import iam_actions, iam_evaluator, responses

        self._application = application
        # By module: what Fairway has put in their place is looked up at each request.
        self._app: Any = app
        self._actions: Any = iam_actions
        self._evaluator: Any = iam_evaluator
        self._responses: Any = responses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = read_headers(scope)
        if headers is None:
            await self._application(scope, receive, send)
            return
        key, region = _find_credential(headers)
        if not self._set_scope(scope, headers, key, region):
            await self._application(scope, receive, send)
            return
        body = await _read_body(receive)
        if body is None:
            return
        self._evaluator.pin_signed_body(body)
        request_id = str(uuid.uuid4())
        status, found, content = self._refuse(
            headers, body, request_id, key, region
        ) or await self._handle(headers, body, request_id)
        found.setdefault("Content-Length", str(len(content)))
        found.setdefault("date", formatdate(usegmt=True))
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in found.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": content})

    def _set_scope(self, scope: Scope, headers: dict[str, str], key: str, region: str) -> bool:
        """Tell ministack whose request this is; false when it is not known at first sight."""
        try:
            account = self._app._request_account_scope(key)
        except self._app.AmbiguousAccessKeyError:
            return False
        address = (scope.get("client") or ("127.0.0.1",))[0]
        self._responses.set_request_client_ip(address)
        self._evaluator.pin_request_origin(address, False)
        self._responses.set_request_account_id(account)
        self._responses.set_request_region(region)
        self._pin_signature(headers, key)
        return True

    def _pin_signature(self, headers: dict[str, str], key: str) -> None:
        """What ministack's `pin_signed_request` makes of a usual request."""
        evaluator = self._evaluator
        checked = not evaluator._is_root_key(key)
        request = evaluator.SignedRequest(key, "POST", "/", {}, headers) if checked else None
        evaluator._verified_key.set("")
        evaluator._anonymous.set(False)
        evaluator._signed_request.set(request)

    def _refuse(
        self, headers: dict[str, str], body: bytes, request_id: str, key: str, region: str
    ) -> Answer | None:
        """The answer to who may not do this, or None."""
        self._evaluator.pin_request_caller(headers, {})
        action = self._actions.extract_iam_action(_SERVICE, "POST", "/", headers, body, {})
        account = self._responses.get_account_id()
        named = self._actions.dynamodb_resource_arns(body, region, account) or ["*"]
        asked = self._actions.dynamodb_service_context(body)
        for resource in named:
            denied = self._evaluator.enforce(
                key, action, _SERVICE, region, resource_arn=resource, service_context=asked
            )
            if denied:
                return self._word_refusal(denied, action, named[0], headers, request_id)
        return None

    def _word_refusal(
        self, denied: Any, action: str, resource: str, headers: dict[str, str], request_id: str
    ) -> Answer:
        app, actions = self._app, self._actions
        answer: Answer
        if isinstance(denied, self._evaluator.AuthError):
            answer = app._credential_failure(_SERVICE, action, request_id, denied, headers)
        else:
            answer = actions.access_denied_response(
                _SERVICE,
                action,
                denied.principal_arn,
                request_id,
                headers=headers,
                resource_arn=resource,
                explicit_deny=denied.decision == "Deny",
                resource_policy_arn=denied.resource_policy_arn,
            )
        return answer

    async def _handle(self, headers: dict[str, str], body: bytes, request_id: str) -> Answer:
        try:
            handle = self._app.SERVICE_HANDLERS[_SERVICE]
            status, found, content = await handle("POST", "/", headers, body, {})
        except Exception as error:
            _log.exception("a request for rows failed")
            document = self._app.json.dumps({"__type": "InternalError", "message": str(error)})
            return 500, {"Content-Type": "application/json"}, document.encode()
        self._app.fix_error_content_type(_SERVICE, status, found)
        self._app.fix_success_content_type(_SERVICE, status, found)
        found["x-amzn-requestid"] = request_id
        return status, found, content if isinstance(content, bytes) else content.encode()


def read_headers(scope: Scope) -> dict[str, str] | None:
    """The headers of a usual request for rows; None for every other request."""
    if scope["method"] != "POST" or scope["path"] != "/" or scope.get("query_string"):
        return None
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    if len(headers) != len(scope["headers"]) or not _UNUSUAL.isdisjoint(headers):
        return None
    usual = (
        _TARGET.fullmatch(headers.get("x-amz-target", ""))
        and _HOST.fullmatch(headers.get("host", ""))
        and _AUTHORIZATION.match(headers.get("authorization", ""))
        and headers.get("content-length", "").isdecimal()
        and headers.get("content-type", "").startswith("application/x-amz-json-1.0")
        and all(value.isascii() for value in headers.values())
    )
    return headers if usual else None


def _find_credential(headers: dict[str, str]) -> tuple[str, str]:
    """Key id and region that the request is signed with."""
    found = _AUTHORIZATION.match(headers["authorization"])
    assert found is not None
    return found[1], found[2]


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; None when the client went away."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
