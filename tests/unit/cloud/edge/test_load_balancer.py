"""The load balancer: exact events, rules, answers, health."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck as Slow
from hypothesis import given, settings
from hypothesis import strategies as st

from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.headers import extend_trace_id
from fairway.cloud.edge.health import HealthChecker, matches_status
from fairway.cloud.edge.load_balancer import LoadBalancer
from fairway.cloud.edge.model import (
    Action,
    Condition,
    FixedResponse,
    Forward,
    HealthCheck,
    Listener,
    Redirect,
    Request,
    Response,
    Rule,
    TargetGroup,
)
from fairway.cloud.edge.stamps import Stamps
from fairway.cloud.edge.target_event import (
    InvalidAnswer,
    build_event,
    build_health_event,
    parse_answer,
)
from fairway.cloud.functions.model import Invocation, TooManyRequests, UnknownFunction

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:api"
GROUP = TargetGroup(
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/api/6d0e", (FUNCTION,)
)
NOW = 1541095626.5  # 5bdb40ca in hexadecimal
UNIQUE = "556d8b0c50dc66f0511bf520"
STAMPS = Stamps(
    now=lambda: NOW, elapsed=lambda: 7.0, hex_id=lambda n: UNIQUE[:n], draw=lambda n: n - 1
)


def request(path: str = "/", method: str = "GET", **kwargs: Any) -> Request:
    path, _, query = path.partition("?")
    given = {"headers": (("Host", "app.example.com"),), "body": b"", "client": ("192.0.2.7", 5)}
    return Request(method, path, query, **{**given, **kwargs})


def listener(default: Action | None = None, *rules: Rule, group: TargetGroup = GROUP) -> Listener:
    action = default or Forward(((group.arn, 1),))
    return Listener("arn:listener", "app/lb/1", "HTTP", 80, rules, action, {group.arn: group})


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
    what: Request, functions: Functions, where: Listener | None = None
) -> tuple[Response, AccessRecord]:
    records: list[AccessRecord] = []
    balancer = LoadBalancer(where or listener(), functions, stamps=STAMPS, record=records.append)
    response = asyncio.run(balancer(what))
    (record,) = records
    return response, record


BUSY = request(
    "/a%20b/c?k=1&k=%C3%A9+x&bare&&e=",
    "POST",
    headers=(
        ("Host", "app.example.com:8080"),
        ("User-Agent", "curl/8"),
        ("Content-Type", "application/json; charset=utf-8"),
        ("Content-Length", "9"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Proto", "gopher"),
        ("Connection", "keep-alive, X-Hop"),
        ("X-Hop", "1"),
        ("TE", "trailers"),
    ),
    body='{"a":"é"}'.encode(),
)


def test_event() -> None:
    event, trace_id = build_event(BUSY, listener(), GROUP, now=NOW, unique=UNIQUE)
    assert trace_id == "Root=1-5bdb40ca-556d8b0c50dc66f0511bf520"
    assert event == {
        "requestContext": {
            "elb": {
                "targetGroupArn": (
                    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/api/6d0e"
                )
            }
        },
        "httpMethod": "POST",
        "path": "/a%20b/c",
        "queryStringParameters": {"k": "%C3%A9+x", "bare": "", "e": ""},
        "headers": {
            "content-length": "9",
            "content-type": "application/json; charset=utf-8",
            "cookie": "b=2",
            "host": "app.example.com:8080",
            "user-agent": "curl/8",
            "x-amzn-trace-id": "Root=1-5bdb40ca-556d8b0c50dc66f0511bf520",
            "x-forwarded-for": "203.0.113.9, 192.0.2.7",
            "x-forwarded-port": "80",
            "x-forwarded-proto": "http",
        },
        "body": '{"a":"é"}',
        "isBase64Encoded": False,
    }


def test_event_with_multi_value_headers() -> None:
    group = replace(GROUP, multi_value_headers=True)
    secure = replace(listener(group=group), protocol="HTTPS", port=443)
    event, _ = build_event(BUSY, secure, group, now=NOW, unique=UNIQUE)
    assert event == {
        "requestContext": {"elb": {"targetGroupArn": GROUP.arn}},
        "httpMethod": "POST",
        "path": "/a%20b/c",
        "multiValueQueryStringParameters": {"k": ["1", "%C3%A9+x"], "bare": [""], "e": [""]},
        "multiValueHeaders": {
            "content-length": ["9"],
            "content-type": ["application/json; charset=utf-8"],
            "cookie": ["a=1", "b=2"],
            "host": ["app.example.com:8080"],
            "user-agent": ["curl/8"],
            "x-amzn-trace-id": ["Root=1-5bdb40ca-556d8b0c50dc66f0511bf520"],
            "x-forwarded-for": ["203.0.113.9, 192.0.2.7"],
            "x-forwarded-port": ["443"],
            "x-forwarded-proto": ["https"],
        },
        "body": '{"a":"é"}',
        "isBase64Encoded": False,
    }


def test_health_event_is_the_documented_one() -> None:
    assert build_health_event(HealthCheck(path="/"), GROUP) == {
        "requestContext": {"elb": {"targetGroupArn": GROUP.arn}},
        "httpMethod": "GET",
        "path": "/",
        "queryStringParameters": {},
        "headers": {"user-agent": "ELB-HealthChecker/2.0"},
        "body": "",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(
    ("headers", "encoded"),
    [
        ((("Content-Type", "text/csv"),), False),
        ((("Content-Type", "TEXT/html;x=y"),), False),
        ((("Content-Type", "application/json"),), False),
        ((("Content-Type", "application/javascript"),), False),
        ((("Content-Type", "application/xml"),), False),
        ((("Content-Type", "application/octet-stream"),), True),
        ((("Content-Type", "application/x-www-form-urlencoded"),), True),
        ((), True),
        ((("Content-Type", "text/plain"), ("Content-Encoding", "gzip")), True),
        ((("Content-Type", "text/plain"), ("Content-Encoding", "identity")), False),
    ],
)
def test_which_bodies_are_base64(headers: tuple[tuple[str, str], ...], encoded: bool) -> None:
    event, _ = build_event(
        request(headers=headers, body=b"body"), listener(), GROUP, now=NOW, unique=UNIQUE
    )
    assert event["isBase64Encoded"] is encoded
    assert event["body"] == (base64.b64encode(b"body").decode() if encoded else "body")


NEW = "1-5bdb40ca-" + UNIQUE


@pytest.mark.parametrize(
    ("incoming", "expected"),
    [
        (None, f"Root={NEW}"),
        ("Root=1-a-b", f"Self={NEW};Root=1-a-b"),
        ("Root=1-a-b;CalledFrom=app", f"Self={NEW};Root=1-a-b;CalledFrom=app"),
        ("Self=1-x-y;Root=1-a-b", f"Self={NEW};Root=1-a-b"),
        ("Root=1-a-b;Self=1-x-y", f"Self={NEW};Root=1-a-b"),
        ("CalledFrom=app", f"Root={NEW};CalledFrom=app"),
        ("", f"Root={NEW}"),
    ],
)
def test_trace_id(incoming: str | None, expected: str) -> None:
    assert extend_trace_id(incoming, NOW, UNIQUE) == expected


def test_trace_id_starts_anew_over_seven_kilobytes() -> None:
    functions = Functions()
    large = request(headers=(("X-Amzn-Trace-Id", "Root=1-a-b"), ("X", "a" * 7200)))
    ask(large, functions)
    assert functions.calls[0][2] == f"Root={NEW}"


def test_invalid_header_names_are_dropped_when_configured() -> None:
    functions = Functions()
    odd = request(headers=(("Host", "h"), ("x_odd", "1"), ("X-Even", "2")))
    ask(odd, functions, replace(listener(), drop_invalid_headers=True))
    ask(odd, functions)
    dropped, kept = (call[1]["headers"] for call in functions.calls)
    assert ("x_odd" in dropped, "x-even" in dropped, "x_odd" in kept) == (False, True, True)


def cond(field: Any, *values: str, name: str | None = None) -> Condition:
    return Condition(field, values, name)


UA = (("Host", "App.Example.com:80"), ("User-Agent", "Mozilla Chrome/1"), ("X-A", "one"))


@pytest.mark.parametrize(
    ("condition", "what", "matches"),
    [
        (cond("path-pattern", "/app"), request("/app"), True),
        (cond("path-pattern", "/app"), request("/App"), False),
        (cond("path-pattern", "/app"), request("/app/"), False),
        (cond("path-pattern", "/app"), request("/app?x=/other"), True),
        (cond("path-pattern", "/app/*"), request("/app/a/b"), True),
        (cond("path-pattern", "/app/*"), request("/app"), False),
        (cond("path-pattern", "/a?c"), request("/abc"), True),
        (cond("path-pattern", "/a?c"), request("/ac"), False),
        (cond("path-pattern", "/a.c"), request("/abc"), False),
        (cond("path-pattern", "/x", "/y"), request("/y"), True),
        (cond("path-pattern", "*"), request("/"), True),
        (cond("host-header", "app.example.com"), request(headers=UA), True),
        (cond("host-header", "*.EXAMPLE.com"), request(headers=UA), True),
        (cond("host-header", "example.com"), request(headers=UA), False),
        (cond("host-header", "a"), request(headers=()), False),
        (cond("http-request-method", "GET", "HEAD"), request(), True),
        (cond("http-request-method", "get"), request(), False),
        (cond("http-header", "*chrome*", name="user-agent"), request(headers=UA), True),
        (cond("http-header", "one", name="X-B"), request(headers=UA), False),
        (cond("query-string", "1", name="a"), request("/?a=1"), True),
        (cond("query-string", "1", name="A"), request("/?a=1"), True),
        (cond("query-string", "v*", name="a"), request("/?a=x&a=Vy"), True),
        (cond("query-string", "1"), request("/?z=1"), True),
        (cond("query-string", "1", name="a"), request("/?b=1"), False),
        (cond("source-ip", "192.0.2.0/24"), request(), True),
        (cond("source-ip", "10.0.0.0/8"), request(), False),
        (cond("source-ip", "2001:db8::/32"), request(), False),
    ],
)
def test_conditions(condition: Condition, what: Request, matches: bool) -> None:
    rule = Rule(5, (condition,), FixedResponse(299))
    response, record = ask(what, Functions(), listener(FixedResponse(404), rule))
    assert (response.status, record.rule_priority) == ((299, 5) if matches else (404, 0))


def test_the_lowest_priority_number_wins_and_all_conditions_must_hold() -> None:
    rules = (
        Rule(30, (cond("path-pattern", "/*"),), FixedResponse(230)),
        Rule(
            10,
            (cond("path-pattern", "/a"), cond("http-request-method", "POST")),
            FixedResponse(210),
        ),
        Rule(20, (cond("path-pattern", "/a"),), FixedResponse(220)),
    )
    where = listener(FixedResponse(404), *rules)
    got = [
        ask(request(path, method), Functions(), where)[0].status
        for path, method in (("/a", "POST"), ("/a", "GET"), ("/b", "GET"))
    ]
    assert got == [210, 220, 230]


def test_fixed_response() -> None:
    response, record = ask(request(), Functions(), listener(FixedResponse(503, body="later")))
    assert response == Response(
        503,
        (("Server", "awselb/2.0"), ("Content-Type", "text/plain; charset=utf-8")),
        b"later",
    )
    assert record.action == "fixed-response"


@pytest.mark.parametrize(
    ("action", "host", "location"),
    [
        (Redirect(301, "HTTPS", port="443"), "h", "https://h:443/a/b?q=1"),
        (Redirect(path="/new/#{path}"), "h:8080", "http://h:8080/new/a/b?q=1"),
        (Redirect(host="x.#{host}", query=""), "h", "http://x.h:80/a/b"),
        (Redirect(path="/", query="from=#{path}&#{query}"), "h", "http://h:80/?from=a/b&q=1"),
        (Redirect(path="/#{host}"), "#{query}", "http://#{query}:80/#{query}?q=1"),
    ],
)
def test_redirect(action: Redirect, host: str, location: str) -> None:
    what = request("/a/b?q=1", headers=(("Host", host),))
    response, record = ask(what, Functions(), listener(action))
    assert response.status == action.status
    assert dict(response.headers)["Location"] == location
    assert record.redirect_url == location


def test_weighted_groups() -> None:
    other = TargetGroup("other", ("fn-other",))
    action = Forward(((GROUP.arn, 3), ("zero", 0), ("other", 1)))
    where = replace(listener(action), target_groups={GROUP.arn: GROUP, "other": other})
    functions = Functions()
    for drawn in range(4):
        stamps = replace(STAMPS, draw=lambda limit, drawn=drawn: drawn % limit)
        asyncio.run(LoadBalancer(where, functions, stamps=stamps)(request()))
    assert [arn for arn, _, _ in functions.calls] == [FUNCTION] * 3 + ["fn-other"]


PAGE_502 = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"
)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Invocation("r", b"{}", error="Unhandled"), "LambdaUnhandled"),
        (Invocation("r", b"{}", error="Unhandled", timed_out=True), "LambdaUnhandled"),
        (TooManyRequests(), "LambdaThrottling"),
        (UnknownFunction(), "LambdaResourceNotFound"),
        (RuntimeError("bug"), "LambdaServiceException"),
        (Invocation("r", b'"%s"' % (b"x" * 1048576)), "LambdaResponseTooLarge"),
        (Invocation("r", b"not json"), "LambdaInvalidResponse"),
        (Invocation("r", b""), "LambdaInvalidResponse"),
        (Invocation("r", b"[" * 100_000), "LambdaInvalidResponse"),
        (Invocation("r", b"null"), "LambdaInvalidResponse"),
        ("text", "LambdaInvalidResponse"),
        ({}, "LambdaInvalidResponse"),
        ({"statusCode": "200"}, "LambdaInvalidResponse"),
        ({"statusCode": True}, "LambdaInvalidResponse"),
        ({"statusCode": 99}, "LambdaInvalidResponse"),
        ({"statusCode": 100}, "LambdaInvalidResponse"),
        ({"statusCode": 1000}, "LambdaInvalidResponse"),
        ({"statusCode": 200, "body": {"a": 1}}, "LambdaInvalidResponse"),
        ({"statusCode": 200, "body": "%", "isBase64Encoded": True}, "LambdaInvalidResponse"),
        ({"statusCode": 200, "isBase64Encoded": "yes"}, "LambdaInvalidResponse"),
        ({"statusCode": 200, "headers": []}, "LambdaInvalidResponse"),
        ({"statusCode": 200, "headers": {"A": 1}}, "LambdaInvalidResponse"),
        ({"statusCode": 200, "headers": {"A b": "1"}}, "LambdaInvalidResponse"),
        ({"statusCode": 200, "headers": {"A": "1\r\nB: 2"}}, "LambdaInvalidResponse"),
        ({"statusCode": 200, "statusDescription": 1}, "LambdaInvalidResponse"),
    ],
)
def test_what_gives_502(answer: Any, reason: str) -> None:
    response, record = ask(request(), Functions(answer))
    assert response == Response(
        502,
        (("Server", "awselb/2.0"), ("Content-Type", "text/html")),
        PAGE_502,
        reason="Bad Gateway",
    )
    assert (record.error_reason, record.target_status) == (reason, None)


@pytest.mark.parametrize(
    ("what", "group", "status"),
    [
        (request("/", "POST", body=b"x" * 1048577), GROUP, 413),
        (request("/", "POST", body=b"x" * 1048576), GROUP, 200),
        (request(), replace(GROUP, functions=()), 503),
        (request("/", "TRACE"), GROUP, 405),
        (request(headers=(("X-Forwarded-For", ", ".join(["10.0.0.1"] * 31)),)), GROUP, 463),
        (request(headers=(("X-Forwarded-For", ", ".join(["10.0.0.1"] * 30)),)), GROUP, 200),
    ],
)
def test_other_statuses_of_its_own(what: Request, group: TargetGroup, status: int) -> None:
    assert ask(what, Functions(), listener(group=group))[0].status == status


OURS = (("Server", "awselb/2.0"),)
BINARY = (("Content-Type", "application/octet-stream"),)


@pytest.mark.parametrize(
    ("answer", "multi", "expected"),
    [
        ({"statusCode": 200}, False, Response(200, OURS + BINARY)),
        (
            {
                "isBase64Encoded": False,
                "statusCode": 201,
                "statusDescription": "201 Made",
                "headers": {"Content-Type": "text/plain", "Connection": "close", "SERVER": "me"},
                "body": "é",
            },
            False,
            Response(201, (("Content-Type", "text/plain"), ("SERVER", "me")), "é".encode(), "Made"),
        ),
        (
            {"statusCode": 200, "body": "AAE=", "isBase64Encoded": True},
            False,
            Response(200, OURS + BINARY, b"\0\1"),
        ),
        (
            {
                "statusCode": 200,
                "headers": {"Ignored": "1"},
                "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"], "Content-Type": ["a/b"]},
            },
            True,
            Response(
                200,
                (*OURS, ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Content-Type", "a/b")),
            ),
        ),
        (
            {"statusCode": 200, "multiValueHeaders": {"Ignored": ["1"]}},
            False,
            Response(200, OURS + BINARY),
        ),
    ],
)
def test_answers_read(answer: Any, multi: bool, expected: Response) -> None:
    assert parse_answer(json.dumps(answer).encode(), multi_value=multi) == expected


def test_multi_value_headers_must_be_lists() -> None:
    with pytest.raises(InvalidAnswer, match="A has a value of the wrong type"):
        parse_answer(b'{"statusCode": 200, "multiValueHeaders": {"A": "1"}}', multi_value=True)


def test_access_record() -> None:
    _, record = ask(BUSY, Functions({"statusCode": 204}))
    assert record == AccessRecord(
        time=NOW,
        source="arn:listener",
        client=("192.0.2.7", 5),
        request=BUSY,
        status=204,
        seconds=0.0,
        received_bytes=10,
        sent_bytes=0,
        target=FUNCTION,
        target_group=GROUP.arn,
        target_status=204,
        target_seconds=0.0,
        rule_priority=0,
        action="forward",
        trace_id=f"Root={NEW}",
    )


def test_a_refused_request_is_worded_and_recorded() -> None:
    records: list[AccessRecord] = []
    balancer = LoadBalancer(listener(), Functions(), stamps=STAMPS, record=records.append)
    response = balancer.refuse(400, ("192.0.2.7", 5))
    assert b"<h1>400 Bad Request</h1>" in response.body
    assert [(r.status, r.request) for r in records] == [(400, None)]


@pytest.mark.parametrize(
    ("matcher", "status", "matches"),
    [
        ("200", 200, True),
        ("200", 201, False),
        ("200-399,401", 302, True),
        ("200-399, 401", 401, True),
        ("200-399,401", 400, False),
        ("junk", 200, False),
    ],
)
def test_matcher(matcher: str, status: int, matches: bool) -> None:
    assert matches_status(matcher, status) is matches


def check_states(answers: list[Any], check: HealthCheck) -> list[tuple[str, str | None]]:
    functions = Functions()
    group = replace(GROUP, health_check=check)
    checker = HealthChecker([group], functions, STAMPS)
    seen = [checker.health()[GROUP.arn]]

    async def run() -> None:
        for answer in answers:
            functions.answer = answer
            await checker.check(group, check)
            seen.append(checker.health()[GROUP.arn])

    asyncio.run(run())
    return [(health.state, health.description) for health in seen]


OK, BAD = {"statusCode": 200}, {"statusCode": 500}
FAILED = ("unhealthy", "Health checks failed with these codes: [500]")
WELL = ("healthy", None)
BEGUN = ("initial", "Initial health checks in progress")


@pytest.mark.parametrize(
    ("answers", "states"),
    [
        ([OK], [BEGUN, WELL]),
        ([BAD, BAD], [BEGUN, BEGUN, FAILED]),
        ([OK, BAD, OK, BAD, BAD], [BEGUN, WELL, WELL, WELL, WELL, FAILED]),
        ([BAD, BAD, OK, OK, OK], [BEGUN, BEGUN, FAILED, FAILED, FAILED, WELL]),
        ([BAD, OK], [BEGUN, BEGUN, WELL]),
    ],
)
def test_health_thresholds(answers: list[Any], states: list[Any]) -> None:
    assert check_states(answers, HealthCheck(healthy_threshold=3)) == states


@pytest.mark.parametrize(
    ("answer", "description"),
    [
        (TooManyRequests(), "Health checks failed with these codes: [502]"),
        (Invocation("r", b"{}", error="Unhandled"), "Health checks failed with these codes: [502]"),
        ("nonsense", "Health checks failed with these codes: [502]"),
        (TimeoutError(), "Request timed out"),
        (RuntimeError(), "Internal error"),
    ],
)
def test_health_reasons(answer: Any, description: str) -> None:
    states = check_states([answer], HealthCheck(unhealthy_threshold=1))
    assert states[-1] == ("unhealthy", description)


def test_the_health_loop_waits_its_interval_and_unhealthy_targets_are_still_called() -> None:
    group = replace(GROUP, health_check=HealthCheck(interval=35, unhealthy_threshold=2))
    waits: list[float] = []
    twice = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            twice.set()
            await asyncio.Event().wait()

    functions = Functions(BAD)

    async def run() -> None:
        balancer = LoadBalancer(
            listener(group=group), functions, stamps=replace(STAMPS, sleep=sleep)
        )
        balancer.start()
        await asyncio.wait_for(twice.wait(), 5)
        assert balancer.health()[GROUP.arn].state == "unhealthy"
        functions.answer = OK
        assert (await balancer(request())).status == 200
        await balancer.stop()

    asyncio.run(run())
    assert waits == [35, 35]


def test_groups_without_health_checks_or_targets() -> None:
    groups = [GROUP, TargetGroup("empty", ())]
    health = HealthChecker(groups, Functions(), STAMPS).health()
    assert {arn: state.state for arn, state in health.items()} == {
        GROUP.arn: "unavailable",
        "empty": "unused",
    }


TEXT = st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=255), max_size=30)


@settings(deadline=None, suppress_health_check=[Slow.too_slow])
@given(
    TEXT,
    TEXT,
    st.lists(st.tuples(TEXT | st.just("Connection") | st.just("Content-Type"), TEXT)),
    st.binary(),
    st.booleans(),
)
def test_any_request_makes_an_event(
    path: str, query: str, headers: list[tuple[str, str]], body: bytes, multi: bool
) -> None:
    group = replace(GROUP, multi_value_headers=multi)
    what = Request("GET", path, query, tuple(headers), body, ("127.0.0.1", 1))
    event, _ = build_event(what, listener(), group, now=NOW, unique=UNIQUE)
    assert json.loads(json.dumps(event)) == event


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
ANSWER = st.fixed_dictionaries(
    {"statusCode": st.integers(190, 210) | JSON},
    optional={
        "headers": JSON,
        "multiValueHeaders": JSON,
        "body": JSON,
        "isBase64Encoded": JSON,
        "statusDescription": JSON,
        "cookies": JSON,
    },
)


@settings(deadline=None, suppress_health_check=[Slow.too_slow])
@given(st.binary() | ANSWER.map(lambda value: json.dumps(value).encode()), st.booleans())
def test_any_answer_is_read_or_refused(payload: bytes, multi: bool) -> None:
    read_or_refuse(lambda: parse_answer(payload, multi_value=multi))


def read_or_refuse(read: Callable[[], Response]) -> None:
    try:
        response = read()
    except InvalidAnswer:
        return
    assert 200 <= response.status <= 599
    assert all(isinstance(part, str) for header in response.headers for part in header)


@pytest.mark.parametrize(
    ("action", "host", "location"),
    [
        (Redirect(protocol="HTTPS", port="443"), "localhost:8080", "https://localhost:8081/a"),
        (Redirect(protocol="HTTPS", port="443"), "localhost", "https://localhost:8081/a"),
        (Redirect(protocol="HTTPS", port="8443"), "localhost", "https://localhost:8443/a"),
        (
            Redirect(protocol="HTTPS", host="aws.example", port="443"),
            "localhost:8080",
            "https://aws.example:443/a",
        ),
        (Redirect(path="/b"), "localhost:9", "http://localhost:9/b"),
        (Redirect(path="/b"), "localhost", "http://localhost:8080/b"),
    ],
)
def test_redirects_lead_to_local_ports(action: Redirect, host: str, location: str) -> None:
    balancer = LoadBalancer(
        listener(action), Functions(), stamps=STAMPS, local_port={80: 8080, 443: 8081}.get
    )
    response = asyncio.run(balancer(request("/a", headers=(("Host", host),))))
    assert dict(response.headers)["Location"] == location
