"""The event an HTTP API sends to a function, and its answer read back.

Page "Create AWS Lambda proxy integrations for HTTP APIs in API Gateway".
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_plus

from fairway.cloud.edge.authorization import Identity
from fairway.cloud.edge.headers import HOP_BY_HOP, is_valid_header, list_end_to_end
from fairway.cloud.edge.model import HttpApi, Request, Response
from fairway.cloud.edge.routes import Route
from fairway.cloud.edge.rules import split_query
from fairway.cloud.edge.target_event import InvalidAnswer, encode_body, read_body

# AWS serves HTTP APIs over TLS on port 443 only, and functions are told so.
_FORWARDED = {"x-forwarded-port": "443", "x-forwarded-proto": "https"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Format 1.0 is that of REST APIs, whose example event spells these headers so and leaves the
# others as they arrived: page "Using AWS Lambda with Amazon API Gateway", "Event format".
_SPELLED = {
    "content-length": "Content-Length",
    "host": "Host",
    "user-agent": "User-Agent",
    "x-amzn-trace-id": "X-Amzn-Trace-Id",
    "x-forwarded-for": "X-Forwarded-For",
    "x-forwarded-port": "X-Forwarded-Port",
    "x-forwarded-proto": "X-Forwarded-Proto",
}
_NO_IDENTITY = (
    "accessKey",
    "accountId",
    "caller",
    "cognitoAuthenticationProvider",
    "cognitoAuthenticationType",
    "cognitoIdentityId",
    "cognitoIdentityPoolId",
    "principalOrgId",
    "user",
    "userArn",
)


@dataclass(frozen=True, slots=True)
class Call:
    """One routed request: everything that its event is made from. now: epoch seconds.

    identity: None on an open route.
    """

    request: Request
    api: HttpApi
    route: Route
    path_parameters: dict[str, str]
    request_id: str
    trace_id: str
    now: float
    identity: Identity | None = None


def build_event(call: Call) -> dict[str, Any]:
    """Return the event in the integration's payload format."""
    if call.route.integration.payload_format == "1.0":
        return build_event_1(call)
    return build_event_2(call)


def build_event_2(call: Call) -> dict[str, Any]:
    """Return the event in payload format 2.0; empty optional fields are left out."""
    request, api = call.request, call.api
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in _list_headers(call):
        if name == "cookie":
            cookies += [part.strip() for part in value.split(";") if part.strip()]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": call.route.key,
        "rawPath": unquote(request.path),
        "rawQueryString": request.query,
    }
    if cookies:
        event["cookies"] = cookies
    event["headers"] = headers
    if request.query:
        joined: dict[str, str] = {}
        for name, value in _list_query(request):
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        event["queryStringParameters"] = joined
    event["requestContext"] = _build_context_2(call)
    if call.path_parameters:
        event["pathParameters"] = call.path_parameters
    if api.stage_variables:
        event["stageVariables"] = dict(api.stage_variables)
    body, encoded = encode_body(request)
    if request.body:
        event["body"] = body
    event["isBase64Encoded"] = encoded
    return event


def _build_context_2(call: Call) -> dict[str, Any]:
    request, api, identity = call.request, call.api, call.identity
    token = {"claims": identity.claims, "scopes": identity.scopes} if identity else None
    return {
        "accountId": api.account,
        "apiId": api.api_id,
        **({"authorizer": {"jwt": token}} if token else {}),
        "domainName": _name_domain(api),
        "domainPrefix": api.api_id,
        "http": {
            "method": request.method,
            "path": unquote(request.path),
            "protocol": f"HTTP/{request.http_version}",
            "sourceIp": request.client[0],
            "userAgent": request.header("user-agent") or "",
        },
        "requestId": call.request_id,
        "routeKey": call.route.key,
        "stage": api.stage,
        "time": format_time(call.now),
        "timeEpoch": int(call.now * 1000),
    }


def build_event_1(call: Call) -> dict[str, Any]:
    """Return the event in payload format 1.0; empty optional fields are null."""
    request, api = call.request, call.api
    headers = _collect((_SPELLED.get(name, name), value) for name, value in _list_headers(call))
    query = _collect(_list_query(request))
    body, encoded = encode_body(request)
    path = unquote(request.path)
    return {
        "version": "1.0",
        "resource": call.route.path,
        "path": path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {n: v[-1] for n, v in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "requestContext": _build_context_1(call, path),
        "pathParameters": call.path_parameters or None,
        "stageVariables": dict(api.stage_variables) or None,
        "body": body if request.body else None,
        "isBase64Encoded": encoded,
    }


def _build_context_1(call: Call, path: str) -> dict[str, Any]:
    request, api, bearer = call.request, call.api, call.identity
    identity: dict[str, str | None] = dict.fromkeys(_NO_IDENTITY)
    identity["sourceIp"] = request.client[0]
    identity["userAgent"] = request.header("user-agent") or ""
    return {
        "accountId": api.account,
        "apiId": api.api_id,
        "authorizer": {
            "claims": bearer.claims if bearer else None,
            "scopes": bearer.scopes if bearer else None,
        },
        "domainName": _name_domain(api),
        "domainPrefix": api.api_id,
        "extendedRequestId": call.request_id,
        "httpMethod": request.method,
        "identity": identity,
        "path": path,
        "protocol": f"HTTP/{request.http_version}",
        "requestId": call.request_id,
        "requestTime": format_time(call.now),
        "requestTimeEpoch": int(call.now * 1000),
        "resourceId": None,
        "resourcePath": call.route.path,
        "stage": api.stage,
    }


def _list_headers(call: Call) -> list[tuple[str, str]]:
    """Return the headers an integration gets, names in lower case, sorted by name."""
    request = call.request
    incoming = list_end_to_end(request.headers)
    addresses = [value for name, value in incoming if name == "x-forwarded-for"]
    ours = {
        **_FORWARDED,
        "x-forwarded-for": ", ".join([*addresses, request.client[0]]),
        "x-amzn-trace-id": call.trace_id,
        "content-length": str(len(request.body)),
    }
    headers = [(name, value) for name, value in incoming if name not in ours]
    return sorted([*headers, *ours.items()], key=lambda pair: pair[0])


def _list_query(request: Request) -> list[tuple[str, str]]:
    return [(unquote_plus(n), unquote_plus(v)) for n, v in split_query(request.query)]


def _collect(pairs: Any) -> dict[str, list[str]]:
    collected: dict[str, list[str]] = {}
    for name, value in pairs:
        collected.setdefault(name, []).append(value)
    return collected


def _name_domain(api: HttpApi) -> str:
    return f"{api.api_id}.execute-api.{api.region}.amazonaws.com"


def format_time(now: float) -> str:
    """Return a time as 12/Mar/2020:19:03:58 +0000, whatever the machine's language."""
    parts = time.gmtime(now)
    clock = time.strftime("%H:%M:%S", parts)
    return f"{parts.tm_mday:02d}/{_MONTHS[parts.tm_mon - 1]}/{parts.tm_year}:{clock} +0000"


def parse_answer(payload: bytes, payload_format: str) -> Response:
    """Read a function's answer. Raises InvalidAnswer for what is answered 500.

    Format 2.0 without a statusCode: the whole answer is the body, 200, as
    application/json. A string is sent without its quotes, as the page's table says.
    """
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise InvalidAnswer("the answer is not JSON") from error
    structured = isinstance(answer, dict) and "statusCode" in answer
    if structured:
        return _read_structured(answer, payload_format)
    if payload_format == "1.0":
        raise InvalidAnswer("the answer has no statusCode")
    body = answer.encode("utf-8", "replace") if isinstance(answer, str) else payload
    return Response(200, (("Content-Type", "application/json"),), body)


def _read_structured(answer: dict[str, Any], payload_format: str) -> Response:
    headers = _read_headers(answer, "headers")
    if payload_format == "1.0":
        several = _read_headers(answer, "multiValueHeaders")
        listed = {name.lower() for name, _ in several}
        # A header in both is sent once: the list holds all its values.
        headers = [(n, v) for n, v in headers if n.lower() not in listed] + several
    else:
        headers += _read_cookies(answer)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.insert(0, ("Content-Type", "text/plain; charset=utf-8"))
    return Response(_read_status(answer["statusCode"]), tuple(headers), read_body(answer))


def _read_status(given: Any) -> int:
    if isinstance(given, str) and given.isascii() and given.isdecimal() and len(given) == 3:
        given = int(given)
    if not isinstance(given, int) or isinstance(given, bool) or not 200 <= given <= 599:
        raise InvalidAnswer("statusCode is not a number from 200 to 599")
    return given


def _read_headers(answer: dict[str, Any], field: str) -> list[tuple[str, str]]:
    given = answer.get(field)
    if given is None:
        return []
    if not isinstance(given, dict):
        raise InvalidAnswer(f"{field} is not an object")
    headers = []
    for name, value in given.items():
        many = field == "multiValueHeaders"
        if many and not isinstance(value, list):
            raise InvalidAnswer(f"{field}: {name} is not a list")
        for one in value if many else [value]:
            text = _spell_value(one)
            if text is None or not is_valid_header(name, text):
                raise InvalidAnswer(f"{field}: {name!r} is not a valid header")
            if name.lower() not in HOP_BY_HOP:
                headers.append((name, text))
    return headers


def _spell_value(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    return None


def _read_cookies(answer: dict[str, Any]) -> list[tuple[str, str]]:
    cookies = answer.get("cookies")
    if cookies is None:
        return []
    if not isinstance(cookies, list) or not all(
        isinstance(cookie, str) and is_valid_header("set-cookie", cookie) for cookie in cookies
    ):
        raise InvalidAnswer("cookies is not a list of strings")
    return [("Set-Cookie", cookie) for cookie in cookies]


def make_request_id(digits: str) -> str:
    """Return a request id of API Gateway's look from 22 hexadecimal digits."""
    return base64.b64encode(bytes.fromhex(digits)).decode("ascii")
