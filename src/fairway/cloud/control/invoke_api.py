"""Lambda's Invoke, answered by our functions. Page "Invoke" of the Lambda API reference."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fairway.cloud.control.asynchronous import AsyncInvocations, AsyncSettings
from fairway.cloud.functions.model import (
    Invocation,
    Invoke,
    PayloadTooLarge,
    TooManyRequests,
    UnknownFunction,
)

MAX_EVENT_PAYLOAD = 1_048_576
"""Bytes; "Lambda quotas": invocation payload, asynchronous, 1 MB."""

Answer = tuple[int, dict[str, str], bytes]
_REQUEST_ID = "x-amzn-RequestId"


@dataclass(frozen=True, slots=True)
class Target:
    """A function to invoke. arn: as our runtime knows it, or an alias. version: if it is one."""

    arn: str
    name: str
    version: str
    settings: AsyncSettings


Find = Callable[[str, str | None], Target | str]
"""Name or ARN, and Qualifier, to the target, or to the ARN that does not exist."""


class InvokeApi:
    """Answers requests of Invoke, whichever way it is called."""

    def __init__(self, invoke: Invoke, events: AsyncInvocations, find: Find) -> None:
        self._invoke = invoke
        self._events = events
        self._find = find

    async def answer(
        self, function: str, qualifier: str | None, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Answer one request; header names are in lower case. Returns (status, headers, body)."""
        target = self._find(function, qualifier)
        if isinstance(target, str):
            return refuse(404, "ResourceNotFoundException", f"Function not found: {target}")
        try:
            json.loads(body or b"{}")
        except (ValueError, RecursionError) as error:
            return refuse(
                400,
                "InvalidRequestContentException",
                f"Could not parse request body into json: {error}",
            )
        kind = headers.get("x-amz-invocation-type") or "RequestResponse"
        if kind == "DryRun":
            return 204, {"X-Amz-Executed-Version": target.version}, b""
        if kind == "Event":
            return self._accept(target, body or b"{}")
        if kind != "RequestResponse":
            return refuse(
                400, "InvalidParameterValueException", f"{kind} is not a type of invocation"
            )
        return await self._run(target, headers, body or b"{}")

    def _accept(self, target: Target, body: bytes) -> Answer:
        if len(body) > MAX_EVENT_PAYLOAD:
            return refuse(
                413,
                "RequestTooLargeException",
                f"{len(body)} byte payload is too large for the Event invocation type "
                f"(limit {MAX_EVENT_PAYLOAD} bytes)",
            )
        request_id = self._events.submit(target.arn, body, target.settings)
        return 202, {_REQUEST_ID: request_id}, b""

    async def _run(self, target: Target, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            outcome = await self._invoke(target.arn, body)
        except TooManyRequests as error:
            return throttle(error)
        except PayloadTooLarge as error:
            return refuse(413, "RequestTooLargeException", str(error))
        except UnknownFunction:
            return refuse(
                502,
                "InvalidRuntimeException",
                f"{target.name} cannot run here; the notices of the local cloud say why",
            )
        wants_log = headers.get("x-amz-log-type", "").lower() == "tail"
        return 200, describe_outcome(outcome, wants_log=wants_log), outcome.payload


def describe_outcome(outcome: Invocation, *, wants_log: bool) -> dict[str, str]:
    """The headers of a finished invocation."""
    headers = {
        "Content-Type": "application/json",
        "X-Amz-Executed-Version": outcome.version,
        _REQUEST_ID: outcome.request_id,
    }
    if outcome.error is not None:
        headers["X-Amz-Function-Error"] = outcome.error
    if wants_log:
        headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log_tail).decode()
    return headers


def throttle(error: TooManyRequests) -> Answer:
    """429, as "Troubleshoot invocation issues in Lambda" describes it."""
    document = {"Reason": error.reason, "Type": "User", "message": "Rate Exceeded."}
    headers = {
        "Content-Type": "application/json",
        "x-amzn-ErrorType": "TooManyRequestsException",
        "Retry-After": "1",
    }
    return 429, headers, json.dumps(document).encode()


def refuse(status: int, kind: str, message: str) -> Answer:
    """An error of the API."""
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": kind}
    return status, headers, json.dumps({"Type": "User", "Message": message}).encode()
