"""The lines that Lambda writes at the end of an invocation."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one invocation: durations in milliseconds, memory in MB.

    status: "Status: ..." for an invocation that the platform ended.
    """

    request_id: str
    duration: float
    memory_size: int
    memory_used: int
    init_duration: float | None = None
    status: str | None = None

    def render(self) -> tuple[str, str]:
        """Write the END and REPORT lines ("Viewing CloudWatch logs for Lambda functions").

        Billed is rounded up to 1 ms and includes an initialization done for
        this worker ("Understanding the Lambda execution environment lifecycle",
        cold starts are billed since August 2025).
        """
        billed = math.ceil(self.duration + (self.init_duration or 0))
        fields = [
            f"REPORT RequestId: {self.request_id}",
            f"Duration: {self.duration:.2f} ms",
            f"Billed Duration: {billed} ms",
            f"Memory Size: {self.memory_size} MB",
            f"Max Memory Used: {self.memory_used} MB",
        ]
        if self.init_duration is not None:
            fields.append(f"Init Duration: {self.init_duration:.2f} ms")
        if self.status is not None:
            fields.append(self.status)
        return f"END RequestId: {self.request_id}", "\t".join(fields) + "\t"
