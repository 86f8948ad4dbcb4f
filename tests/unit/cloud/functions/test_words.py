"""Lambda's own words: error documents and report lines."""

import json

import pytest

from fairway.cloud.functions.failures import (
    explain_exit,
    explain_size,
    explain_timeout,
    read_init_error,
)
from fairway.cloud.functions.report import Report


def test_timeout():
    failure = explain_timeout(3)
    assert json.loads(failure.build_document("id-1")) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: id-1 Error: Task timed out after 3.00 seconds",
    }
    assert failure.status == "Status: timeout"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (0, "Runtime exited without providing a reason"),
        (1, "Runtime exited with error: exit status 1"),
        (-9, "Runtime exited with error: signal: killed"),
        (-11, "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_exit(status, message):
    assert explain_exit(status).say("r") == f"RequestId: r Error: {message}"
    assert explain_exit(status).status == "Status: error\tError Type: Runtime.ExitError"


def test_size_names_no_request():
    assert explain_size(7_000_000).say("r").startswith("Response payload size (7000000 bytes)")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b"null"])
def test_an_init_error_that_is_nonsense_is_unknown(body):
    assert read_init_error(body).error_type == "Runtime.Unknown"
    assert read_init_error(body).build_document("r") == body


def test_report_bills_whole_milliseconds():
    end, report = Report("r", 12.001, 128, 30).render()
    assert end == "END RequestId: r"
    assert report == (
        "REPORT RequestId: r\tDuration: 12.00 ms\tBilled Duration: 13 ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 30 MB\t"
    )


def test_report_bills_the_cold_start_and_tells_the_status():
    _, report = Report("r", 10.5, 128, 30, 100.25, "Status: timeout").render()
    assert report == (
        "REPORT RequestId: r\tDuration: 10.50 ms\tBilled Duration: 111 ms\t"
        "Memory Size: 128 MB\tMax Memory Used: 30 MB\tInit Duration: 100.25 ms\tStatus: timeout\t"
    )
