"""Key sets: when an issuer is asked, how often, and what its failures are called."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError, URLError

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.parity.issuers import make_key

from fairway.cloud.edge.authorization import (
    Denied,
    Gate,
    Identity,
    InvalidToken,
    check_claims,
    find_token,
    list_scopes,
    read_header,
    spell_claim,
    verify_signature,
)
from fairway.cloud.edge.issuers import PAUSE, KeySets, Unreachable, fetch_document, is_loopback
from fairway.cloud.edge.model import Guard, HttpApi, JwtAuthorizer, Request

ISSUER = "https://tenant.example/"


class Network:
    """Answers with documents, or raises them; remembers what was fetched."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {
            "https://tenant.example/.well-known/openid-configuration": {
                "jwks_uri": "https://keys.example/all"
            },
            "https://keys.example/all": {"keys": [{"kid": "a", "n": 1}, {"no": "kid"}, 7]},
        }
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        document = self.documents[url]
        if isinstance(document, Exception):
            raise document
        return document if isinstance(document, bytes) else json.dumps(document).encode()


class World:
    def __init__(self) -> None:
        self.network, self.time = Network(), 1000.0
        self.told: list[str] = []
        self._loop = asyncio.new_event_loop()
        self.keys = KeySets(self.told.append, fetch=self.network, elapsed=lambda: self.time)

    def find(self, *key_ids: str) -> list[dict[str, Any] | None]:
        async def run() -> list[dict[str, Any] | None]:
            return list(await asyncio.gather(*(self.keys.find(ISSUER, k) for k in key_ids)))

        return self._loop.run_until_complete(run())

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def test_a_key_is_fetched_once_for_two_hours(world: World) -> None:
    assert world.find("a", "a", "a") == [{"kid": "a", "n": 1}] * 3
    world.time += 7199
    assert world.find("a") == [{"kid": "a", "n": 1}]
    assert len(world.network.asked) == 2
    world.time += 2
    world.find("a")
    assert len(world.network.asked) == 4


def test_unknown_keys_are_asked_for_at_intervals(world: World) -> None:
    assert world.find("a", "b", "c") == [{"kid": "a", "n": 1}, None, None]
    assert len(world.network.asked) == 2
    world.network.documents["https://keys.example/all"]["keys"].append({"kid": "b"})
    world.time += PAUSE - 0.1
    assert world.find("b") == [None]
    world.time += 0.2
    assert world.find("b", "c") == [{"kid": "b"}, None]
    assert len(world.network.asked) == 4


def test_a_failure_is_kept_for_the_pause_and_then_forgotten(world: World) -> None:
    good = world.network.documents["https://keys.example/all"]
    world.network.documents["https://keys.example/all"] = URLError("refused")
    for _ in range(3):
        with pytest.raises(Unreachable) as caught:
            world.find("a")
        assert caught.value.discovered
    assert len(world.network.asked) == 2
    assert "https://keys.example/all cannot be reached (refused)" in world.told[0]
    world.network.documents["https://keys.example/all"] = good
    world.time += PAUSE
    assert world.find("a") == [{"kid": "a", "n": 1}]


def test_known_keys_outlive_a_failure(world: World) -> None:
    world.find("a")
    world.network.documents["https://keys.example/all"] = URLError("refused")
    world.time += PAUSE
    assert world.find("b", "a") == [None, {"kid": "a", "n": 1}]
    world.time += 7200
    with pytest.raises(Unreachable):
        world.find("a")


PLACE = "https://tenant.example/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (HTTPError(PLACE, 404, "no", None, None), "answered 404"),  # type: ignore[arg-type]
        (URLError("no route"), "cannot be reached (no route)"),
        (OSError("reset"), "reset"),
        (b"<html>", "Expecting value"),
        (b"[" * 100_000, "not JSON"),
        ([], "not a JSON object"),
        ({}, "names no jwks_uri"),
        ({"jwks_uri": "https://keys.example/none"}, "is not a key set"),
    ],
)
def test_failures_have_words(world: World, document: Any, said: str) -> None:
    world.network.documents["https://keys.example/none"] = {"keys": "none"}
    world.network.documents[PLACE] = document
    with pytest.raises(Unreachable, match=r"."):
        world.find("a")
    assert said in world.told[0]
    assert ISSUER in world.told[0]


def test_a_silent_issuer_is_given_up() -> None:
    held = threading.Event()

    def wait(url: str) -> bytes:
        held.wait(30)
        return b""

    async def run() -> None:
        told: list[str] = []
        with pytest.raises(Unreachable, match="did not answer within"):
            await KeySets(told.append, fetch=wait).find(ISSUER, "a")
        held.set()
        assert "did not answer within 1.5 s" in told[0]

    asyncio.run(run())


def test_only_the_web_is_asked() -> None:
    for url in ("file:///etc/hostname", "ftp://127.0.0.1/x", "nonsense"):
        with pytest.raises(ValueError, match="only http"):
            fetch_document(url)


def test_this_machine_is_known_by_its_names() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "localhost", "id.localhost")))
    assert not any(map(is_loopback, ("10.0.0.1", "example.com", "", None, "notlocalhost")))


# --- tokens ------------------------------------------------------------------


def request(query: str = "", **headers: str) -> Request:
    return Request("GET", "/", query, tuple(headers.items()), b"", ("127.0.0.1", 1))


@pytest.mark.parametrize(
    ("given", "source", "found"),
    [
        (request(Authorization="Bearer a.b.c"), "$request.header.Authorization", "a.b.c"),
        (request(authorization="bearer  a.b.c "), "$request.header.Authorization", "a.b.c"),
        (request(authorization="a.b.c"), "$request.header.Authorization", "a.b.c"),
        (request(auth="a"), "$request.header.Authorization", None),
        (request("token=a%2Eb&x=1"), "$request.querystring.token", "a.b"),
        (request("x=1"), "$request.querystring.token", None),
        (request(), "$context.identity", None),
    ],
)
def test_tokens_are_found(given: Request, source: str, found: str | None) -> None:
    assert find_token(given, source) == found


AUTHORIZER = JwtAuthorizer("https://i/", ("api",))
GOOD = {"iss": "https://i/", "aud": "api", "exp": 101}


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": 100},
        {"exp": None},
        {"exp": "999"},
        {"exp": True},
        {"nbf": 100.1},
        {"nbf": "1"},
        {"iat": 200},
        {"iss": "https://i"},
        {"aud": []},
        {"aud": None, "client_id": "api"},
        {"aud": {"api": 1}},
        {"aud": [["api"]]},
    ],
)
def test_claims_are_judged(changed: dict[str, Any]) -> None:
    check_claims({**GOOD, "nbf": 100, "iat": 99}, AUTHORIZER, 100.0)
    with pytest.raises(InvalidToken):
        check_claims({**GOOD, **changed}, AUTHORIZER, 100.0)


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({}, []),
        ({"scope": "a b a"}, ["a", "b"]),
        ({"scp": ["a", 1, "b c"]}, ["a", "b c"]),
        ({"scope": "a", "scp": "b"}, ["a", "b"]),
        ({"scope": None, "scp": 7}, []),
    ],
)
def test_scopes_are_listed(claims: dict[str, Any], scopes: list[str]) -> None:
    assert list_scopes(claims) == scopes


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (1583798639, "1583798639"),
        (1583798639.0, "1583798639"),
        (1.5, "1.5"),
        (False, "false"),
        (None, "null"),
        (["a", 1, ["b"]], "[a 1 [b]]"),
        ({"roles": ["x", "y"], "a": True}, "map[a:true roles:[x y]]"),
    ],
)
def test_claims_are_spelled(value: Any, text: str) -> None:
    assert spell_claim(value) == text


@pytest.mark.parametrize(
    "key",
    [
        {},
        {"kty": "RSA"},
        {"kty": "RSA", "n": 5, "e": None},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "enc"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS512"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    ],
)
def test_a_strange_key_admits_nobody(key: dict[str, Any]) -> None:
    import jwt

    token = jwt.encode({"a": 1}, make_key("first"), "RS256", headers={"kid": "a"})
    with pytest.raises(InvalidToken):
        verify_signature(token, read_header(token), key)


def test_a_payload_that_is_no_object_is_refused() -> None:
    import jwt

    token = jwt.PyJWS().encode(b"[1]", make_key("first"), "RS256", headers={"kid": "a"})
    key = jwt.algorithms.RSAAlgorithm.to_jwk(make_key("first").public_key(), True)
    with pytest.raises(InvalidToken, match="no claims"):
        verify_signature(token, read_header(token), key)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
CLAIMS = st.dictionaries(
    st.sampled_from(["iss", "aud", "client_id", "exp", "nbf", "iat", "scope", "scp", "x"]), JSON
)


class OneKey:
    """Finds the same key for every id."""

    async def find(self, issuer: str, key_id: str) -> dict[str, Any]:
        import jwt

        return jwt.algorithms.RSAAlgorithm.to_jwk(make_key("first").public_key(), True)


def admit(token: str) -> Identity | None:
    guard = Guard(AUTHORIZER, ("a",))
    api = HttpApi("i", "n", "1", "r", {}, guards={"GET /": guard})
    gate = Gate(api, OneKey(), [].append, lambda: 100.0)  # type: ignore[arg-type]
    return asyncio.run(gate.admit(request(Authorization=token), "GET /"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(claims=CLAIMS)
def test_any_claims_are_admitted_or_denied(claims: dict[str, Any]) -> None:
    import jwt

    payload = json.dumps(claims).encode()
    token = jwt.PyJWS().encode(payload, make_key("first"), "RS256", headers={"kid": "a"})
    with contextlib.suppress(Denied):
        identity = admit(token)
        assert identity is not None
        assert set(identity.claims) == set(claims)


@settings(max_examples=150, deadline=None)
@given(token=st.text() | st.from_regex(r"\A[\w-]*\.[\w-]*\.[\w-]*\Z"))
def test_any_text_is_denied(token: str) -> None:
    with pytest.raises(Denied) as caught:
        admit(token)
    assert caught.value.status == 401


def test_the_same_token_is_admitted_when_all_is_well() -> None:
    import jwt

    token = jwt.encode(
        {**GOOD, "scope": "a"}, make_key("first"), headers={"kid": "a"}, algorithm="RS256"
    )
    assert admit(token) == Identity(
        {"iss": "https://i/", "aud": "api", "exp": "101", "scope": "a"}, ["a"]
    )
