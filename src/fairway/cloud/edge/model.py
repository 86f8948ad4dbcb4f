"""Requests, answers and the configuration that the edge serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came over the wire.

    path: undecoded, without the query. query: undecoded, without "?".
    headers: in order, names as sent. client: the peer's address and port.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    client: tuple[str, int]
    scheme: Literal["http", "https"] = "http"
    http_version: str = "1.1"

    def header(self, name: str) -> str | None:
        """The first value of a header, by case-insensitive name."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer; Content-Length, Date and Connection are the server's to add."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    reason: str | None = None


class Handle(Protocol):
    """Answer one request. Must not raise."""

    async def __call__(self, request: Request) -> Response:
        """Return the answer."""
        ...


class Refuse(Protocol):
    """Word the answer to a request that never reaches `Handle`: malformed, too large, too slow.

    Called with the status and the peer. Must not raise.
    """

    def __call__(self, status: int, client: tuple[str, int]) -> Response:
        """Return the answer."""
        ...


# --- application load balancer ------------------------------------------------


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A target group's health check; interval and timeout in seconds, matcher as "200-399,401"."""

    path: str = "/"
    interval: int = 35
    timeout: int = 30
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: str = "200"


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """Where a forward action leads. Only Lambda targets for now: function ARNs."""

    arn: str
    functions: tuple[str, ...]
    multi_value_headers: bool = False
    health_check: HealthCheck | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """Forward to target groups by weight: (target group ARN, weight) pairs.

    sticky: for how many seconds a client keeps its target group, or None.
    """

    groups: tuple[tuple[str, int], ...]
    sticky: int | None = None


@dataclass(frozen=True, slots=True)
class FixedResponse:
    """Answer without a target."""

    status: int
    content_type: str = "text/plain"
    body: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Redirect; #{protocol}, #{host}, #{port}, #{path} and #{query} stand for the request's own."""

    status: int = 302
    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"


Action = Forward | FixedResponse | Redirect


@dataclass(frozen=True, slots=True)
class Condition:
    """One rule condition: any of the values matches; `name` is the header's or query key's."""

    field: Literal[
        "path-pattern",
        "host-header",
        "http-request-method",
        "http-header",
        "query-string",
        "source-ip",
    ]
    values: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """All conditions must match; the lowest priority number wins."""

    priority: int
    conditions: tuple[Condition, ...]
    action: Action


@dataclass(frozen=True, slots=True)
class Listener:
    """One load-balancer listener, served on its own local port.

    port: the port the listener has on AWS (80, 443), told to functions in
    x-forwarded-port; the local port is the edge's business.
    """

    arn: str
    load_balancer: str
    protocol: Literal["HTTP", "HTTPS"]
    port: int
    rules: tuple[Rule, ...]
    default: Action
    target_groups: Mapping[str, TargetGroup] = field(default_factory=dict)
    drop_invalid_headers: bool = False


# --- HTTP API -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Integration:
    """A Lambda proxy integration; payload_format "1.0" or "2.0", timeout in milliseconds."""

    function: str
    payload_format: Literal["1.0", "2.0"] = "2.0"
    timeout: int = 30_000


TOKEN_SOURCE = "$request.header.Authorization"  # noqa: S105 - a place, not a token


@dataclass(frozen=True, slots=True)
class JwtAuthorizer:
    """Which tokens are good. source: where the token is, as "$request.header.Authorization"."""

    issuer: str
    audiences: tuple[str, ...]
    source: str = TOKEN_SOURCE


@dataclass(frozen=True, slots=True)
class Guard:
    """What a route asks of a request: a good token with at least one of the scopes, if any.

    authorizer: None for a kind that the edge does not have; then nobody is admitted.
    """

    authorizer: JwtAuthorizer | None
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cors:
    """An HTTP API's CORS configuration; max_age in seconds."""

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int | None = None


@dataclass(frozen=True, slots=True)
class HttpApi:
    """One HTTP API with its routes: route key ("GET /a/{id}", "ANY /x/{proxy+}", "$default").

    guards: by route key; a route without one is open.
    """

    api_id: str
    name: str
    account: str
    region: str
    routes: Mapping[str, Integration]
    stage: str = "$default"
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    cors: Cors | None = None
    guards: Mapping[str, Guard] = field(default_factory=dict)
