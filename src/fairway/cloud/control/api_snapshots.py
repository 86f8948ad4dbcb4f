"""HTTP APIs from ministack's stores as the edge serves them: pure readings (see `snapshots`)."""

from __future__ import annotations

from collections.abc import Mapping

from fairway.cloud.control.snapshots import Record, Stores
from fairway.cloud.edge.model import (
    TOKEN_SOURCE,
    Cors,
    Guard,
    HttpApi,
    Integration,
    JwtAuthorizer,
)


def read_apis(stores: Stores) -> list[HttpApi]:
    """Every HTTP API; without a stage it serves nothing, as on AWS."""
    routes = {key[-1]: found for key, found in stores.routes.items()}
    integrations = {key[-1]: found for key, found in stores.integrations.items()}
    stages = {key[-1]: found for key, found in stores.stages.items()}
    authorizers = {key[-1]: found for key, found in stores.authorizers.items()}
    found = []
    for (account, region, api_id), record in stores.apis.items():
        if record.get("protocolType") != "HTTP":
            continue
        own = stages.get(api_id) or {}
        stage = own.get("$default") or next(iter(own.values()), None)
        served = _read_routes(routes.get(api_id) or {}, integrations.get(api_id) or {})
        found.append(
            HttpApi(
                api_id=api_id,
                name=str(record.get("name") or api_id),
                account=account,
                region=region,
                routes=served if stage else {},
                stage=str(stage["stageName"]) if stage else "$default",
                stage_variables=dict((stage or {}).get("stageVariables") or {}),
                cors=_read_cors(record.get("corsConfiguration")),
                guards=_read_guards(routes.get(api_id) or {}, authorizers.get(api_id) or {}),
            )
        )
    return found


def _read_routes(
    routes: Mapping[str, Record], integrations: Mapping[str, Record]
) -> dict[str, Integration]:
    found = {}
    for route in routes.values():
        target = str(route.get("target") or "").removeprefix("integrations/")
        integration = integrations.get(target)
        if integration is None:
            continue
        function = function_of_uri(str(integration.get("integrationUri") or ""))
        version = str(integration.get("payloadFormatVersion") or "1.0")
        found[str(route["routeKey"])] = Integration(
            function=function,
            payload_format="2.0" if version == "2.0" else "1.0",
            timeout=int(integration.get("timeoutInMillis") or 30_000),
        )
    return found


def _read_guards(
    routes: Mapping[str, Record], authorizers: Mapping[str, Record]
) -> dict[str, Guard]:
    """What guards the routes that are not open; a kind that we do not have admits nobody."""
    found = {}
    for route in routes.values():
        kind = route.get("authorizationType") or "NONE"
        if kind == "NONE":
            continue
        authorizer = authorizers.get(str(route.get("authorizerId") or ""))
        jwt = kind == "JWT" and authorizer and authorizer.get("authorizerType") == "JWT"
        found[str(route["routeKey"])] = Guard(
            _read_authorizer(authorizer) if authorizer and jwt else None,
            tuple(map(str, route.get("authorizationScopes") or ())),
        )
    return found


def _read_authorizer(record: Record) -> JwtAuthorizer:
    given = record.get("jwtConfiguration") or {}
    config = {key.lower(): value for key, value in given.items()}
    sources = record.get("identitySource") or TOKEN_SOURCE
    return JwtAuthorizer(
        issuer=str(config.get("issuer") or ""),
        audiences=tuple(map(str, config.get("audience") or ())),
        source=str(sources[0] if isinstance(sources, list) else sources),
    )


def function_of_uri(uri: str) -> str:
    """The function's ARN in an integration URI, which may be API Gateway's path form."""
    if ":apigateway:" in uri and "/functions/" in uri:
        return uri.partition("/functions/")[2].removesuffix("/invocations")
    return uri


def _read_cors(record: Record | None) -> Cors | None:
    if not record:
        return None
    lowered = {key.lower(): value for key, value in record.items()}

    def texts(name: str) -> tuple[str, ...]:
        return tuple(map(str, lowered.get(name) or ()))

    age = lowered.get("maxage")
    return Cors(
        origins=texts("alloworigins"),
        methods=texts("allowmethods"),
        headers=texts("allowheaders"),
        expose=texts("exposeheaders"),
        credentials=str(lowered.get("allowcredentials", False)).lower() == "true",
        max_age=None if age is None else int(age),
    )
