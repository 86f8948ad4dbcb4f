"""Invocations that the control plane makes itself, run by our functions.

ministack's Invoke API and event sources call an executor in a worker thread
and take its result document; this is that executor.
"""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import CancelledError
from typing import Any

from fairway.cloud.functions.model import (
    Invocation,
    Invoke,
    PayloadTooLarge,
    TooManyRequests,
    UnknownFunction,
)

Result = dict[str, Any]


class Executor:
    """Runs a function record of ministack's with one event. Called in worker threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, invoke: Invoke) -> None:
        self._loop = loop
        self._invoke = invoke

    def __call__(self, function: dict[str, Any], event: object) -> Result:
        """Run one invocation to its end; never raises."""
        config = function.get("config") or function
        arn = invoked_arn(config)
        payload = json.dumps(event, ensure_ascii=False).encode()
        try:
            running = asyncio.run_coroutine_threadsafe(
                _call(self._invoke, arn, payload), self._loop
            )
            return to_result(running.result())
        except TooManyRequests as error:
            return _throttled(error)
        except UnknownFunction:
            return _failed("ResourceNotFoundException", f"Function not found: {arn}")
        except PayloadTooLarge as error:
            return _failed("RequestEntityTooLargeException", str(error))
        except (CancelledError, RuntimeError) as error:
            return _failed("ServiceException", str(error) or "The cloud is stopping.")


async def _call(invoke: Invoke, arn: str, payload: bytes) -> Invocation:
    return await invoke(arn, payload)


def versioned_arn(config: dict[str, Any]) -> str:
    """The ARN that a function runs under here: unqualified for $LATEST, else with its version."""
    base = ":".join(str(config["FunctionArn"]).split(":")[:7])
    version = config.get("Version") or "$LATEST"
    return base if version == "$LATEST" else f"{base}:{version}"


def invoked_arn(config: dict[str, Any]) -> str:
    """The ARN that a caller named: qualified by an alias or version, or not at all."""
    arn = str(config["FunctionArn"]).removesuffix(":$LATEST")
    return arn if len(arn.split(":")) > 7 else versioned_arn(config)


def to_result(invocation: Invocation) -> Result:
    """An invocation as the document that ministack's callers read."""
    try:
        body: object = json.loads(invocation.payload) if invocation.payload else None
    except (ValueError, RecursionError):
        body = invocation.payload.decode("utf-8", "replace")
    result: Result = {"body": body, "log": invocation.log_tail.decode("utf-8", "replace")}
    if invocation.error is not None:
        result["error"] = True
        result["function_error"] = invocation.error
    return result


def _throttled(error: TooManyRequests) -> Result:
    body = {
        "Type": "User",
        "message": "Rate Exceeded.",
        "Reason": error.reason,
        "__type": "TooManyRequestsException",
        "retryAfterSeconds": "1",
    }
    return {"throttle": True, "error": True, "body": body, "log": ""}


def _failed(kind: str, message: str) -> Result:
    return {
        "error": True,
        "function_error": "Unhandled",
        "body": {"errorType": kind, "errorMessage": message},
        "log": "",
    }
