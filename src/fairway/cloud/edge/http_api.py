"""An API Gateway HTTP API in front of functions."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from fairway.cloud.edge.access import AccessRecord, RecordAccess, record_nothing
from fairway.cloud.edge.authorization import Denied, Gate
from fairway.cloud.edge.cors import add_cors, answer_preflight, is_preflight
from fairway.cloud.edge.headers import extend_trace_id
from fairway.cloud.edge.issuers import KeySets, Tell
from fairway.cloud.edge.model import HttpApi, Request, Response
from fairway.cloud.edge.proxy_event import Call, build_event, make_request_id, parse_answer
from fairway.cloud.edge.routes import RouteTable
from fairway.cloud.edge.stamps import Stamps
from fairway.cloud.edge.target_event import InvalidAnswer
from fairway.cloud.functions.model import (
    Invocation,
    Invoke,
    PayloadTooLarge,
    TooManyRequests,
    UnknownFunction,
)

# Page "Quotas for configuring and running an HTTP API in API Gateway", payload size.
_MAX_BODY = 10 * 1024 * 1024
_MESSAGES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def build_message(status: int) -> Response:
    """Return an HTTP API's own answer: a JSON object with a message."""
    text = _MESSAGES.get(status, "Bad Request" if status < 500 else "Internal Server Error")
    body = json.dumps({"message": text}, separators=(",", ":")).encode()
    return Response(status, (("Content-Type", "application/json"),), body)


def tell_nobody(sentence: str) -> None:
    """Keep what the user could be told."""


@dataclass(slots=True)
class _Trip:
    """What is learnt while one request is answered, for its access record."""

    request_id: str
    route: str | None = None
    target: str | None = None
    target_status: int | None = None
    target_seconds: float | None = None
    error_reason: str | None = None
    trace_id: str | None = None


class HttpApiHandler:
    """Answers requests as one HTTP API would; implements Handle and Refuse.

    404 without a route; 401 or 403 when the route's authorizer does not admit the
    request; 500 when the function fails, runs past its own timeout or
    answers nonsense; 503 when it is throttled or the integration's timeout passes
    (the invocation runs on, as on AWS); 413 over 10 MB.
    """

    def __init__(
        self,
        api: HttpApi,
        invoke: Invoke,
        *,
        stamps: Stamps | None = None,
        record: RecordAccess = record_nothing,
        keys: KeySets | None = None,
        tell: Tell = tell_nobody,
    ) -> None:
        self.api = api
        self._invoke = invoke
        self._stamps = stamps or Stamps()
        self._gate = Gate(api, keys or KeySets(tell), tell, self._stamps.now)
        self._record = record
        self._routes = RouteTable(api.routes)
        self._left: set[asyncio.Task[Invocation]] = set()

    def refuse(self, status: int, client: tuple[str, int]) -> Response:
        """Answer a request that could not be read, and record it."""
        trip = _Trip(make_request_id(self._stamps.hex_id(22)))
        response = _identify(build_message(status), trip.request_id)
        self._note(trip, None, client, response, self._stamps.now(), 0.0)
        return response

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        now, start = self._stamps.now(), self._stamps.elapsed()
        trip = _Trip(make_request_id(self._stamps.hex_id(22)))
        cors = self.api.cors
        if cors is not None and is_preflight(request):
            response = answer_preflight(cors, request)
        else:
            response = await self._route(request, trip, now)
            if cors is not None:
                response = add_cors(cors, request, response)
        response = _identify(response, trip.request_id)
        self._note(trip, request, request.client, response, now, self._stamps.elapsed() - start)
        return response

    def _note(
        self,
        trip: _Trip,
        request: Request | None,
        client: tuple[str, int],
        response: Response,
        now: float,
        seconds: float,
    ) -> None:
        self._record(
            AccessRecord(
                time=now,
                source=self.api.api_id,
                client=client,
                request=request,
                status=response.status,
                seconds=seconds,
                received_bytes=len(request.body) if request else 0,
                sent_bytes=len(response.body),
                target=trip.target,
                target_status=trip.target_status,
                target_seconds=trip.target_seconds,
                error_reason=trip.error_reason,
                trace_id=trip.trace_id,
                request_id=trip.request_id,
                route=trip.route,
            )
        )

    def _strip_stage(self, path: str) -> str | None:
        """Return the path below the stage; $default is served at the root."""
        if self.api.stage == "$default":
            return path
        prefix = f"/{self.api.stage}"
        if path == prefix:
            return "/"
        return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else None

    async def _route(self, request: Request, trip: _Trip, now: float) -> Response:
        if len(request.body) > _MAX_BODY:
            return build_message(413)
        path = self._strip_stage(request.path)
        selected = None if path is None else self._routes.select(request.method, path)
        if selected is None:
            return build_message(404)
        route, parameters = selected
        trip.route, trip.target = route.key, route.integration.function
        trip.trace_id = extend_trace_id(
            request.header("x-amzn-trace-id"), now, self._stamps.hex_id(24)
        )
        try:
            identity = await self._gate.admit(request, route.key)
        except Denied as denied:
            trip.error_reason = denied.reason
            return _challenge(denied)
        call = Call(
            request, self.api, route, parameters, trip.request_id, trip.trace_id, now, identity
        )
        return await self._call_target(call, trip)

    async def _call_target(self, call: Call, trip: _Trip) -> Response:
        payload = json.dumps(build_event(call), separators=(",", ":")).encode()
        start = self._stamps.elapsed()
        try:
            invocation = await self._invoke_within(call, payload)
        except TooManyRequests:
            trip.error_reason = "Throttled"
            return build_message(503)
        except PayloadTooLarge:
            trip.error_reason = "RequestTooLarge"
            return build_message(413)
        except TimeoutError:
            trip.error_reason = "IntegrationTimeout"
            return build_message(503)
        except UnknownFunction:
            trip.error_reason = "FunctionNotFound"
            return build_message(500)
        except Exception:
            # A failing runtime is the integration's error to the client.
            trip.error_reason = "IntegrationFailure"
            return build_message(500)
        finally:
            trip.target_seconds = self._stamps.elapsed() - start
        return self._read_answer(call, invocation, trip)

    async def _invoke_within(self, call: Call, payload: bytes) -> Invocation:
        integration = call.route.integration
        task = asyncio.ensure_future(
            self._invoke(integration.function, payload, trace_id=call.trace_id)
        )
        self._left.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=integration.timeout / 1000)
        if not done:
            raise TimeoutError
        return task.result()

    def _forget(self, task: asyncio.Task[Invocation]) -> None:
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # nobody waits any more for one that outlived its request

    def _read_answer(self, call: Call, invocation: Invocation, trip: _Trip) -> Response:
        if invocation.error is not None:
            trip.error_reason = "FunctionError"
            return build_message(500)
        try:
            response = parse_answer(invocation.payload, call.route.integration.payload_format)
        except InvalidAnswer:
            trip.error_reason = "InvalidResponse"
            return build_message(500)
        trip.target_status = response.status
        return response


def _challenge(denied: Denied) -> Response:
    response = build_message(denied.status)
    if denied.challenge is None:
        return response
    headers = (*response.headers, ("www-authenticate", denied.challenge))
    return Response(response.status, headers, response.body)


def _identify(response: Response, request_id: str) -> Response:
    headers = (*response.headers, ("Apigw-Requestid", request_id))
    return Response(response.status, headers, response.body, response.reason)
