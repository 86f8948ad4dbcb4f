"""An HTTP API: its routes as one OpenAPI document, a stage with access logs."""

from __future__ import annotations

import re
from typing import Any

from fairway.compile.draft import Draft, origin_of, to_logical
from fairway.compile.encryption import add_log_group, data_key
from fairway.compile.template import get_att, ref, sub
from fairway.define.spec import HttpApi
from fairway.define.values import parse_route

# "Quotas for HTTP APIs": an integration waits 30 seconds at most.
LONGEST_WAIT = 30_000
_ACCESS_FIELDS = (
    "requestId", "requestTime", "httpMethod", "path", "routeKey", "status", "responseLength",
    "integrationLatency", "responseLatency", "integrationErrorMessage",
)  # fmt: skip


def compile_http_api(name: str, api: HttpApi, draft: Draft) -> None:
    """Write the API, its stage and the permissions to call the functions."""
    stem = to_logical(name)
    origin = origin_of(name, {"Body": "routes", "CorsConfiguration": "cors"})
    properties: dict[str, Any] = {"Body": _describe_routes(name, api, draft)}
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
    fields = ",".join(f'"{field}":"$context.{field}"' for field in _ACCESS_FIELDS)
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
        draft.code.add(
            f"{stem}{function}Permission",
            "AWS::Lambda::Permission",
            {
                "Action": "lambda:InvokeFunction",
                "FunctionName": get_att(function, "Arn"),
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": sub(f"{arn}${{{stem}}}/*"),
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
            "x-amazon-apigateway-integration": _integrate(api, target),
        }
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
    if api.cors:
        document["x-amazon-apigateway-cors"] = {
            "allowOrigins": api.cors,
            "allowMethods": ["*"],
            "allowHeaders": ["authorization", "content-type"],
            "maxAge": 3600,
        }
    return document


def _integrate(api: HttpApi, target: str) -> dict[str, Any]:
    uri = (
        "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
        f"${{{to_logical(target)}.Arn}}/invocations"
    )
    return {
        "type": "aws_proxy",
        "httpMethod": "POST",
        "uri": sub(uri),
        "payloadFormatVersion": api.payload,
        # Never the function's own timeout: the API's clock starts before a cold start does.
        "timeoutInMillis": LONGEST_WAIT,
    }
