"""Filter patterns of CloudWatch Logs, as its API answers them."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import Cloud

pytestmark = pytest.mark.slow

SERVICE = "CloudWatch Logs"
PAGE = (
    "Filter pattern syntax for metric filters, subscription filters, filter log events, "
    "and Live Tail"
)
EVENT = {"level": "ERROR", "took": 120, "user": {"id": 1}, "tags": ["red"], "gone": None}
LINES = [
    "ERROR 400 time out",
    "error 401 retried",
    "WARN slow",
    json.dumps(EVENT),
    '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET / HTTP/1.0" 404 1534',
]


@pytest.fixture(scope="module")
def group(cloud: Cloud) -> Iterator[str]:
    """A log group with the lines, and nothing else."""
    logs = cloud.client("logs")
    name = f"/patterns/{uuid.uuid4().hex}"
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    now = int(time.time() * 1000)
    events = [{"timestamp": now + place, "message": line} for place, line in enumerate(LINES)]
    logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=events)
    yield name
    logs.delete_log_group(logGroupName=name)


def find_lines(cloud: Cloud, group: str, pattern: str) -> list[int]:
    """The numbers of the lines that match."""
    found = cloud.client("logs").filter_log_events(logGroupName=group, filterPattern=pattern)
    return [LINES.index(event["message"]) for event in found["events"]]


@holds(SERVICE, PAGE, "Terms and phrases are matched as they are written, also in case")
def test_terms(cloud: Cloud, group: str) -> None:
    assert find_lines(cloud, group, "ERROR") == [0, 3]
    assert find_lines(cloud, group, "error 401") == [1]
    assert find_lines(cloud, group, '"time out"') == [0]
    assert find_lines(cloud, group, '"out time"') == []


@holds(SERVICE, PAGE, "Of terms with a question mark one suffices; one with a minus sign excludes")
def test_optional_and_excluded_terms(cloud: Cloud, group: str) -> None:
    assert find_lines(cloud, group, "?ERROR ?WARN") == [0, 2, 3]
    assert find_lines(cloud, group, "ERROR -400") == [3]


@holds(SERVICE, PAGE, "A regular expression stands between percent signs")
def test_expressions(cloud: Cloud, group: str) -> None:
    assert find_lines(cloud, group, "%40[01]%") == [0, 1]


@holds(SERVICE, PAGE, "Braces compare the properties of JSON events, joined by && and ||")
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.level = "ERR*" && $.took > 100 }', [3]),
        ('{ $.level = "INFO" || ($.user.id = 1 && $.tags[0] != "blue") }', [3]),
        ("{ $.gone IS NULL && $.absent NOT EXISTS }", [3]),
        ("{ $.took < 100 }", []),
    ],
)
def test_json(cloud: Cloud, group: str, pattern: str, expected: list[int]) -> None:
    assert find_lines(cloud, group, pattern) == expected


@holds(SERVICE, PAGE, "Brackets compare fields between spaces")
def test_fields(cloud: Cloud, group: str) -> None:
    pattern = '[ip, user, name, time, request = "GET*", status = 4*, bytes > 1000]'
    assert find_lines(cloud, group, pattern) == [4]
    assert find_lines(cloud, group, "[..., status = 5*, bytes]") == []


@holds(SERVICE, PAGE, "A wrong pattern is refused to who reads lines and who makes a filter")
def test_wrong_patterns(cloud: Cloud, group: str) -> None:
    logs = cloud.client("logs")
    metric: dict[str, Any] = {"metricName": "m", "metricNamespace": "n", "metricValue": "1"}
    filters: list[Any] = [
        lambda pattern: find_lines(cloud, group, pattern),
        lambda pattern: logs.put_metric_filter(
            logGroupName=group,
            filterName="f",
            filterPattern=pattern,
            metricTransformations=[metric],
        ),
    ]
    for call in filters:
        for pattern, said in {
            "Status:": "Invalid character(s) in term ':'",
            "{ $.level": "If a filter pattern starts with '{' it must end with '}'",
        }.items():
            with pytest.raises(ClientError) as refused:
                call(pattern)
            assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
            assert said in str(refused.value)
