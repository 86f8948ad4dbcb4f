"""Readings of single records."""

from __future__ import annotations

import pytest

from fairway.cloud.control.api_snapshots import function_of_uri
from fairway.cloud.control.invocation import versioned_arn
from fairway.cloud.control.snapshots import expand_conditions, read_action
from fairway.cloud.edge.model import Condition, FixedResponse, Forward, Redirect

BASE = "arn:aws:lambda:eu-west-1:000000000000:function:f"


def test_query_keys_become_alternatives() -> None:
    conditions = [
        {"Field": "path-pattern", "Values": ["/a"]},
        {
            "Field": "query-string",
            "Values": [
                {"Key": "v", "Value": "1"},
                {"Key": "v", "Value": "2"},
                {"Key": "w", "Value": "3"},
            ],
        },
    ]
    path = Condition("path-pattern", ("/a",))
    assert expand_conditions(conditions) == [
        (path, Condition("query-string", ("1", "2"), "v")),
        (path, Condition("query-string", ("3",), "w")),
    ]


def test_header_condition_keeps_its_name() -> None:
    header = {"HttpHeaderName": "X-A", "Values": ["1"]}
    read = expand_conditions([{"Field": "http-header", "Values": [], "HttpHeaderConfig": header}])
    assert read == [(Condition("http-header", ("1",), "X-A"),)]


def test_actions() -> None:
    weighted = {
        "Type": "forward",
        "ForwardConfig": {
            "TargetGroups": [
                {"TargetGroupArn": "a", "Weight": 3},
                {"TargetGroupArn": "b", "Weight": 1},
            ]
        },
    }
    assert read_action([weighted]) == Forward((("a", 3), ("b", 1)))
    moved = {"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Port": "443"}}
    assert read_action([moved]) == Redirect(status=301, port="443")
    assert read_action([]) == FixedResponse(503)


@pytest.mark.parametrize(
    "uri",
    [
        BASE,
        f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{BASE}/invocations",
    ],
)
def test_integration_uris(uri: str) -> None:
    assert function_of_uri(uri) == BASE


@pytest.mark.parametrize(
    ("arn", "version", "expected"),
    [
        (BASE, "$LATEST", BASE),
        (f"{BASE}:live", "7", f"{BASE}:7"),
        (f"{BASE}:$LATEST", "$LATEST", BASE),
    ],
)
def test_versioned_arn(arn: str, version: str, expected: str) -> None:
    assert versioned_arn({"FunctionArn": arn, "Version": version}) == expected
