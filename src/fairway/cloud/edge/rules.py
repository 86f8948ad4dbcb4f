"""Which rule of a load-balancer listener a request meets, and what its answers without target are.

Page "Listener rules for your Application Load Balancer".
"""

from __future__ import annotations

import html
import http
import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from fairway.cloud.edge.connection import CLEAR_TEXT
from fairway.cloud.edge.model import (
    Condition,
    FixedResponse,
    Listener,
    Redirect,
    Request,
    Response,
    Rule,
)

Matches = Callable[[Request], bool]
SERVER = "awselb/2.0"

# Where the load balancer words a status otherwise than the standard does.
_TITLES = {
    405: "Not Allowed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Large",
    302: "Found",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}


def build_error_response(status: int) -> Response:
    """Return the load balancer's own page for a status; 460, 463 and the like have no phrase."""
    headers = (("Server", SERVER), ("Content-Type", "text/html"))
    if status == CLEAR_TEXT:
        page = _build_page("400 The plain HTTP request was sent to HTTPS port")
        return Response(400, headers, page, reason=_title(400))
    title = f"{status} {_title(status)}".strip()
    return Response(status, headers, _build_page(title), reason=_title(status))


def _title(status: int) -> str:
    if status in _TITLES:
        return _TITLES[status]
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


def _build_page(title: str) -> bytes:
    title = html.escape(title)
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    ).encode()


def compile_pattern(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    """Compile a pattern in which * stands for any characters and ? for exactly one."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.compile("".join(parts), flags)


def split_query(query: str) -> list[tuple[str, str]]:
    """Split a query string into pairs, leaving them URL-encoded; a bare key has the value ""."""
    pairs = []
    for piece in query.split("&"):
        if piece:
            key, _, value = piece.partition("=")
            pairs.append((key, value))
    return pairs


def split_host(request: Request) -> tuple[str, str | None]:
    """Return the Host header's name and its port, if it names one."""
    host = request.header("host") or ""
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        return host, None
    name = host.rsplit(":", 1)[0] if port is not None else host
    return name, None if port is None else str(port)


def compile_condition(condition: Condition) -> Matches:
    """Turn a condition into a test. ValueError for a source-ip that is no CIDR block."""
    match condition.field:
        case "http-request-method":
            methods = frozenset(condition.values)
            return lambda request: request.method in methods
        case "source-ip":
            return _compile_source(condition.values)
        case "query-string":
            return _compile_query(condition)
    sensitive = condition.field == "path-pattern"
    patterns = [compile_pattern(v, ignore_case=not sensitive) for v in condition.values]

    def matches_any(value: str) -> bool:
        return any(pattern.fullmatch(value) for pattern in patterns)

    if condition.field == "path-pattern":
        return lambda request: matches_any(request.path)
    if condition.field == "host-header":
        return lambda request: matches_any(split_host(request)[0])
    wanted = (condition.name or "").lower()
    return lambda request: any(
        matches_any(value) for name, value in request.headers if name.lower() == wanted
    )


def _compile_source(values: tuple[str, ...]) -> Matches:
    networks = [ipaddress.ip_network(value, strict=False) for value in values]

    def matches(request: Request) -> bool:
        try:
            address = ipaddress.ip_address(request.client[0])
        except ValueError:
            return False
        return any(address in network for network in networks)

    return matches


def _compile_query(condition: Condition) -> Matches:
    key = compile_pattern(condition.name, ignore_case=True) if condition.name else None
    values = [compile_pattern(value, ignore_case=True) for value in condition.values]

    def matches(request: Request) -> bool:
        return any(
            (key is None or key.fullmatch(name)) and any(v.fullmatch(value) for v in values)
            for name, value in split_query(request.query)
        )

    return matches


class RuleTable:
    """A listener's rules, compiled once and tried from the lowest priority number up."""

    def __init__(self, listener: Listener) -> None:
        ordered = sorted(listener.rules, key=lambda rule: rule.priority)
        self._rules = [
            (rule, [compile_condition(condition) for condition in rule.conditions])
            for rule in ordered
        ]
        self._default = Rule(0, (), listener.default)

    def select(self, request: Request) -> Rule:
        """Return the first rule all of whose conditions hold; the default has priority 0."""
        for rule, tests in self._rules:
            if all(test(request) for test in tests):
                return rule
        return self._default


def build_fixed_response(action: FixedResponse) -> Response:
    """Answer a fixed-response action."""
    headers = (
        ("Server", SERVER),
        ("Content-Type", f"{action.content_type}; charset=utf-8"),
    )
    return Response(action.status, headers, action.body.encode())


LocalPort = Callable[[int], int | None]
"""Where a listener of the same load balancer answers here, by its port on AWS."""


def know_no_port(port: int) -> int | None:
    """Know of no other listener."""
    return None


def build_location(
    action: Redirect, request: Request, listener: Listener, local_port: LocalPort = know_no_port
) -> str:
    """Fill in a redirect's placeholders.

    #{port} is the port the client named, so that a redirect that keeps it leads
    back to the local listener; without one it is the listener's port on AWS. A port
    on AWS of the same load balancer becomes the local one.
    """
    host, port = split_host(request)
    values = {
        "protocol": listener.protocol,
        "host": host,
        "port": port or str(listener.port),
        "path": request.path.removeprefix("/"),
        "query": request.query,
    }

    def fill(text: str) -> str:
        # One pass: what a client sends must not be read as a placeholder again.
        return re.sub(r"#\{(protocol|host|port|path|query)\}", lambda m: values[m[1]], text)

    path = fill(action.path)
    query = fill(action.query)
    to_port = fill(action.port)
    named = action.port == "#{port}" and port is not None
    if not named and action.host == "#{host}" and to_port.isdecimal():
        to_port = str(local_port(int(to_port)) or to_port)
    location = f"{fill(action.protocol).lower()}://{fill(action.host)}:{to_port}"
    location += path if path.startswith("/") else f"/{path}"
    return f"{location}?{query}" if query else location


def build_redirect_response(action: Redirect, location: str) -> Response:
    """Answer a redirect action."""
    title = _title(action.status)
    headers = (("Server", SERVER), ("Content-Type", "text/html"), ("Location", location))
    return Response(action.status, headers, _build_page(f"{action.status} {title}"), reason=title)
