"""Filter patterns of CloudWatch Logs, after the page "Filter pattern syntax for metric filters,
subscription filters, filter log events, and Live Tail"."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from fairway.cloud.control.log_patterns.compiling import compile_pattern
from fairway.cloud.control.log_patterns.invalid import PatternInvalid
from fairway.cloud.control.log_patterns.patching import match_kept, patch_patterns

LINES = {
    "bad": "[ERROR 400] BAD REQUEST",
    "unauthorized": "[ERROR 401] UNAUTHORIZED REQUEST",
    "missing": "[ERROR 419] MISSING ARGUMENTS",
    "invalid": "[ERROR 420] INVALID ARGUMENTS",
    "lower": "an error of ours",
    "warning": "[WARN 1] slow",
}


def list_matching(pattern: str) -> set[str]:
    match = compile_pattern(pattern)
    return {name for name, line in LINES.items() if match(line)}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("", set(LINES)),
        ("   ", set(LINES)),
        ("ERROR", {"bad", "unauthorized", "missing", "invalid"}),
        ("error", {"lower"}),
        ("ERROR ARGUMENTS", {"missing", "invalid"}),
        ("ARGUMENTS ERROR", {"missing", "invalid"}),
        ('"BAD REQUEST"', {"bad"}),
        ('"REQUEST BAD"', set()),
        ('"[ERROR 40"', {"bad", "unauthorized"}),
        ("?ERROR ?WARN", {"bad", "unauthorized", "missing", "invalid", "warning"}),
        ("?slow ?ours", {"warning", "lower"}),
        ('?"BAD REQUEST" ?nowhere', {"bad"}),
        ("ERROR -ARGUMENTS", {"bad", "unauthorized"}),
        ('-ERROR -"of ours"', {"warning"}),
        ("ERROR ?nowhere", {"bad", "unauthorized", "missing", "invalid"}),
        ("%4[0-1][0-9]%", {"bad", "unauthorized", "missing"}),
        ("%^an% ", {"lower"}),
        ("AUTHORIZED", {"unauthorized"}),
        ("%ERR.R% -BAD", {"unauthorized", "missing", "invalid"}),
    ],
)
def test_terms(pattern: str, names: set[str]) -> None:
    assert list_matching(pattern) == names


EVENT = {
    "eventType": "UpdateTrail",
    "sourceIPAddress": "111.111.111.111",
    "errorCode": 404,
    "took": 1.5,
    "done": True,
    "nothing": None,
    "user": {"id": 1, "email": "John.Stiles@example.com", "detail-type": "x"},
    "users": [{"id": 1, "email": "a@example.com"}, {"id": 2, "email": "b@example.com"}],
    "tags": ["red", "blue"],
    "a.b": "dotted",
    "text": 'say "hi"',
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{$.eventType=UpdateTrail}", True),
        ('{ $.eventType = "updatetrail" }', False),
        ('{ $.eventType = "Update*" }', True),
        ('{ $.eventType != "Update*" }', False),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress != 111.111.* }", False),
        ('{ $.absent != "x" }', False),
        ('{ $.user != "x" }', False),
        ('{ $.eventType = "*" }', True),
        ("{ $.errorCode = 404 }", True),
        ("{ $.errorCode = 4.04e2 }", True),
        ("{ $.errorCode = 4* }", True),
        ("{ $.errorCode = 40 }", False),
        ("{ $.errorCode >= 404 }", True),
        ("{ $.errorCode > 404 }", False),
        ("{ $.errorCode <= 404 }", True),
        ("{ $.took < 2 }", True),
        ("{ $.took > -2 }", True),
        ("{ $.eventType > 1 }", False),
        ("{ $.done IS TRUE }", True),
        ("{ $.done IS FALSE }", False),
        ("{ $.nothing IS NULL }", True),
        ("{ $.absent IS NULL }", False),
        ("{ $.absent NOT EXISTS }", True),
        ("{ $.nothing NOT EXISTS }", False),
        ("{ $.user.id = 1 }", True),
        ("{ $.user.detail-type = x }", True),
        ("{ $.users[1].id = 2 }", True),
        ("{ $.users[2].id NOT EXISTS }", True),
        ('{ $.tags[0] = "red" }', True),
        ('{ $.tags[*] = "blue" }', True),
        ('{ $.tags[*] = "green" }', False),
        ("{ $['a.b'] = dotted }", True),
        ("{ $.['a.b'] = dotted }", True),
        (r'{ $.text = "say \"hi\"" }', True),
        ("{ $.eventType = %^Update[A-Z]% }", True),
        ("{ $.eventType != %^Update[A-Z]% }", False),
        ("{ $.errorCode = 404 && $.done IS TRUE }", True),
        ("{ $.errorCode = 1 || $.done IS TRUE }", True),
        ("{ $.errorCode = 404 || $.took = 9 && $.done IS FALSE }", True),
        ("{ ($.errorCode = 404 || $.took = 9) && $.done IS FALSE }", False),
        ('{ (($.user.id = 1) && ($.users[0].email = "a@*")) }', True),
    ],
)
def test_json(pattern: str, expected: bool) -> None:
    assert compile_pattern(pattern)(json.dumps(EVENT)) is expected


def test_json_patterns_pass_over_what_is_no_object() -> None:
    match = compile_pattern("{ $.a NOT EXISTS }")
    assert match('{"b": 1}')
    assert not any(map(match, ["plain text", "{not json", "[1]", '"a"', ""]))


ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ip, user, username, timestamp, request, status_code, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code]", False),
        ("[ip, user, username, timestamp, request = *.html*, status_code = 4*, bytes]", True),
        ("[ip, user, username, timestamp, request =*.html*, status_code = 5*, bytes]", False),
        ("[..., status_code=4*, bytes]", True),
        ("[ip, ..., bytes > 1000]", True),
        ("[ip, ..., bytes > 2000]", False),
        ("[ip, user, ...]", True),
        ("[ip!=127.0.0.1, ...]", False),
        (r"[ip=%127\.0\.0\.[1-9]%, ...]", True),
        ("[ip, user = Prod || user = Beta, ...]", True),
        ('[..., request="GET*", , ]', True),
        ('[..., timestamp="*13:25:15*", , , ]', True),
    ],
)
def test_fields_between_spaces(pattern: str, expected: bool) -> None:
    assert compile_pattern(pattern)(ACCESS) is expected


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("Status:", "Invalid character(s) in term ':'"),
        ("ERROR*", "Invalid character(s) in term '*'"),
        ("a(b", "Invalid character(s) in term '('"),
        ('"no end', "no end"),
        ("%[%", "no regular expression"),
        ("%some!%", "Invalid character(s) in term '!'"),
        ("{ $.a = 1", "If a filter pattern starts with '{' it must end with '}'"),
        ("[a, b", "If a filter pattern starts with '[' it must end with ']'"),
        ("{ }", "a property like $.name is expected"),
        ("{ $.a }", "one of = != < <= > >= is expected"),
        ("{ $.a = }", "a value after ="),
        ("{ $.a > x }", "no number"),
        ("{ $.a IS SMALL }", "NULL, TRUE or FALSE"),
        ("{ ($.a = 1 }", "')' is expected"),
        ("{ $.a = 1 } }", "the end is expected before }"),
        ('{ $."a-b" = 1 }', "Invalid character(s) in term '$'"),
        ("{ $.a = %x% || $.a = %y% || $.a = %z% }", "more than 2 regular expressions"),
        ("[a, ..., b, ...]", "more than one ..."),
        ("[=1]", "the name of a field"),
        ("x" * 1025, "less than or equal to 1024"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(PatternInvalid) as refused:
        compile_pattern(pattern)
    assert said in str(refused.value)


def make_logs() -> Any:
    def answer(data: dict[str, Any]) -> tuple[int, str]:
        return 200, data["logGroupName"]

    return SimpleNamespace(
        _filter_log_events=answer,
        _put_subscription_filter=answer,
        _put_metric_filter=answer,
        _start_live_tail=answer,
    )


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("_filter_log_events", "filterPattern"),
        ("_put_subscription_filter", "filterPattern"),
        ("_put_metric_filter", "filterPattern"),
        ("_start_live_tail", "logEventFilterPattern"),
    ],
)
def test_each_call_that_takes_a_pattern_refuses_a_wrong_one(name: str, parameter: str) -> None:
    logs = make_logs()
    patch_patterns(logs)
    call = getattr(logs, name)
    assert call({"logGroupName": "g", parameter: "ERROR"}) == (200, "g")
    assert call({"logGroupName": "g"}) == (200, "g")
    status, _, body = call({"logGroupName": "g", parameter: "{ $.a"})
    assert status == 400
    assert json.loads(body)["__type"] == "InvalidParameterException"


def test_subscriptions_filter_alike_and_a_wrong_one_from_before_takes_nothing() -> None:
    logs = make_logs()
    patch_patterns(logs)
    matches = logs._subscription_pattern_matches
    assert matches is match_kept
    assert matches("", "x")
    assert matches(None, "x")
    assert matches("?a ?b", "b")
    assert not matches("-b", "b")
    assert not matches("{", "b")
