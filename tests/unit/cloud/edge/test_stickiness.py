"""Cookies that bind a client to a target group: sealed, dated, and worth nothing elsewhere."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import pytest

from fairway.cloud.edge.load_balancer import LoadBalancer
from fairway.cloud.edge.model import Forward, Listener, Request, Response, TargetGroup
from fairway.cloud.edge.stamps import Stamps
from fairway.cloud.edge.stickiness import CookieSeal
from fairway.cloud.functions.model import Invocation


@dataclass
class World:
    """A listener over the groups `a` and `b`; draws decide who gets a new client."""

    action: Forward
    secret: str = "s"
    now: float = 1_000_000_000.0
    draw: int = 0

    def ask(self, *cookies: str) -> tuple[str, list[str]]:
        """Which function answered, and the cookies that came back."""

        async def invoke(arn: str, payload: bytes, *, trace_id: str | None = None) -> Invocation:
            answer = {"statusCode": 200, "body": arn, "headers": {"Content-Type": "text/plain"}}
            return Invocation("r", json.dumps(answer).encode())

        groups = {name: TargetGroup(name, (f"function {name}",)) for name in ("a", "b", "c")}
        listener = Listener("l", "lb", "HTTP", 80, (), self.action, groups)
        stamps = Stamps(now=lambda: self.now, draw=lambda limit: self.draw)
        balancer = LoadBalancer(listener, invoke, stamps=stamps, seal=CookieSeal(self.secret))
        headers = (("Host", "h"), *(("Cookie", cookie) for cookie in cookies))
        request = Request("GET", "/", "", headers, b"", ("127.0.0.1", 1))
        response: Response = asyncio.run(balancer(request))
        found = [value for name, value in response.headers if name == "Set-Cookie"]
        return response.body.decode(), found


def pair(cookie: str) -> str:
    return cookie.partition(";")[0]


@pytest.fixture
def world() -> World:
    return World(Forward((("a", 1), ("b", 1)), sticky=600))


def test_a_client_keeps_its_group(world: World) -> None:
    answered, cookies = world.ask()
    assert answered == "function a"
    world.draw = 1
    assert world.ask()[0] == "function b"
    for cookie in cookies:  # each of the two is enough
        assert world.ask("x=1; " + pair(cookie) + "; y=2")[0] == "function a"
    assert world.ask("x=1", pair(cookies[0]))[0] == "function a"


def test_the_cookies_as_browsers_see_them(world: World) -> None:
    plain, cors = world.ask()[1]
    value = pair(plain).removeprefix("AWSALBTG=")
    rest = f"{value}; Expires=Sun, 09 Sep 2001 01:56:40 GMT; Path=/"
    assert plain == f"AWSALBTG={rest}"
    assert cors == f"AWSALBTGCORS={rest}; SameSite=None; Secure"
    assert "%" not in value
    assert "a" * 3 not in value


def test_the_lifetime_is_the_actions(world: World) -> None:
    cookie = pair(world.ask()[1][0])
    world.draw = 1
    world.now += 600
    assert world.ask(cookie)[0] == "function a"
    world.now += 1
    assert world.ask(cookie)[0] == "function b"


def test_each_answer_renews_the_lifetime(world: World) -> None:
    cookie = pair(world.ask()[1][0])
    world.draw = 1
    for _ in range(3):
        world.now += 500
        answered, cookies = world.ask(cookie)
        assert answered == "function a"
        cookie = pair(cookies[0])


def test_a_cookie_that_is_not_ours_is_ignored(world: World) -> None:
    good = pair(world.ask()[1][0])
    world.draw = 1
    name, _, value = good.partition("=")
    for bad in ("", "a", "a%3D", value[:-5], value[::-1], "\xe4", "a" * 4000):
        answered, cookies = world.ask(f"{name}={bad}")
        assert answered == "function b"
        assert len(cookies) == 2
    world.secret = "other"
    assert world.ask(good)[0] == "function b"


def test_a_group_that_the_action_lost_is_chosen_anew(world: World) -> None:
    cookie = pair(world.ask()[1][0])
    world.action = Forward((("b", 1), ("c", 1)), sticky=600)
    assert world.ask(cookie)[0] == "function b"


def test_without_stickiness_there_are_no_cookies(world: World) -> None:
    cookie = pair(world.ask()[1][0])
    world.action = Forward((("a", 1), ("b", 1)))
    world.draw = 1
    assert world.ask(cookie) == ("function b", [])


def test_a_group_that_takes_nobody_new_keeps_its_clients(world: World) -> None:
    cookie = pair(world.ask()[1][0])
    world.action = Forward((("a", 0), ("b", 1)), sticky=600)
    assert world.ask()[0] == "function b"
    assert world.ask(cookie)[0] == "function a"
