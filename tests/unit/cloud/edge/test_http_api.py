"""The HTTP API: routes, exact events in both payload formats, answers."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.http_api import HttpApiHandler
from fairway.cloud.edge.model import Cors, HttpApi, Integration, Request, Response
from fairway.cloud.edge.proxy_event import Call, build_event, parse_answer
from fairway.cloud.edge.routes import RouteTable
from fairway.cloud.edge.stamps import Stamps
from fairway.cloud.edge.target_event import InvalidAnswer
from fairway.cloud.functions.model import Invocation, TooManyRequests, UnknownFunction

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:api"
NOW = 1583348638.39
UNIQUE = "556d8b0c50dc66f0511bf520"
STAMPS = Stamps(now=lambda: NOW, elapsed=lambda: 7.0, hex_id=lambda n: UNIQUE[:n], draw=lambda n: 0)
REQUEST_ID = base64.b64encode(bytes.fromhex(UNIQUE[:22])).decode()
TRACE = f"Root=1-5e5ffb9e-{UNIQUE}"
TWO = Integration(FUNCTION)
ONE = Integration(FUNCTION, "1.0")
API = HttpApi("a1b2c3", "web", "123456789012", "eu-west-1", {"$default": TWO})

RICH = Request(
    "POST",
    "/pets/6%207/x/y",
    "p=1&p=a%20b&q=c+d&bare",
    (
        ("Host", "localhost:8080"),
        ("User-Agent", "curl/8"),
        ("Content-Type", "application/json"),
        ("Content-Length", "9"),
        ("X-Many", "one"),
        ("X-Many", "two"),
        ("Cookie", "a=1; b=2"),
        ("Cookie", "c=3"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("Connection", "keep-alive"),
    ),
    b'{"a": "b"}',
    ("192.0.2.7", 5),
)


class Functions:
    """Plays the runtime: answers with a value, or raises it."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = {"statusCode": 200} if answer is None else answer
        self.calls: list[tuple[str, Any, str | None]] = []

    async def __call__(
        self, arn: str, payload: bytes, *, trace_id: str | None = None
    ) -> Invocation:
        self.calls.append((arn, json.loads(payload), trace_id))
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, Invocation):
            return self.answer
        return Invocation("r", json.dumps(self.answer).encode())


def ask(
    api: HttpApi, functions: Functions, request: Request = RICH
) -> tuple[Response, AccessRecord]:
    records: list[AccessRecord] = []
    handler = HttpApiHandler(api, functions, stamps=STAMPS, record=records.append)
    response = asyncio.run(handler(request))
    (record,) = records
    return response, record


def get(path: str, method: str = "GET", *headers: tuple[str, str]) -> Request:
    return Request(method, path, "", headers, b"", ("127.0.0.1", 1))


def test_event_2() -> None:
    functions = Functions()
    api = replace(API, routes={"POST /pets/{id}/{proxy+}": TWO}, stage_variables={"color": "blue"})
    ask(api, functions)
    assert functions.calls == [
        (
            FUNCTION,
            {
                "version": "2.0",
                "routeKey": "POST /pets/{id}/{proxy+}",
                "rawPath": "/pets/6 7/x/y",
                "rawQueryString": "p=1&p=a%20b&q=c+d&bare",
                "cookies": ["a=1", "b=2", "c=3"],
                "headers": {
                    "content-length": "10",
                    "content-type": "application/json",
                    "host": "localhost:8080",
                    "user-agent": "curl/8",
                    "x-amzn-trace-id": TRACE,
                    "x-forwarded-for": "203.0.113.9, 192.0.2.7",
                    "x-forwarded-port": "443",
                    "x-forwarded-proto": "https",
                    "x-many": "one,two",
                },
                "queryStringParameters": {"p": "1,a b", "q": "c d", "bare": ""},
                "requestContext": {
                    "accountId": "123456789012",
                    "apiId": "a1b2c3",
                    "domainName": "a1b2c3.execute-api.eu-west-1.amazonaws.com",
                    "domainPrefix": "a1b2c3",
                    "http": {
                        "method": "POST",
                        "path": "/pets/6 7/x/y",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "192.0.2.7",
                        "userAgent": "curl/8",
                    },
                    "requestId": REQUEST_ID,
                    "routeKey": "POST /pets/{id}/{proxy+}",
                    "stage": "$default",
                    "time": "04/Mar/2020:19:03:58 +0000",
                    "timeEpoch": 1583348638390,
                },
                "pathParameters": {"id": "6 7", "proxy": "x/y"},
                "stageVariables": {"color": "blue"},
                "body": '{"a": "b"}',
                "isBase64Encoded": False,
            },
            TRACE,
        )
    ]


def test_event_2_leaves_out_what_is_empty() -> None:
    functions = Functions()
    ask(API, functions, get("/"))
    event = functions.calls[0][1]
    assert set(event) == {
        "version",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "headers",
        "requestContext",
        "isBase64Encoded",
    }
    assert event["headers"]["content-length"] == "0"


def test_event_1() -> None:
    functions = Functions()
    ask(replace(API, routes={"ANY /pets/{id}/{proxy+}": ONE}), functions)
    multi = {
        "Content-Length": ["10"],
        "content-type": ["application/json"],
        "cookie": ["a=1; b=2", "c=3"],
        "Host": ["localhost:8080"],
        "User-Agent": ["curl/8"],
        "X-Amzn-Trace-Id": [TRACE],
        "X-Forwarded-For": ["203.0.113.9, 192.0.2.7"],
        "X-Forwarded-Port": ["443"],
        "X-Forwarded-Proto": ["https"],
        "x-many": ["one", "two"],
    }
    assert functions.calls[0][1] == {
        "version": "1.0",
        "resource": "/pets/{id}/{proxy+}",
        "path": "/pets/6 7/x/y",
        "httpMethod": "POST",
        "headers": {
            "Content-Length": "10",
            "content-type": "application/json",
            "cookie": "c=3",
            "Host": "localhost:8080",
            "User-Agent": "curl/8",
            "X-Amzn-Trace-Id": TRACE,
            "X-Forwarded-For": "203.0.113.9, 192.0.2.7",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https",
            "x-many": "two",
        },
        "multiValueHeaders": multi,
        "queryStringParameters": {"p": "a b", "q": "c d", "bare": ""},
        "multiValueQueryStringParameters": {"p": ["1", "a b"], "q": ["c d"], "bare": [""]},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3",
            "authorizer": {"claims": None, "scopes": None},
            "domainName": "a1b2c3.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "a1b2c3",
            "extendedRequestId": REQUEST_ID,
            "httpMethod": "POST",
            "identity": {
                "accessKey": None,
                "accountId": None,
                "caller": None,
                "cognitoAuthenticationProvider": None,
                "cognitoAuthenticationType": None,
                "cognitoIdentityId": None,
                "cognitoIdentityPoolId": None,
                "principalOrgId": None,
                "sourceIp": "192.0.2.7",
                "user": None,
                "userAgent": "curl/8",
                "userArn": None,
            },
            "path": "/pets/6 7/x/y",
            "protocol": "HTTP/1.1",
            "requestId": REQUEST_ID,
            "requestTime": "04/Mar/2020:19:03:58 +0000",
            "requestTimeEpoch": 1583348638390,
            "resourceId": None,
            "resourcePath": "/pets/{id}/{proxy+}",
            "stage": "$default",
        },
        "pathParameters": {"id": "6 7", "proxy": "x/y"},
        "stageVariables": None,
        "body": '{"a": "b"}',
        "isBase64Encoded": False,
    }


def test_event_1_has_null_for_what_is_empty() -> None:
    functions = Functions()
    ask(replace(API, routes={"$default": ONE}), functions, get("/x"))
    event = functions.calls[0][1]
    empty = {key for key, value in event.items() if value is None}
    assert empty == {
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    }
    assert event["resource"] == "$default"


ROUTES = (
    "$default",
    "ANY /{proxy+}",
    "GET /pets/{proxy+}",
    "GET /pets/{id}",
    "GET /pets/dog/{id}",
    "GET /pets/dog/1",
    "ANY /pets/dog/1",
    "GET /{x}/b",
    "GET /a/{proxy+}",
    "POST /only",
)


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("PUT", "/pets/dog/1", "ANY /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("GET", "/pets/cat", "GET /pets/{id}", {"id": "cat"}),
        ("GET", "/pets/a%2Fb", "GET /pets/{id}", {"id": "a/b"}),
        ("GET", "/pets/", "ANY /{proxy+}", {"proxy": "pets/"}),
        ("POST", "/pets/5", "ANY /{proxy+}", {"proxy": "pets/5"}),
        ("GET", "/test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        ("GET", "/a/b", "GET /{x}/b", {"x": "a"}),
        ("GET", "/", "$default", {}),
        ("POST", "/only", "POST /only", {}),
        ("GET", "/only", "ANY /{proxy+}", {"proxy": "only"}),
    ],
)
def test_route_selection(method: str, path: str, key: str, parameters: dict[str, str]) -> None:
    selected = RouteTable(dict.fromkeys(ROUTES, TWO)).select(method, path)
    assert selected is not None
    assert (selected[0].key, selected[1]) == (key, parameters)


@pytest.mark.parametrize("key", ["GET pets", "GET", "/pets", "GET /{a+}/b"])
def test_route_keys_that_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="route key"):
        RouteTable({key: TWO})


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/a", 200), ("/v1", 200), ("/v10/a", 404), ("/a", 404)]
)
def test_a_named_stage_is_part_of_the_path(path: str, status: int) -> None:
    api = replace(API, stage="v1", routes={"GET /a": TWO, "GET /": TWO})
    functions = Functions()
    assert ask(api, functions, get(path))[0].status == status
    assert [call[1]["rawPath"] for call in functions.calls] == ([path] if status == 200 else [])


def message(status: int, text: str) -> Response:
    body = b'{"message":"%s"}' % text.encode()
    headers = (("Content-Type", "application/json"), ("Apigw-Requestid", REQUEST_ID))
    return Response(status, headers, body)


@pytest.mark.parametrize(
    ("answer", "status", "text"),
    [
        (Invocation("r", b"{}", error="Unhandled"), 500, "Internal Server Error"),
        (Invocation("r", b"{}", error="Unhandled", timed_out=True), 500, "Internal Server Error"),
        (Invocation("r", b"not json"), 500, "Internal Server Error"),
        (Invocation("r", b"[" * 100_000), 500, "Internal Server Error"),
        ({"statusCode": "many"}, 500, "Internal Server Error"),
        ({"statusCode": 200, "headers": {"A": "1\n2"}}, 500, "Internal Server Error"),
        ({"statusCode": 200, "body": {}}, 500, "Internal Server Error"),
        ({"statusCode": 200, "cookies": "a"}, 500, "Internal Server Error"),
        (UnknownFunction(), 500, "Internal Server Error"),
        (RuntimeError("bug"), 500, "Internal Server Error"),
        (TooManyRequests(), 503, "Service Unavailable"),
    ],
)
def test_failures(answer: Any, status: int, text: str) -> None:
    assert ask(API, Functions(answer))[0] == message(status, text)


def test_no_route_and_too_large() -> None:
    functions = Functions()
    assert ask(replace(API, routes={}), functions)[0] == message(404, "Not Found")
    large = replace(RICH, body=b"x" * (10 * 1024 * 1024 + 1))
    assert ask(API, functions, large)[0] == message(413, "Request Entity Too Large")
    assert functions.calls == []


def test_an_integration_that_takes_too_long_gives_503_and_runs_on() -> None:
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def invoke(arn: str, payload: bytes, *, trace_id: str | None = None) -> Invocation:
        await go_on.wait()
        ended.set()
        return Invocation("r", b"{}")

    async def run() -> Response:
        api = replace(API, routes={"$default": replace(TWO, timeout=10)})
        response = await HttpApiHandler(api, invoke, stamps=STAMPS)(RICH)
        go_on.set()
        await asyncio.wait_for(ended.wait(), 5)
        return response

    assert asyncio.run(run()) == message(503, "Service Unavailable")


JSON_TYPE = (("Content-Type", "application/json"),)
TEXT_TYPE = (("Content-Type", "text/plain; charset=utf-8"),)


@pytest.mark.parametrize(
    ("payload", "payload_format", "expected"),
    [
        (b'"Hello"', "2.0", Response(200, JSON_TYPE, b"Hello")),
        (b'{ "message": "Hi" }', "2.0", Response(200, JSON_TYPE, b'{ "message": "Hi" }')),
        (b"null", "2.0", Response(200, JSON_TYPE, b"null")),
        (b"[1]", "2.0", Response(200, JSON_TYPE, b"[1]")),
        (b'{"statusCode": 201}', "2.0", Response(201, TEXT_TYPE)),
        (b'{"statusCode": "201", "body": "b"}', "2.0", Response(201, TEXT_TYPE, b"b")),
        (
            b'{"statusCode": 200, "cookies": ["a=1", "b=2"], "body": "AAE=",'
            b' "isBase64Encoded": true, "headers": {"content-type": "a/b", "N": 1, "T": true}}',
            "2.0",
            Response(
                200,
                (
                    ("content-type", "a/b"),
                    ("N", "1"),
                    ("T", "true"),
                    ("Set-Cookie", "a=1"),
                    ("Set-Cookie", "b=2"),
                ),
                b"\0\1",
            ),
        ),
        (
            b'{"statusCode": 200, "multiValueHeaders": {"A": ["1"]}}',
            "2.0",
            Response(200, TEXT_TYPE),
        ),
        (
            b'{"statusCode": 200, "headers": {"a": "0", "B": "3"}, "cookies": ["x=1"],'
            b' "multiValueHeaders": {"A": ["1", "2"]}}',
            "1.0",
            Response(200, (*TEXT_TYPE, ("B", "3"), ("A", "1"), ("A", "2"))),
        ),
    ],
)
def test_answers_read(payload: bytes, payload_format: str, expected: Response) -> None:
    assert parse_answer(payload, payload_format) == expected


def test_format_1_needs_a_status_code() -> None:
    with pytest.raises(InvalidAnswer, match="no statusCode"):
        parse_answer(b'{"message": "Hi"}', "1.0")


CORS = Cors(
    origins=("https://www.example.com",),
    methods=("GET", "POST"),
    headers=("authorization",),
    expose=("x-id",),
    credentials=True,
    max_age=300,
)


def test_preflight() -> None:
    asked = (("Origin", "https://www.example.com"), ("Access-Control-Request-Method", "POST"))
    functions = Functions()
    api = replace(API, cors=CORS)
    response, _ = ask(api, functions, get("/x", "OPTIONS", *asked))
    assert response == Response(
        204,
        (
            ("Access-Control-Allow-Origin", "https://www.example.com"),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Expose-Headers", "x-id"),
            ("Access-Control-Allow-Methods", "GET,POST"),
            ("Access-Control-Allow-Headers", "authorization"),
            ("Access-Control-Max-Age", "300"),
            ("Apigw-Requestid", REQUEST_ID),
        ),
    )
    foreign = (("Origin", "https://evil.example"), asked[1])
    refused, _ = ask(api, functions, get("/x", "OPTIONS", *foreign))
    assert refused == Response(204, (("Apigw-Requestid", REQUEST_ID),))
    assert functions.calls == []


@pytest.mark.parametrize(
    ("origins", "credentials", "origin", "allowed"),
    [
        (("*",), False, "http://a", "*"),
        (("https://*",), False, "https://a", "https://a"),
        (("https://*",), False, "http://a", None),
        (("http://a",), False, "http://b", None),
        (("*",), False, None, None),
    ],
)
def test_cors_headers_replace_those_of_the_function(
    origins: tuple[str, ...], credentials: bool, origin: str | None, allowed: str | None
) -> None:
    api = replace(API, cors=Cors(origins, credentials=credentials))
    answer = {"statusCode": 200, "headers": {"access-control-allow-origin": "function"}}
    headers = (("Origin", origin),) if origin else ()
    response, _ = ask(api, Functions(answer), get("/", "GET", *headers))
    found = {name.lower(): value for name, value in response.headers}
    assert found.get("access-control-allow-origin") == allowed


def test_access_record() -> None:
    _, record = ask(API, Functions({"statusCode": 201, "body": "abc"}))
    assert record == AccessRecord(
        time=NOW,
        source="a1b2c3",
        client=("192.0.2.7", 5),
        request=RICH,
        status=201,
        seconds=0.0,
        received_bytes=10,
        sent_bytes=3,
        target=FUNCTION,
        target_status=201,
        target_seconds=0.0,
        trace_id=TRACE,
        request_id=REQUEST_ID,
        route="$default",
    )


TEXT = st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=255), max_size=30)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXT, TEXT, st.lists(st.tuples(TEXT, TEXT)), st.binary(), st.sampled_from([ONE, TWO]))
def test_any_request_makes_an_event(
    path: str, query: str, headers: list[tuple[str, str]], body: bytes, how: Integration
) -> None:
    api = replace(API, routes={"ANY /{a}/{proxy+}": how, "$default": how})
    selected = RouteTable(api.routes).select("GET", path)
    assert selected is not None
    request = Request("GET", path, query, tuple(headers), body, ("127.0.0.1", 1))
    event = build_event(Call(request, api, *selected, "id", "Root=1", NOW))
    assert json.loads(json.dumps(event)) == event


@settings(deadline=None)
@given(st.binary(), st.sampled_from(["1.0", "2.0"]))
def test_any_payload_is_read_or_refused(payload: bytes, payload_format: str) -> None:
    try:
        response = parse_answer(payload, payload_format)
    except InvalidAnswer:
        return
    # Nearly always 200: what is no answer with a status is a body; but it may be one.
    assert 100 <= response.status <= 599
