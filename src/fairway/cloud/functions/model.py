"""What the function runtime takes and returns; edge and control speak these types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Function:
    """One deployed function, as its resource describes it.

    timeout: seconds. memory: MB. reserved: ReservedConcurrentExecutions, or None
    for the account's pool; all versions of a function share it. provisioned:
    workers that are always kept ready. code: directory holding the unpacked archive.
    code_sha256: Lambda's CodeSha256, changes exactly when the code does.
    environment: the declared variables only; the runtime adds Lambda's own.
    """

    arn: str
    name: str
    runtime: str
    handler: str
    timeout: int
    memory: int
    code: Path
    code_sha256: str
    log_group: str
    region: str
    role_arn: str = ""
    version: str = "$LATEST"
    reserved: int | None = None
    provisioned: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)


FunctionError = Literal["Handled", "Unhandled"]


@dataclass(frozen=True, slots=True)
class Invocation:
    """How one invocation ended.

    payload: the handler's JSON answer, or Lambda's error document
    (errorMessage, errorType, stackTrace) when `error` is set. timed_out tells
    a timeout apart from a crash: both are Unhandled errors.
    duration: milliseconds the handler ran. log_tail: last 4 KB of output.
    version: the one that ran, which an alias may have chosen.
    """

    request_id: str
    payload: bytes
    error: FunctionError | None = None
    timed_out: bool = False
    duration: float = 0.0
    log_tail: bytes = b""
    version: str = "$LATEST"


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for one version, or for two by weight. versions: (ARN, weight), weights sum to 1."""

    arn: str
    versions: tuple[tuple[str, float], ...]

    def choose(self, drawn: float) -> str:
        """Give the version for a number drawn evenly from [0, 1)."""
        for arn, weight in self.versions:
            drawn -= weight
            if drawn < 0:
                return arn
        return self.versions[0][0]


@dataclass(frozen=True, slots=True)
class Ended:
    """One invocation that ended or was throttled, for metrics.

    invoked_arn: as the caller named the function. duration: milliseconds; 0 when it
    was throttled. concurrency: invocations of the function under way when it was
    accepted, itself included; total_concurrency: of all functions. reserved:
    whether the function has a concurrency of its own.
    """

    name: str
    invoked_arn: str
    version: str
    duration: float = 0.0
    failed: bool = False
    throttled: bool = False
    concurrency: int = 0
    total_concurrency: int = 0
    reserved: bool = False


class TooManyRequests(Exception):
    """No worker: the machine is busy and the queue in front of the function full or too slow.

    reason: the Reason that Lambda's answer gives.
    """

    reason = "ConcurrentInvocationLimitExceeded"


class ReservedLimitReached(TooManyRequests):
    """The function runs as often as its reserved concurrency allows."""

    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"


class PayloadTooLarge(Exception):
    """The event is larger than an invocation takes (6 MB)."""


class UnknownFunction(Exception):
    """No function of that ARN is deployed."""


class Invoke(Protocol):
    """Run one invocation to its end.

    Raises TooManyRequests, UnknownFunction or PayloadTooLarge.
    """

    async def __call__(
        self, arn: str, payload: bytes, *, trace_id: str | None = None
    ) -> Invocation:
        """Invoke the function of this ARN with a JSON payload."""


class WriteLog(Protocol):
    """Store lines in a CloudWatch Logs stream; each line is (epoch milliseconds, text).

    Called on the event loop and must return at once.
    """

    def __call__(self, group: str, stream: str, lines: list[tuple[int, str]]) -> None:
        """Store the lines, which are in order."""
