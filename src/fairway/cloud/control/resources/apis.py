"""HTTP APIs described by an OpenAPI document: the routes and integrations that ministack drops.

"Working with OpenAPI definitions for HTTP APIs" gives the extensions that are read here.
"""

from __future__ import annotations

import uuid
from typing import Any

from ministack.services import apigateway

from fairway.cloud.control.resources.registry import Extension, Properties

ANY_METHOD = "x-amazon-apigateway-any-method"
_METHODS = ("get", "head", "post", "put", "patch", "delete", "options", ANY_METHOD)
_INTEGRATION = "x-amazon-apigateway-integration"
_CORS = "x-amazon-apigateway-cors"


def check_api(props: Properties) -> None:
    """Refuse a document without paths, and operations without an integration."""
    document = props.get("Body")
    if document is None:
        if not props.get("Name"):
            raise ValueError("Invalid request: either Name or Body must be specified")
        return
    if not str(document.get("openapi", "")).startswith("3."):
        raise ValueError("Unable to parse the OpenAPI document: only version 3 is supported")
    for key, operation in list_operations(document):
        if _INTEGRATION not in operation:
            raise ValueError(f"Unable to import the route {key}: it has no integration")


def apply_api(
    api_id: str, props: Properties, old: Properties | None, stack: str, logical_id: str
) -> None:
    """Make the API's routes and integrations those of the document; keep ids of equal keys."""
    document = props.get("Body")
    if document is None:
        return
    record: dict[str, Any] = apigateway._apis[api_id]
    information = document.get("info", {})
    record["name"] = information.get("title") or record["name"]
    record["version"] = str(information.get("version", ""))
    if document.get(_CORS):
        record["corsConfiguration"] = document[_CORS]
    routes: dict[str, Any] = {}
    integrations: dict[str, Any] = {}
    known = {route["routeKey"]: route for route in apigateway._routes.get(api_id, {}).values()}
    for key, operation in list_operations(document):
        before = known.get(key)
        integration_id = before["target"].rsplit("/", 1)[-1] if before else _make_id()
        integrations[integration_id] = _describe_integration(
            integration_id, operation[_INTEGRATION]
        )
        route_id = before["routeId"] if before else _make_id()
        routes[route_id] = {
            "routeId": route_id,
            "routeKey": key,
            "target": f"integrations/{integration_id}",
            "authorizationType": "NONE",
            "apiKeyRequired": False,
            "operationName": operation.get("operationId", ""),
        }
    apigateway._routes[api_id] = routes
    apigateway._integrations[api_id] = integrations


def list_operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Route keys and operations; the path `/$default` is the catch-all route."""
    found: list[tuple[str, dict[str, Any]]] = []
    for path, item in (document.get("paths") or {}).items():
        for method in _METHODS:
            if method not in item:
                continue
            verb = "ANY" if method == ANY_METHOD else method.upper()
            key = "$default" if path == "/$default" else f"{verb} {path}"
            found.append((key, item[method]))
    return found


def _describe_integration(integration_id: str, described: dict[str, Any]) -> dict[str, Any]:
    return {
        "integrationId": integration_id,
        "integrationType": str(described.get("type", "aws_proxy")).upper(),
        "integrationUri": described.get("uri", ""),
        "integrationMethod": described.get("httpMethod", "POST"),
        "payloadFormatVersion": str(described.get("payloadFormatVersion", "1.0")),
        "timeoutInMillis": int(described.get("timeoutInMillis", 30_000)),
        "connectionType": "INTERNET",
        "description": "",
    }


def _make_id() -> str:
    return uuid.uuid4().hex[:7]


EXTENSIONS = {"AWS::ApiGatewayV2::Api": Extension(check=check_api, apply=apply_api)}
