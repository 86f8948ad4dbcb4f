"""Which route of an HTTP API a request takes.

Page "Create routes for HTTP APIs in API Gateway": a full match of method and path
comes first, then greedy path variables, then $default; of two matches the more
specific one wins, and a method's own route before ANY.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from fairway.cloud.edge.model import Integration

DEFAULT = "$default"


@dataclass(frozen=True, slots=True)
class Route:
    """A route key taken apart; method is None for ANY, segments empty for $default."""

    key: str
    integration: Integration
    method: str | None
    path: str
    segments: tuple[str, ...]

    @property
    def is_greedy(self) -> bool:
        """Whether its last segment takes all the rest."""
        return bool(self.segments) and self.segments[-1].endswith("+}")

    def rank(self) -> tuple[bool, tuple[int, ...], bool]:
        """Order routes from the most to the least specific."""
        kinds = tuple(
            2 if s.endswith("+}") else 1 if s.startswith("{") else 0 for s in self.segments
        )
        return (self.is_greedy, kinds, self.method is None)

    def match(self, method: str, segments: list[str]) -> dict[str, str] | None:
        """Return the decoded path variables, or None when the route does not fit."""
        if self.method is not None and self.method != method:
            return None
        fixed = self.segments[:-1] if self.is_greedy else self.segments
        if len(segments) < len(self.segments) or (
            len(segments) > len(self.segments) and not self.is_greedy
        ):
            return None
        found = {}
        for wanted, given in zip(fixed, segments, strict=False):
            if wanted.startswith("{"):
                if not given:
                    return None
                found[wanted[1:-1]] = unquote(given)
            elif wanted not in (given, unquote(given)):
                return None
        if self.is_greedy:
            rest = "/".join(segments[len(fixed) :])
            if not rest:
                return None
            found[self.segments[-1][1:-2]] = unquote(rest)
        return found


class RouteTable:
    """An HTTP API's routes, most specific first."""

    def __init__(self, routes: Mapping[str, Integration]) -> None:
        parsed = [_parse_route(key, integration) for key, integration in routes.items()]
        self._default = next((route for route in parsed if route.key == DEFAULT), None)
        self._routes = sorted(
            (route for route in parsed if route.key != DEFAULT), key=lambda route: route.rank()
        )

    def select(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route for an undecoded path without its stage, and its path variables."""
        segments = path.removeprefix("/").split("/")
        for route in self._routes:
            found = route.match(method, segments)
            if found is not None:
                return route, found
        return (self._default, {}) if self._default is not None else None


def _parse_route(key: str, integration: Integration) -> Route:
    """Take a route key apart. ValueError for one that API Gateway would refuse."""
    if key == DEFAULT:
        return Route(key, integration, None, DEFAULT, ())
    method, _, path = key.partition(" ")
    if not path.startswith("/"):
        raise ValueError(f"route key {key!r} is neither $default nor METHOD /path")
    segments = tuple(path[1:].split("/"))
    if any(segment.endswith("+}") for segment in segments[:-1]):
        raise ValueError(f"route key {key!r} has a greedy variable that is not its last part")
    return Route(key, integration, None if method == "ANY" else method, path, segments)
