"""The ways an invocation fails outside the handler, in Lambda's own words."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass

from fairway.cloud.functions.api import MAX_RESPONSE

_LONGEST_TYPE = 500  # characters of an error's type that are repeated in the log


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure: its type, its message, and the finished document where the runtime sent one.

    status: the word in the REPORT line. reported_as: the type given there, when
    it is another one than callers get.
    """

    error_type: str
    message: str
    body: bytes | None = None
    timed_out: bool = False
    names_request: bool = True
    reported_as: str | None = None

    @property
    def status(self) -> str:
        """What a report line says of it."""
        if self.timed_out:
            return "Status: timeout"
        return f"Status: error\tError Type: {self.reported_as or self.error_type}"

    def say(self, request_id: str) -> str:
        """Word the message as callers and the log get it."""
        if self.names_request:
            return f"RequestId: {request_id} Error: {self.message}"
        return self.message

    def build_document(self, request_id: str) -> bytes:
        """Lambda's error document."""
        if self.body is not None:
            return self.body
        message = self.say(request_id)
        return json.dumps({"errorType": self.error_type, "errorMessage": message}).encode()


def explain_timeout(seconds: float) -> Failure:
    """Explain that the function ran past its timeout."""
    message = f"Task timed out after {seconds:.2f} seconds"
    return Failure("Sandbox.Timedout", message, timed_out=True)


def explain_exit(status: int) -> Failure:
    """Explain how the process ended; status: an exit code, or minus a signal's number."""
    if status == 0:
        return Failure("Runtime.ExitError", "Runtime exited without providing a reason")
    if status > 0:
        how = f"exit status {status}"
    else:
        how = f"signal: {(signal.strsignal(-status) or str(-status)).lower()}"
    return Failure("Runtime.ExitError", f"Runtime exited with error: {how}")


def explain_memory() -> Failure:
    """Explain that the function took more memory than it has.

    "Troubleshoot configuration issues in Lambda", memory configurations: callers
    and the log are told that the runtime was killed, as the kernel does it.
    """
    message = "Runtime exited with error: signal: killed"
    return Failure("Runtime.ExitError", message, reported_as="Runtime.OutOfMemory")


def explain_size(size: int) -> Failure:
    """Explain that the handler's answer is larger than Lambda returns."""
    message = (
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size "
        f"({MAX_RESPONSE} bytes)."
    )
    return Failure("Function.ResponseSizeTooLarge", message, names_request=False)


def explain_start(reason: str) -> Failure:
    """Explain that the worker's process could not be started at all."""
    return Failure("Runtime.InvalidEntrypoint", reason)


def read_init_error(body: bytes) -> Failure:
    """Read what the runtime client posted when the handler's module failed to load."""
    try:
        error_type = str(json.loads(body)["errorType"])
    except (ValueError, KeyError, TypeError, RecursionError):
        error_type = "Runtime.Unknown"
    readable = error_type.encode("utf-8", "replace").decode()  # JSON can spell half characters
    return Failure(readable[:_LONGEST_TYPE], "", body=body)
