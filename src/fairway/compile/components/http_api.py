"""An HTTP API: its routes as one OpenAPI document, a stage with access logs."""

from __future__ import annotations

import re
from typing import Any

from fairway.compile.components.function import function_arn
from fairway.compile.draft import Draft, origin_of, to_logical
from fairway.compile.encryption import add_log_group, data_key
from fairway.compile.template import get_att, ref, sub
from fairway.define.spec import Auth, HttpApi
from fairway.define.values import parse_route

# "Quotas for HTTP APIs": an integration waits 30 seconds at most.
LONGEST_WAIT = 30_000
TOKENS = "tokens"
"""The name of the security scheme, and so of the authorizer."""
ACCESS_FIELDS = (
    "requestId", "requestTime", "httpMethod", "path", "routeKey", "status", "responseLength",
    "integrationLatency", "responseLatency", "integrationErrorMessage",
)  # fmt: skip


def compile_http_api(name: str, api: HttpApi, draft: Draft) -> None:
    """Write the API, its stage and the permissions to call the functions."""
    stem = to_logical(name)
    origin = origin_of(name, {"Body": "routes", "CorsConfiguration": "cors"})
    properties: dict[str, Any] = {"Body": _describe_routes(name, api, draft)}
    if api.auth:
        # An issuer that cannot be reached is a mere warning else, and its routes are left out.
        properties["FailOnWarnings"] = True
    draft.code.add(stem, "AWS::ApiGatewayV2::Api", properties, origin)
    group = add_log_group(
        draft.data,
        draft,
        f"{stem}Logs",
        name,
        api.logs,
        data_key(draft),
        origin_of(name, {"RetentionInDays": "logs"}),
    )
    logs = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    fields = ",".join(f'"{field}":"$context.{field}"' for field in ACCESS_FIELDS)
    draft.code.add(
        f"{stem}Stage",
        "AWS::ApiGatewayV2::Stage",
        {
            "ApiId": ref(stem),
            "StageName": "$default",
            "AutoDeploy": True,
            "AccessLogSettings": {"DestinationArn": sub(logs + group), "Format": f"{{{fields}}}"},
        },
        origin,
    )
    arn = "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:"
    for target in sorted(set(api.routes.values())):
        function = to_logical(target)
        home = draft.code_of(target)
        text = f"Id of the HTTP API {name}"
        api_id = draft.share(draft.code, home, f"{stem}Id", ref(stem), text)
        home.add(
            f"{stem}{function}Permission",
            "AWS::Lambda::Permission",
            {
                "Action": "lambda:InvokeFunction",
                "FunctionName": get_att(function, "Arn"),
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": sub(f"{arn}${{{api_id['Ref']}}}/*"),
            },
            origin,
        )
    url = get_att(stem, "ApiEndpoint")
    draft.code.give(f"{stem}Url", url, f"URL of the HTTP API {name}")


def _describe_routes(name: str, api: HttpApi, draft: Draft) -> dict[str, Any]:
    """The OpenAPI document; "Working with OpenAPI definitions for HTTP APIs"."""
    paths: dict[str, dict[str, Any]] = {}
    for key, target in sorted(api.routes.items()):
        method, path = parse_route(key)
        verb = "x-amazon-apigateway-any-method" if method == "ANY" else method.lower()
        operation: dict[str, Any] = {
            "responses": {"default": {"description": f"The answer of {target}"}},
            "x-amazon-apigateway-integration": _integrate(api, target, draft),
        }
        if api.auth and key not in api.auth.public:
            operation["security"] = [{TOKENS: api.auth.scopes}]
        parameters = re.findall(r"\{([^}+]+)\+?\}", path)
        if parameters:
            operation["parameters"] = [
                {"name": p, "in": "path", "required": True, "schema": {"type": "string"}}
                for p in parameters
            ]
        paths.setdefault(path, {})[verb] = operation
    document: dict[str, Any] = {
        "openapi": "3.0.1",
        "info": {"title": f"{draft.app.prefix}-{name}", "version": "1"},
        "paths": paths,
    }
    if api.auth:
        document["components"] = {"securitySchemes": {TOKENS: _describe_tokens(api.auth)}}
    if api.cors:
        document["x-amazon-apigateway-cors"] = {
            "allowOrigins": api.cors,
            "allowMethods": ["*"],
            "allowHeaders": ["authorization", "content-type"],
            "maxAge": 3600,
        }
    return document


def _describe_tokens(auth: Auth) -> dict[str, Any]:
    """The JWT authorizer; "OpenAPI extension x-amazon-apigateway-authorizer"."""
    return {
        "type": "oauth2",
        "x-amazon-apigateway-authorizer": {
            "type": "jwt",
            "identitySource": "$request.header.Authorization",
            "jwtConfiguration": {"issuer": auth.issuer, "audience": auth.audience},
        },
    }


def _integrate(api: HttpApi, target: str, draft: Draft) -> dict[str, Any]:
    arn = function_arn(target, draft, draft.code)
    called = arn["Fn::Sub"] if "Fn::Sub" in arn else f"${{{to_logical(target)}.Arn}}"
    uri = (
        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
        f"{called}/invocations"
    )
    return {
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": sub(uri),
        "payloadFormatVersion": api.payload,
        # Never the function's own timeout: the API's clock starts before a cold start does.
        "timeoutInMillis": LONGEST_WAIT,
    }
