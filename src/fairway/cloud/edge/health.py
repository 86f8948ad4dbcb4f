"""Health checks of a load balancer's target groups.

Page "Health checks for Application Load Balancer target groups".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fairway.cloud.edge.model import HealthCheck, TargetGroup
from fairway.cloud.edge.stamps import Stamps
from fairway.cloud.edge.target_event import InvalidAnswer, build_health_event, parse_answer
from fairway.cloud.functions.model import Invoke, TooManyRequests, UnknownFunction


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """A target's state with the reason code and text that DescribeTargetHealth gives."""

    state: Literal["initial", "healthy", "unhealthy", "unavailable", "unused"]
    reason: str | None = None
    description: str | None = None


DISABLED = TargetHealth(
    "unavailable", "Target.HealthCheckDisabled", "Health checks are not enabled for this target"
)
EMPTY = TargetHealth("unused", "Target.NotRegistered", "No target is registered")
INITIAL = TargetHealth("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")


def matches_status(matcher: str, status: int) -> bool:
    """Whether a status is among those of a matcher such as "200-399,401"."""
    for part in matcher.split(","):
        low, _, high = part.strip().partition("-")
        if low.isdecimal() and int(low) <= status <= int(high if high.isdecimal() else low):
            return True
    return False


class HealthChecker:
    """Checks every group that has a health check, each in its own interval."""

    def __init__(self, groups: Iterable[TargetGroup], invoke: Invoke, stamps: Stamps) -> None:
        self._groups = {group.arn: group for group in groups}
        self._invoke = invoke
        self._stamps = stamps
        self._tasks: list[asyncio.Task[None]] = []
        self._states = {arn: _first_state(group) for arn, group in self._groups.items()}
        self._runs: dict[str, tuple[bool, int]] = {}

    def health(self) -> dict[str, TargetHealth]:
        """Return the state of every target group, by ARN."""
        return dict(self._states)

    def start(self) -> None:
        """Begin to check; call on the event loop."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._watch(group, group.health_check))
                for group in self._groups.values()
                if group.health_check is not None and group.functions
            ]

    async def stop(self) -> None:
        """Stop checking."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self, group: TargetGroup, check: HealthCheck) -> None:
        while True:
            await self.check(group, check)
            await self._stamps.sleep(check.interval)

    async def check(self, group: TargetGroup, check: HealthCheck) -> None:
        """Run one health check and take its result into account."""
        failure = await self._find_failure(group, check)
        self._note(group.arn, check, failure)

    async def _find_failure(self, group: TargetGroup, check: HealthCheck) -> TargetHealth | None:
        payload = json.dumps(build_health_event(check, group)).encode()
        try:
            invocation = await asyncio.wait_for(
                self._invoke(group.functions[0], payload), check.timeout
            )
        except TimeoutError:
            return TargetHealth("unhealthy", "Target.Timeout", "Request timed out")
        except (TooManyRequests, UnknownFunction, OSError):
            return _mismatch(502)
        except Exception:
            # A bug in whatever runs functions must not end the watch over them.
            return TargetHealth("unhealthy", "Elb.InternalError", "Internal error")
        if invocation.error:
            return _mismatch(502)
        try:
            status = parse_answer(invocation.payload, multi_value=group.multi_value_headers).status
        except InvalidAnswer:
            return _mismatch(502)
        return None if matches_status(check.matcher, status) else _mismatch(status)

    def _note(self, arn: str, check: HealthCheck, failure: TargetHealth | None) -> None:
        well = failure is None
        before, count = self._runs.get(arn, (well, 0))
        count = count + 1 if before == well else 1
        self._runs[arn] = (well, count)
        state = self._states[arn].state
        if failure is not None:
            if state == "unhealthy" or count >= check.unhealthy_threshold:
                self._states[arn] = failure
        # A new target is in service as soon as it passes one check.
        elif state == "initial" or count >= check.healthy_threshold:
            self._states[arn] = TargetHealth("healthy")


def _first_state(group: TargetGroup) -> TargetHealth:
    if not group.functions:
        return EMPTY
    return INITIAL if group.health_check is not None else DISABLED


def _mismatch(status: int) -> TargetHealth:
    return TargetHealth(
        "unhealthy",
        "Target.ResponseCodeMismatch",
        f"Health checks failed with these codes: [{status}]",
    )
