"""The HTTP half of awslambdaric in plain Python.

awslambdaric speaks to the Runtime API through a compiled module of this name,
which fits only the interpreter it was installed for. Under any other version
of Python this one takes its place; everything else stays awslambdaric's.
"""

from __future__ import annotations

import http.client
import os

_ROOT = "/2018-06-01/runtime/invocation/"
_connection: http.client.HTTPConnection | None = None
_agent = ""


def initialize_client(user_agent: str) -> None:
    """Remember how to introduce ourselves; the address comes from the environment."""
    global _agent
    _agent = user_agent


def _request(
    method: str, path: str, body: bytes, headers: dict[str, str]
) -> http.client.HTTPResponse:
    global _connection
    if _connection is None:
        _connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    _connection.request(method, _ROOT + path, body or None, {"User-Agent": _agent, **headers})
    return _connection.getresponse()


def next() -> tuple[bytes, dict[str, str]]:  # noqa: A001 - the compiled module's name for it
    """Wait for an invocation: its payload and its headers."""
    response = _request("GET", "next", b"", {})
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"Failed to get next invocation. HTTP status {response.status}")
    return body, dict(response.getheaders())


def _post(path: str, body: bytes, headers: dict[str, str]) -> None:
    response = _request("POST", path, body, headers)
    response.read()
    if response.status != 202:
        raise RuntimeError(f"Failed to post invocation response. HTTP status {response.status}")


def post_invocation_result(
    invoke_id: str, result: bytes, content_type: str, invocation_id: str | None = None
) -> None:
    """Hand the handler's answer to the Runtime API."""
    _post(f"{invoke_id}/response", result, {"Content-Type": content_type})


def post_error(
    invoke_id: str, error: str, xray_fault: str, invocation_id: str | None = None
) -> None:
    """Hand the handler's exception to the Runtime API."""
    _post(f"{invoke_id}/error", error.encode(), {"Content-Type": "application/json"})
