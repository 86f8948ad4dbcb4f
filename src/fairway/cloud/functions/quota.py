"""How many invocations of one function may be under way, as its reserved concurrency says."""

from __future__ import annotations

from fairway.cloud.functions.model import ReservedLimitReached


class Quota:
    """The reserved concurrency of one function, shared by all its versions.

    Lambda refuses at once what is above it ("Configuring reserved concurrency
    for a function"). A reserve above what this machine runs at once is never the limit here:
    what waits for the machine would run in parallel on AWS, and is not refused.
    machine: the most workers of one function.
    """

    def __init__(self, machine: int) -> None:
        self.machine = machine
        self.reserved: int | None = None
        self.taken = 0

    def take(self, name: str) -> None:
        """Count one more invocation. Raises ReservedLimitReached."""
        limit = self.reserved
        if limit is not None and limit <= self.machine and self.taken >= limit:
            raise ReservedLimitReached(f"{name} has a reserved concurrency of {self.reserved}")
        self.taken += 1

    def give_back(self) -> None:
        """Count one less."""
        self.taken -= 1
