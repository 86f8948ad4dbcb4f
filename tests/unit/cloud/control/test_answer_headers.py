"""Answers carry the headers that AWS's would, whatever ministack gives them."""

from __future__ import annotations

import pytest

from fairway.cloud.control.answer_headers import choose_headers

GIVEN = [
    (b"Content-Type", b"application/x-amz-json-1.0"),
    (b"Access-Control-Allow-Origin", b"*"),
    (b"x-amzn-requestid", b"first"),
    (b"x-amz-request-id", b"first"),
    (b"x-amz-id-2", b"host"),
    (b"X-Amzn-RequestId", b"second"),
    (b"x-amz-function-error", b"Unhandled"),
]


@pytest.mark.parametrize(
    ("service", "of_page", "names"),
    [
        ("dynamodb", False, ["content-type", "x-amzn-requestid", "x-amz-function-error"]),
        (
            "s3",
            False,
            ["content-type", "x-amz-request-id", "x-amz-id-2", "x-amz-function-error"],
        ),
        (
            "",
            True,
            [
                "content-type",
                "access-control-allow-origin",
                "x-amzn-requestid",
                "x-amz-request-id",
                "x-amz-id-2",
                "x-amz-function-error",
            ],
        ),
    ],
)
def test_a_request_is_named_as_its_service_does(
    service: str, of_page: bool, names: list[str]
) -> None:
    chosen = choose_headers(GIVEN, service, of_page)
    assert [name.decode().lower() for name, _ in chosen] == names
    assert (b"X-Amzn-RequestId", b"second") not in chosen
