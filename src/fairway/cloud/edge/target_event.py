"""The event a load balancer sends to a function, and its answer read back.

Page "Use Lambda functions as targets of an Application Load Balancer".
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any

from fairway.cloud.edge.headers import (
    HOP_BY_HOP,
    extend_trace_id,
    is_text_content,
    is_valid_header,
    list_end_to_end,
)
from fairway.cloud.edge.model import HealthCheck, Listener, Request, Response, TargetGroup
from fairway.cloud.edge.rules import SERVER, split_query

_PLAIN_NAME = re.compile(r"[-A-Za-z0-9]+")
# Page "Request tracing for your Application Load Balancer", section "Limitations".
_TRACE_REWRITE_BYTES = 7 * 1024
_DESCRIPTION = re.compile(r"\d{3} (.*)", re.DOTALL)
_REPLACED = frozenset({"x-forwarded-for", "x-forwarded-proto", "x-forwarded-port"})


class InvalidAnswer(Exception):
    """The function's answer is malformed or lacks a required field; the text says which."""


def build_event(
    request: Request, listener: Listener, group: TargetGroup, *, now: float, unique: str
) -> tuple[dict[str, Any], str]:
    """Return the event for a request, and the trace id in it.

    now: epoch seconds. unique: 24 hexadecimal digits for the trace id.
    """
    headers, trace_id = _forward_headers(request, listener, now, unique)
    pairs = split_query(request.query)
    event: dict[str, Any] = {
        "requestContext": {"elb": {"targetGroupArn": group.arn}},
        "httpMethod": request.method,
        "path": request.path,
    }
    _add_values(event, group, pairs, headers)
    event["body"], event["isBase64Encoded"] = encode_body(request)
    return event, trace_id


def build_health_event(check: HealthCheck, group: TargetGroup) -> dict[str, Any]:
    """Return the event of a health check; section "Enable health checks"."""
    path, _, query = check.path.partition("?")
    event: dict[str, Any] = {
        "requestContext": {"elb": {"targetGroupArn": group.arn}},
        "httpMethod": "GET",
        "path": path,
    }
    headers = [("user-agent", "ELB-HealthChecker/2.0")]
    _add_values(event, group, split_query(query), headers)
    event["body"], event["isBase64Encoded"] = "", False
    return event


def _add_values(
    event: dict[str, Any],
    group: TargetGroup,
    query: list[tuple[str, str]],
    headers: list[tuple[str, str]],
) -> None:
    if group.multi_value_headers:
        event["multiValueQueryStringParameters"] = _collect(query)
        event["multiValueHeaders"] = _collect(headers)
    else:
        event["queryStringParameters"] = dict(query)  # the last value wins
        event["headers"] = dict(headers)


def _collect(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    collected: dict[str, list[str]] = {}
    for name, value in pairs:
        collected.setdefault(name, []).append(value)
    return collected


def list_forwarded_for(request: Request) -> list[str]:
    """Return the addresses that X-Forwarded-For names already."""
    values = [value for name, value in request.headers if name.lower() == "x-forwarded-for"]
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def _forward_headers(
    request: Request, listener: Listener, now: float, unique: str
) -> tuple[list[tuple[str, str]], str]:
    """Return the headers for the target, sorted by name, and the trace id among them."""
    incoming = list_end_to_end(request.headers)
    if listener.drop_invalid_headers:
        incoming = [(n, v) for n, v in incoming if _PLAIN_NAME.fullmatch(n)]
    headers = [(n, v) for n, v in incoming if n not in _REPLACED and n != "x-amzn-trace-id"]
    size = sum(len(name) + len(value) + 4 for name, value in request.headers)
    traces = [value for name, value in incoming if name == "x-amzn-trace-id"]
    trace_id = extend_trace_id(
        traces[-1] if traces else None, now, unique, rewrite=size > _TRACE_REWRITE_BYTES
    )
    addresses = [*list_forwarded_for(request), request.client[0]]
    headers += [
        ("x-amzn-trace-id", trace_id),
        ("x-forwarded-for", ", ".join(addresses)),
        ("x-forwarded-port", str(listener.port)),
        ("x-forwarded-proto", listener.protocol.lower()),
    ]
    headers.sort(key=lambda pair: pair[0])  # stable: a header's own values keep their order
    return headers, trace_id


def encode_body(request: Request) -> tuple[str, bool]:
    """Return the body as an event carries it, and whether that is Base64."""
    if not request.body:
        return "", False
    if is_text_content(request.header("content-type"), request.header("content-encoding")):
        # JSON cannot carry what is not text; an event is sent all the same.
        return request.body.decode("utf-8", "replace"), False
    return base64.b64encode(request.body).decode("ascii"), True


def parse_answer(payload: bytes, *, multi_value: bool) -> Response:
    """Read a function's answer; section "Respond to the load balancer".

    Raises InvalidAnswer for everything the load balancer answers 502 to.
    """
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise InvalidAnswer("the answer is not JSON") from error
    if not isinstance(answer, dict):
        raise InvalidAnswer("the answer is not an object")
    status = answer.get("statusCode")
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise InvalidAnswer("statusCode is not a number from 200 to 599")
    headers = _read_headers(answer, multi_value)
    names = {name.lower() for name, _ in headers}
    if "server" not in names:
        headers.insert(0, ("Server", SERVER))
    if "content-type" not in names:
        headers.append(("Content-Type", "application/octet-stream"))
    return Response(status, tuple(headers), read_body(answer), _read_reason(answer))


def _read_reason(answer: dict[str, Any]) -> str | None:
    description = answer.get("statusDescription")
    if description is None:
        return None
    if not isinstance(description, str):
        raise InvalidAnswer("statusDescription is not a string")
    found = _DESCRIPTION.fullmatch(description)
    return found[1] if found else description


def _read_headers(answer: dict[str, Any], multi_value: bool) -> list[tuple[str, str]]:
    field = "multiValueHeaders" if multi_value else "headers"
    given = answer.get(field)
    if given is None:
        return []
    if not isinstance(given, dict):
        raise InvalidAnswer(f"{field} is not an object")
    headers = []
    for name, value in given.items():
        values = value if multi_value and isinstance(value, list) else [value]
        for one in values:
            if not isinstance(one, str) or (multi_value and not isinstance(value, list)):
                raise InvalidAnswer(f"{field}: {name} has a value of the wrong type")
            if not is_valid_header(name, one):
                raise InvalidAnswer(f"{field}: {name!r} is not a valid header")
            if name.lower() not in HOP_BY_HOP:
                headers.append((name, one))
    return headers


def read_body(answer: dict[str, Any]) -> bytes:
    """Return the body of an answer, decoded when isBase64Encoded says so."""
    body, encoded = answer.get("body"), answer.get("isBase64Encoded", False)
    if not isinstance(encoded, bool):
        raise InvalidAnswer("isBase64Encoded is not true or false")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise InvalidAnswer("body is not a string")
    if not encoded:
        return body.encode("utf-8", "replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidAnswer("body is not Base64") from error
