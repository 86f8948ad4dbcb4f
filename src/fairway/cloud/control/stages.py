"""What a stage of an HTTP API says of metrics and access logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def find_stage(api: str, stage: str) -> Mapping[str, Any]:
    """The record of a stage, in whatever account; empty when there is none."""
    from ministack.services import apigateway

    for key, stages in list(apigateway._stages._data.items()):
        if key[-1] == api and stage in stages:
            found: Mapping[str, Any] = stages[stage]
            return found
    return {}


def has_detailed_metrics(api: str, stage: str, route: str) -> bool:
    """Whether a stage asks for metrics by route. Page "AWS::ApiGatewayV2::Stage RouteSettings"."""
    record = find_stage(api, stage)
    own = _lower_keys((record.get("routeSettings") or {}).get(route) or {})
    usual = _lower_keys(record.get("defaultRouteSettings") or {})
    return bool({**usual, **own}.get("detailedmetricsenabled"))


def _lower_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name.lower(): value for name, value in settings.items()}
