"""Whether a function lets a service call it: its resource policy.

Lambda Developer Guide, "Using resource-based policies for Lambda": another
service invokes a function only when a statement of the function's policy names
that service, and, where it names one, the source of the call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fairway.cloud.control.authority import service_allows
from fairway.cloud.edge.model import HttpApi, Listener

LOAD_BALANCING = "elasticloadbalancing.amazonaws.com"
API_GATEWAY = "apigateway.amazonaws.com"

Served = Listener | HttpApi


def allows(policy: Mapping[str, Any], service: str, source: str, account: str = "") -> bool:
    """Whether a function's policy lets a service invoke it for a source ARN.

    account: of the source, where its ARN names none. The statements of an alias
    count for the whole function.
    """
    statements = [{**s, "Resource": "*"} for s in policy.get("Statement") or []]
    account = account or source.split(":")[4]
    document = {"Statement": statements}
    return service_allows(document, service, "lambda:InvokeFunction", "*", source, account)


def read_policy(arn: str) -> Mapping[str, Any]:
    """The resource policy of a function by its ARN; empty when there is no such function."""
    from ministack.services import lambda_svc

    _, _, _, region, account, _, name, *_ = arn.split(":")
    record = lambda_svc._functions._data.get((account, region, name)) or {}
    return dict(record.get("policy") or {})


def permits(arn: str, service: str, source: str) -> bool:
    """Whether the policy of the function with this ARN lets a service invoke it for a source."""
    return allows(read_policy(arn), service, source)


def list_sources(served: Served, arn: str) -> dict[str, str]:
    """The sources that call a function from what is served: route key or target group to ARN."""
    if isinstance(served, HttpApi):
        return {
            key: _source_of_route(served, key)
            for key, integration in served.routes.items()
            if integration.function == arn
        }
    return {g.arn: g.arn for g in served.target_groups.values() if arn in g.functions}


def _source_of_route(api: HttpApi, key: str) -> str:
    base = f"arn:aws:execute-api:{api.region}:{api.account}:{api.api_id}/{api.stage}"
    method, _, path = key.partition(" ")
    return f"{base}/{method}{path}"


class Permissions:
    """Decisions about calls, remembered until something changes."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[bool, frozenset[str]]] = {}

    def forget(self) -> None:
        """A policy may have changed. Cheap; may be called from any thread."""
        self._known = {}

    def permit(self, served: Served, arn: str, payload: bytes) -> bool:
        """Whether this call may be made; routes of one API may differ."""
        name = served.api_id if isinstance(served, HttpApi) else served.arn
        remembered = self._known  # what changes while it is decided gets another one
        known = remembered.get((name, arn))
        if known is None:
            known = remembered[(name, arn)] = self._decide(served, arn)
        every, some = known
        if every or not some:
            return every
        return isinstance(served, Listener) or any(key in some for key in _read_route(payload))

    def _decide(self, served: Served, arn: str) -> tuple[bool, frozenset[str]]:
        policy = read_policy(arn)
        service = API_GATEWAY if isinstance(served, HttpApi) else LOAD_BALANCING
        sources = list_sources(served, arn)
        allowed = frozenset(k for k, s in sources.items() if allows(policy, service, s))
        return len(allowed) == len(sources), allowed


def _read_route(payload: bytes) -> Iterator[str]:
    event = json.loads(payload)
    if "routeKey" in event:
        yield event["routeKey"]
    else:
        path = event.get("resource")
        yield f"{event.get('httpMethod')} {path}"
        yield f"ANY {path}"
        yield str(path)
