"""Which requests take the short way to a table's rows."""

from __future__ import annotations

from typing import Any

import pytest

from fairway.cloud.control.row_requests import read_headers

USUAL = {
    b"host": b"127.0.0.1:4566",
    b"x-amz-target": b"DynamoDB_20120810.PutItem",
    b"content-type": b"application/x-amz-json-1.0",
    b"user-agent": b"Boto3/1",
    b"x-amz-date": b"20261121T150000Z",
    b"authorization": b"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-west-1/dynamodb/"
    b"aws4_request, SignedHeaders=host, Signature=0",
    b"content-length": b"2",
}


def describe(headers: dict[bytes, bytes], **changes: Any) -> dict[str, Any]:
    request = {"method": "POST", "path": "/", "query_string": b"", "headers": [*headers.items()]}
    return request | changes


def test_a_usual_request_is_known_by_its_head() -> None:
    headers = read_headers(describe(USUAL))
    assert headers is not None
    assert headers["x-amz-target"] == "DynamoDB_20120810.PutItem"


@pytest.mark.parametrize(
    "changes",
    [{"method": "GET"}, {"path": "/bucket"}, {"query_string": b"X-Amz-Algorithm=x"}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_method_path_or_query_is_unusual(changes: dict[str, Any]) -> None:
    assert read_headers(describe(USUAL, **changes)) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"host", b"bucket.s3.localhost:4566"),
        (b"x-amz-target", b"DynamoDB_20120810.TransactWriteItems"),
        (b"x-amz-target", b"AmazonSQS.SendMessage"),
        (b"authorization", b"AWS AKIDEXAMPLE:signature"),
        (b"authorization", USUAL[b"authorization"].replace(b"/dynamodb/", b"/s3/")),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", b"two"),
        (b"content-encoding", b"gzip"),
        (b"transfer-encoding", b"chunked"),
        (b"x-forwarded-proto", b"https"),
        (b"user-agent", "Boté".encode()),
    ],
)
def test_anything_unusual_goes_the_whole_way(name: bytes, value: bytes) -> None:
    assert read_headers(describe(USUAL | {name: value})) is None


@pytest.mark.parametrize("name", [b"host", b"x-amz-target", b"authorization", b"content-length"])
def test_what_is_missing_is_unusual(name: bytes) -> None:
    assert read_headers(describe({k: v for k, v in USUAL.items() if k != name})) is None


def test_a_header_sent_twice_is_unusual() -> None:
    request = describe(USUAL)
    request["headers"].append((b"host", b"127.0.0.1"))
    assert read_headers(request) is None
