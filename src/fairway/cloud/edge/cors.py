"""Cross-origin rules of an HTTP API. Page "Configure CORS for HTTP APIs in API Gateway"."""

from __future__ import annotations

from fairway.cloud.edge.model import Cors, Request, Response


def is_preflight(request: Request) -> bool:
    """Whether a browser asks for leave before the real request."""
    return (
        request.method == "OPTIONS"
        and request.header("origin") is not None
        and request.header("access-control-request-method") is not None
    )


def _allow_origin(cors: Cors, origin: str) -> str | None:
    for allowed in cors.origins:
        if allowed == "*":
            return origin if cors.credentials else "*"
        if allowed in ("http://*", "https://*") and origin.startswith(allowed[:-1]):
            return origin
        if allowed == origin:
            return origin
    return None


def _list_common(cors: Cors, allowed: str) -> list[tuple[str, str]]:
    headers = [("Access-Control-Allow-Origin", allowed)]
    if cors.credentials:
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if cors.expose:
        headers.append(("Access-Control-Expose-Headers", ",".join(cors.expose)))
    return headers


def answer_preflight(cors: Cors, request: Request) -> Response:
    """Answer a preflight request: 204, with leave only for an origin that has it."""
    allowed = _allow_origin(cors, request.header("origin") or "")
    if allowed is None:
        return Response(204)
    headers = _list_common(cors, allowed)
    if cors.methods:
        headers.append(("Access-Control-Allow-Methods", ",".join(cors.methods)))
    if cors.headers:
        headers.append(("Access-Control-Allow-Headers", ",".join(cors.headers)))
    if cors.max_age is not None:
        headers.append(("Access-Control-Max-Age", str(cors.max_age)))
    return Response(204, tuple(headers))


def add_cors(cors: Cors, request: Request, response: Response) -> Response:
    """Put the API's CORS headers on an answer; those of the integration are ignored."""
    kept = [
        (name, value)
        for name, value in response.headers
        if not name.lower().startswith("access-control-")
    ]
    origin = request.header("origin")
    allowed = _allow_origin(cors, origin) if origin is not None else None
    if allowed is not None:
        kept += _list_common(cors, allowed)
    return Response(response.status, tuple(kept), response.body, response.reason)
