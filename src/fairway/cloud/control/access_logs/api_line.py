"""One line of an HTTP API's access log, in the format that its stage names.

Page "Customize HTTP API access logs": variables begin with $context; one without a
value is written as "-".
"""

from __future__ import annotations

import http
import json
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache

from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.model import HttpApi

WriteLine = Callable[[HttpApi, AccessRecord], str]
_VARIABLE = re.compile(r"\$context\.([A-Za-z]+(?:\.[A-Za-z]+)*)")
_INTEGRATION_ERRORS = {
    "FunctionError": "The Lambda function returned an error.",
    "FunctionNotFound": "The Lambda function does not exist.",
    "IntegrationFailure": "The integration failed.",
    "IntegrationTimeout": "The integration timed out.",
    "InvalidResponse": "The response from the Lambda function doesn't match the format that "
    "API Gateway expects.",
    "RequestTooLarge": "The request is larger than the integration takes.",
    "Throttled": "The Lambda function was throttled.",
}


def compile_format(text: str) -> WriteLine:
    """Turn a format into a function that writes lines."""
    pieces: list[str | Callable[[HttpApi, AccessRecord], object]] = []
    end = 0
    for match in _VARIABLE.finditer(text):
        pieces += [text[end : match.start()], _VARIABLES.get(match[1], _read_nothing)]
        end = match.end()
    pieces.append(text[end:])

    def write(api: HttpApi, record: AccessRecord) -> str:
        return "".join(
            piece if isinstance(piece, str) else _escape(piece(api, record)) for piece in pieces
        )

    return write


def _escape(value: object) -> str:
    """A value as text that ends neither a JSON string nor a line; "-" for none."""
    if value is None or value == "":
        return "-"
    text = str(value)
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _read_nothing(api: HttpApi, record: AccessRecord) -> None:
    return None


def _header(name: str) -> Callable[[HttpApi, AccessRecord], object]:
    return lambda api, record: record.request.header(name) if record.request else None


def _domain(api: HttpApi, record: AccessRecord) -> str:
    host = (record.request.header("host") if record.request else None) or ""
    return host.partition(":")[0]


def _latency(api: HttpApi, record: AccessRecord) -> int | None:
    return None if record.target_seconds is None else int(record.target_seconds * 1000)


def _integration_error(api: HttpApi, record: AccessRecord) -> str | None:
    return _INTEGRATION_ERRORS.get(record.error_reason or "")


def _integration_status(api: HttpApi, record: AccessRecord) -> int | None:
    """What Lambda answered, whatever the function did."""
    if record.target_seconds is None:
        return None
    refused = {"FunctionNotFound": 404, "RequestTooLarge": 413, "Throttled": 429}
    if record.error_reason in ("IntegrationFailure", "IntegrationTimeout"):
        return None
    return refused.get(record.error_reason or "", 200)


def _error_message(api: HttpApi, record: AccessRecord) -> str | None:
    """What API Gateway itself answered."""
    if record.target_status is not None or record.status < 400:
        return None
    return http.HTTPStatus(record.status).phrase


def _request_time(api: HttpApi, record: AccessRecord) -> str:
    return _format_second(int(record.time))


@lru_cache(maxsize=8)
def _format_second(second: int) -> str:
    """The text of a second: most lines share it."""
    return time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))


_VARIABLES: Mapping[str, Callable[[HttpApi, AccessRecord], object]] = {
    "accountId": lambda api, record: api.account,
    "apiId": lambda api, record: api.api_id,
    "dataProcessed": lambda api, record: record.received_bytes + record.sent_bytes,
    "domainName": _domain,
    "domainPrefix": lambda api, record: _domain(api, record).partition(".")[0],
    "error.message": _error_message,
    "error.messageString": _error_message,
    "extendedRequestId": lambda api, record: record.request_id,
    "httpMethod": lambda api, record: record.request.method if record.request else None,
    "identity.sourceIp": lambda api, record: record.client[0],
    "identity.userAgent": _header("user-agent"),
    "integration.error": _integration_error,
    "integration.integrationStatus": _integration_status,
    "integration.latency": _latency,
    "integration.status": lambda api, record: record.target_status,
    "integrationErrorMessage": _integration_error,
    "integrationLatency": _latency,
    "integrationStatus": _integration_status,
    "path": lambda api, record: record.request.path if record.request else None,
    "protocol": lambda api, record: (
        f"HTTP/{record.request.http_version}" if record.request else None
    ),
    "requestId": lambda api, record: record.request_id,
    "requestTime": _request_time,
    "requestTimeEpoch": lambda api, record: int(record.time * 1000),
    "responseLatency": lambda api, record: int(record.seconds * 1000),
    "responseLength": lambda api, record: record.sent_bytes,
    "routeKey": lambda api, record: record.route,
    "stage": lambda api, record: api.stage,
    "status": lambda api, record: record.status,
}
