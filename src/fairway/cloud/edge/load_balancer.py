"""An application load balancer's listener in front of functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from fairway.cloud.edge.access import AccessRecord, RecordAccess, record_nothing
from fairway.cloud.edge.health import HealthChecker, TargetHealth
from fairway.cloud.edge.model import (
    FixedResponse,
    Forward,
    Listener,
    Redirect,
    Request,
    Response,
    TargetGroup,
)
from fairway.cloud.edge.rules import (
    LocalPort,
    RuleTable,
    build_error_response,
    build_fixed_response,
    build_location,
    build_redirect_response,
    know_no_port,
)
from fairway.cloud.edge.stamps import Stamps
from fairway.cloud.edge.stickiness import CookieSeal, bind_client, find_group
from fairway.cloud.edge.target_event import (
    InvalidAnswer,
    build_event,
    list_forwarded_for,
    parse_answer,
)
from fairway.cloud.functions.model import Invocation, Invoke, TooManyRequests, UnknownFunction

# Page "Use Lambda functions as targets of an Application Load Balancer", Limits.
_MAX_BODY = 1024 * 1024
_MAX_FORWARDED = 30  # page "Troubleshoot your Application Load Balancers", HTTP 463


@dataclass(slots=True)
class _Trip:
    """What is learnt while one request is answered, for its access record."""

    action: str | None = None
    rule_priority: int | None = None
    redirect_url: str | None = None
    target: str | None = None
    target_group: str | None = None
    target_status: int | None = None
    target_seconds: float | None = None
    error_reason: str | None = None
    trace_id: str | None = None


class LoadBalancer:
    """Answers requests as one load-balancer listener would; implements Handle and Refuse.

    Statuses follow the page "Troubleshoot your Application Load Balancers": 502 for
    a function that fails, answers nonsense or more than 1 MB, or runs past its own
    timeout ("did not respond before its configured timeout was reached"); 413 for a
    body over 1 MB; 503 when a target group has no target. The page does not say what a
    throttled function gives; as any failed invocation it is 502 (LambdaThrottling).
    504 remains for a Lambda service that cannot be reached.
    """

    def __init__(
        self,
        listener: Listener,
        invoke: Invoke,
        *,
        stamps: Stamps | None = None,
        record: RecordAccess = record_nothing,
        local_port: LocalPort = know_no_port,
        seal: CookieSeal | None = None,
    ) -> None:
        self.listener = listener
        self._invoke = invoke
        self._stamps = stamps or Stamps()
        self._record = record
        self._local_port = local_port
        self._seal = seal or CookieSeal("")
        self._rules = RuleTable(listener)
        self._checker = HealthChecker(listener.target_groups.values(), invoke, self._stamps)

    def health(self) -> dict[str, TargetHealth]:
        """Return the state of every target group, by ARN."""
        return self._checker.health()

    def start(self) -> None:
        """Begin the health checks; call on the event loop."""
        self._checker.start()

    async def stop(self) -> None:
        """End the health checks."""
        await self._checker.stop()

    def refuse(self, status: int, client: tuple[str, int]) -> Response:
        """Answer a request that could not be read, and record it."""
        response = build_error_response(status)
        self._record(
            AccessRecord(
                time=self._stamps.now(),
                source=self.listener.arn,
                client=client,
                request=None,
                status=response.status,
                seconds=0.0,
                received_bytes=0,
                sent_bytes=len(response.body),
            )
        )
        return response

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        now, start = self._stamps.now(), self._stamps.elapsed()
        trip = _Trip()
        response = await self._route(request, trip, now)
        self._record(
            AccessRecord(
                time=now,
                source=self.listener.arn,
                client=request.client,
                request=request,
                status=response.status,
                seconds=self._stamps.elapsed() - start,
                received_bytes=len(request.body),
                sent_bytes=len(response.body),
                target=trip.target,
                target_group=trip.target_group,
                target_status=trip.target_status,
                target_seconds=trip.target_seconds,
                rule_priority=trip.rule_priority,
                action=trip.action,
                redirect_url=trip.redirect_url,
                error_reason=trip.error_reason,
                trace_id=trip.trace_id,
            )
        )
        return response

    async def _route(self, request: Request, trip: _Trip, now: float) -> Response:
        if request.method == "TRACE":
            return build_error_response(405)
        if len(list_forwarded_for(request)) > _MAX_FORWARDED:
            return build_error_response(463)
        rule = self._rules.select(request)
        trip.rule_priority = rule.priority
        match rule.action:
            case FixedResponse():
                trip.action = "fixed-response"
                return build_fixed_response(rule.action)
            case Redirect():
                trip.action = "redirect"
                trip.redirect_url = build_location(
                    rule.action, request, self.listener, self._local_port
                )
                return build_redirect_response(rule.action, trip.redirect_url)
            case Forward():
                trip.action = "forward"
                return await self._forward(rule.action, request, trip, now)

    def _choose_group(self, action: Forward, request: Request, now: float) -> TargetGroup | None:
        bound = find_group(self._seal, action, request, now)
        if bound is not None:
            return self.listener.target_groups.get(bound)
        groups = [(arn, weight) for arn, weight in action.groups if weight > 0]
        if len(groups) == 1:
            return self.listener.target_groups.get(groups[0][0])
        total = sum(weight for _, weight in groups)
        drawn = self._stamps.draw(total) if total else 0
        for arn, weight in groups:
            if drawn < weight:
                return self.listener.target_groups.get(arn)
            drawn -= weight
        return None

    async def _forward(
        self, action: Forward, request: Request, trip: _Trip, now: float
    ) -> Response:
        group = self._choose_group(action, request, now)
        if group is None or not group.functions:
            return build_error_response(503)
        response = await self._ask_group(group, request, trip, now)
        return bind_client(self._seal, action, group.arn, response, now)

    async def _ask_group(
        self, group: TargetGroup, request: Request, trip: _Trip, now: float
    ) -> Response:
        trip.target_group, trip.target = group.arn, group.functions[0]
        event, trip.trace_id = build_event(
            request, self.listener, group, now=now, unique=self._stamps.hex_id(24)
        )
        if len(request.body) > _MAX_BODY:
            trip.error_reason = "LambdaRequestTooLarge"
            return build_error_response(413)
        return await self._call_target(group, event, trip)

    async def _call_target(
        self, group: TargetGroup, event: dict[str, Any], trip: _Trip
    ) -> Response:
        payload = json.dumps(event, separators=(",", ":")).encode()
        start = self._stamps.elapsed()
        try:
            # Unhealthy targets are called like others: a group of only unhealthy targets
            # fails open, and a group of functions has one target.
            invocation = await self._invoke(group.functions[0], payload, trace_id=trip.trace_id)
        except TooManyRequests:
            trip.error_reason = "LambdaThrottling"
            return build_error_response(502)
        except UnknownFunction:
            trip.error_reason = "LambdaResourceNotFound"
            return build_error_response(502)
        except Exception:
            # A failing runtime is Lambda's internal error to the client, not a 500 of ours.
            trip.error_reason = "LambdaServiceException"
            return build_error_response(502)
        finally:
            trip.target_seconds = self._stamps.elapsed() - start
        return self._read_answer(group, invocation, trip)

    def _read_answer(self, group: TargetGroup, invocation: Invocation, trip: _Trip) -> Response:
        if invocation.error is not None:
            trip.error_reason = "LambdaUnhandled"
            return build_error_response(502)
        if len(invocation.payload) > _MAX_BODY:
            trip.error_reason = "LambdaResponseTooLarge"
            return build_error_response(502)
        try:
            response = parse_answer(invocation.payload, multi_value=group.multi_value_headers)
        except InvalidAnswer:
            trip.error_reason = "LambdaInvalidResponse"
            return build_error_response(502)
        trip.target_status = response.status
        return response
