"""The edge as the reconciler speaks to it: one handler per listener or HTTP API."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ssl import SSLContext
from typing import Protocol

from fairway.cloud.control.reconcile import Served
from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.http_api import HttpApiHandler
from fairway.cloud.edge.issuers import KeySets, Tell
from fairway.cloud.edge.load_balancer import LoadBalancer
from fairway.cloud.edge.model import HttpApi, Listener
from fairway.cloud.edge.server import Edge
from fairway.cloud.edge.stickiness import CookieSeal
from fairway.cloud.functions.model import Invocation, Invoke

Handler = LoadBalancer | HttpApiHandler


class Permit(Protocol):
    """Whether what is served may call a function."""

    def __call__(self, served: Served, arn: str, payload: bytes) -> bool:
        """Decide about one call."""
        ...


Observe = Callable[[Served, AccessRecord], None]
"""Takes what was served, and each request that it answered."""


def observe_nothing(served: Served, record: AccessRecord) -> None:
    """Leave a request unobserved."""


class NotPermitted(Exception):
    """The function's policy does not let the caller invoke it."""


class EdgeFront:
    """Implements `reconcile.Front` over the edge."""

    def __init__(
        self,
        edge: Edge,
        invoke: Invoke,
        permit: Permit,
        *,
        open_tls: Callable[[], SSLContext],
        tell: Tell,
        secret: str,
        observe: Observe = observe_nothing,
    ) -> None:
        self._edge = edge
        self._invoke = invoke
        self._permit = permit
        self._open_tls = open_tls
        self._tell = tell
        self._observe = observe
        self._keys = KeySets(tell)
        self._seal = CookieSeal(secret)
        self._handlers: dict[str, Handler] = {}

    def _make(self, served: Served) -> Handler:
        invoke = self._guard(served)
        record = partial(self._observe, served)
        if isinstance(served, HttpApi):
            return HttpApiHandler(served, invoke, keys=self._keys, tell=self._tell, record=record)
        local_port = partial(self._find_port, served.arn)
        return LoadBalancer(served, invoke, local_port=local_port, seal=self._seal, record=record)

    def _find_port(self, arn: str, port: int) -> int | None:
        """Where the sibling of a listener that has this port on AWS answers here."""
        balancer = arn.rpartition("/")[0]
        for name, handler in self._handlers.items():
            if isinstance(handler, LoadBalancer):
                found = handler.listener
                if found.port == port and found.arn.rpartition("/")[0] == balancer:
                    return self._edge.ports[name]
        return None

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
        secure = isinstance(served, Listener) and served.protocol == "HTTPS"
        tls = self._open_tls() if secure else None
        local = await self._edge.listen(name, handler, port, refuse=handler.refuse, tls=tls)
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
