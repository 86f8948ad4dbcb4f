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
_AUTHORIZER = "x-amazon-apigateway-authorizer"
_IMPORTED = "importedAs"
"""On an authorizer's record: the security scheme of the document that it comes from."""


def check_api(props: Properties) -> None:
    """Refuse a document without paths, and operations without an integration."""
    document = props.get("Body")
    if document is None:
        if not props.get("Name"):
            raise ValueError("Invalid request: either Name or Body must be specified")
        return
    if not str(document.get("openapi", "")).startswith("3."):
        raise ValueError("Unable to parse the OpenAPI document: only version 3 is supported")
    schemes = _list_schemes(document)
    for key, operation in list_operations(document):
        if _INTEGRATION not in operation:
            raise ValueError(f"Unable to import the route {key}: it has no integration")
        for name, _ in _list_security(document, operation):
            if name not in schemes:
                raise ValueError(
                    f"Unable to import the route {key}: there is no authorizer '{name}'"
                )


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
    authorizers = _import_authorizers(api_id, document)
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
            **_describe_security(document, operation, authorizers),
            "apiKeyRequired": False,
            "operationName": operation.get("operationId", ""),
        }
    apigateway._routes[api_id] = routes
    apigateway._integrations[api_id] = integrations


def _list_schemes(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The authorizers of a document, by the name of their security scheme."""
    schemes = (document.get("components") or {}).get("securitySchemes") or {}
    return {name: scheme for name, scheme in schemes.items() if _AUTHORIZER in scheme}


def _list_security(
    document: dict[str, Any], operation: dict[str, Any]
) -> list[tuple[str, list[str]]]:
    """The schemes that an operation asks for, with scopes; an empty list leaves it open."""
    required = operation.get("security", document.get("security")) or []
    return [(name, scopes or []) for one in required for name, scopes in one.items()]


def _import_authorizers(api_id: str, document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Make the API's authorizers those of the document, beside those of other resources."""
    before = apigateway._authorizers.get(api_id, {})
    ids = {a[_IMPORTED]: key for key, a in before.items() if a.get(_IMPORTED)}
    kept = {key: a for key, a in before.items() if not a.get(_IMPORTED)}
    found = {}
    for name, scheme in _list_schemes(document).items():
        described = scheme[_AUTHORIZER]
        identifier = ids.get(name) or _make_id()
        kept[identifier] = found[name] = {
            "authorizerId": identifier,
            "authorizerType": str(described.get("type", "")).upper(),
            "name": name,
            "identitySource": [described.get("identitySource", "$request.header.Authorization")],
            "jwtConfiguration": described.get("jwtConfiguration") or {},
            _IMPORTED: name,
        }
    if kept or before:
        apigateway._authorizers[api_id] = kept
    return found


def _describe_security(
    document: dict[str, Any], operation: dict[str, Any], authorizers: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    for name, scopes in _list_security(document, operation):
        authorizer = authorizers[name]
        jwt = authorizer["authorizerType"] == "JWT"
        return {
            "authorizationType": "JWT" if jwt else "CUSTOM",
            "authorizerId": authorizer["authorizerId"],
            "authorizationScopes": scopes,
        }
    return {"authorizationType": "NONE"}


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
