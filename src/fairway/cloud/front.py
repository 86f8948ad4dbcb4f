"""The edge as the reconciler speaks to it: one handler per listener or HTTP API."""

from __future__ import annotations

from typing import Protocol

from fairway.cloud.control.reconcile import Served
from fairway.cloud.edge.http_api import HttpApiHandler
from fairway.cloud.edge.load_balancer import LoadBalancer
from fairway.cloud.edge.model import HttpApi
from fairway.cloud.edge.server import Edge
from fairway.cloud.functions.model import Invocation, Invoke

Handler = LoadBalancer | HttpApiHandler


class Permit(Protocol):
    """Whether what is served may call a function."""

    def __call__(self, served: Served, arn: str, payload: bytes) -> bool:
        """Decide about one call."""
        ...


class NotPermitted(Exception):
    """The function's policy does not let the caller invoke it."""


class EdgeFront:
    """Implements `reconcile.Front` over the edge."""

    def __init__(self, edge: Edge, invoke: Invoke, permit: Permit) -> None:
        self._edge = edge
        self._invoke = invoke
        self._permit = permit
        self._handlers: dict[str, Handler] = {}

    def _make(self, served: Served) -> Handler:
        invoke = self._guard(served)
        if isinstance(served, HttpApi):
            return HttpApiHandler(served, invoke)
        return LoadBalancer(served, invoke)

    def _guard(self, served: Served) -> Invoke:
        """Invoke only what the function's policy permits; the edge answers 500 or 502 else."""

        async def invoke(arn: str, payload: bytes, *, trace_id: str | None = None) -> Invocation:
            if not self._permit(served, arn, payload):
                raise NotPermitted(arn)
            return await self._invoke(arn, payload, trace_id=trace_id)

        return invoke

    async def open(self, name: str, served: Served, port: int) -> int:
        """Serve on a port, or on another when it is taken; returns the port."""
        handler = self._make(served)
        local = await self._edge.listen(name, handler, port, refuse=handler.refuse)
        self._adopt(name, handler)
        return local

    async def replace(self, name: str, served: Served) -> None:
        """Serve the next requests differently; open connections stay."""
        handler = self._make(served)
        await self._edge.replace(name, handler, refuse=handler.refuse)
        await self._retire(name)
        self._adopt(name, handler)

    async def close(self, name: str) -> None:
        """Stop serving."""
        await self._retire(name)
        await self._edge.close(name)

    async def close_all(self) -> None:
        """Stop serving everything."""
        for name in list(self._handlers):
            await self._retire(name)
        await self._edge.close_all()

    def _adopt(self, name: str, handler: Handler) -> None:
        self._handlers[name] = handler
        if isinstance(handler, LoadBalancer):
            handler.start()

    async def _retire(self, name: str) -> None:
        handler = self._handlers.pop(name, None)
        if isinstance(handler, LoadBalancer):
            await handler.stop()

    def list_health(self) -> dict[str, str]:
        """The state of every target group, by ARN."""
        return {
            arn: health.state
            for handler in self._handlers.values()
            if isinstance(handler, LoadBalancer)
            for arn, health in handler.health().items()
        }
