"""Who may take a route of an HTTP API: JSON Web Tokens checked as a JWT authorizer does.

Page "Control access to HTTP APIs with JWT authorizers in API Gateway".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from fairway.cloud.edge.issuers import KeySets, Tell, Unreachable
from fairway.cloud.edge.model import Guard, HttpApi, JwtAuthorizer, Request
from fairway.cloud.edge.rules import split_query

# "Currently, only RSA-based algorithms are supported."
ALGORITHMS = ("RS256", "RS384", "RS512")
_HEADER = "$request.header."
_QUERY = "$request.querystring."


@dataclass(frozen=True, slots=True)
class Identity:
    """What a token says, as functions get it.

    claims: values as text. scopes: the token's, when the route asks for any, else None.
    """

    claims: dict[str, str]
    scopes: list[str] | None


class Denied(Exception):
    """The request may not take the route. challenge: the www-authenticate header, if any."""

    def __init__(self, status: int, challenge: str | None, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.challenge = challenge
        self.reason = reason


class InvalidToken(Exception):
    """A token is not good; the text is the challenge's error_description."""


class Gate:
    """Admits requests to the routes of one API. now: epoch seconds."""

    def __init__(self, api: HttpApi, keys: KeySets, tell: Tell, now: Callable[[], float]) -> None:
        self._api = api
        self._keys = keys
        self._tell = tell
        self._now = now

    async def admit(self, request: Request, route_key: str) -> Identity | None:
        """Who asks, or None on an open route. Raises Denied."""
        guard = self._api.guards.get(route_key)
        if guard is None:
            return None
        if guard.authorizer is None:
            self._tell(
                f"{self._api.name}: '{route_key}' is guarded by something else than a JWT "
                "authorizer, which the local cloud does not have: it answers 500 here."
            )
            raise Denied(500, None, "AuthorizerNotSupported")
        token = find_token(request, guard.authorizer.source)
        if not token:
            raise Denied(401, "Bearer", "Unauthorized")
        try:
            claims = await self._check(token, guard.authorizer)
        except InvalidToken as error:
            challenge = _word_challenge(guard, "invalid_token", str(error))
            raise Denied(401, challenge, "Unauthorized") from error
        scopes = list_scopes(claims)
        if guard.scopes and not set(guard.scopes) & set(scopes):
            text = "the token does not have a required scope"
            raise Denied(403, _word_challenge(guard, "insufficient_scope", text), "Forbidden")
        spelled = {name: spell_claim(value) for name, value in claims.items()}
        return Identity(spelled, scopes if guard.scopes else None)

    async def _check(self, token: str, authorizer: JwtAuthorizer) -> dict[str, Any]:
        header = read_header(token)
        try:
            key = await self._keys.find(authorizer.issuer, header["kid"])
        except Unreachable as error:
            endpoint = "JWKS" if error.discovered else "OIDC discovery endpoint"
            raise InvalidToken(f"{endpoint} communication error") from error
        if key is None:
            raise InvalidToken("the issuer has no key of the token's kid")
        claims = verify_signature(token, header, key)
        check_claims(claims, authorizer, self._now())
        return claims


def _word_challenge(guard: Guard, error: str, description: str) -> str:
    # "Troubleshooting issues with HTTP API JWT authorizers" shows this form, and of the
    # descriptions that of the audience; AWS does not document the others.
    scopes = " ".join(guard.scopes)
    return f'Bearer scope="{scopes}" error="{error}" error_description="{description}"'


def find_token(request: Request, source: str) -> str | None:
    """The token where the authorizer looks for it, without the prefix Bearer."""
    found: str | None = None
    if source.lower().startswith(_HEADER):
        found = request.header(source[len(_HEADER) :])
    elif source.lower().startswith(_QUERY):
        pairs = {unquote_plus(n): unquote_plus(v) for n, v in split_query(request.query)}
        found = pairs.get(source[len(_QUERY) :])
    if found is None:
        return None
    scheme, _, rest = found.strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else found.strip()


def read_header(token: str) -> dict[str, Any]:
    """The token's header, when it names a key and an algorithm that can be checked."""
    import jwt

    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, RecursionError) as error:
        raise InvalidToken("the token cannot be decoded") from error
    if header.get("alg") not in ALGORITHMS:
        raise InvalidToken("the token is not signed by an RSA-based algorithm")
    if not isinstance(header.get("kid"), str):
        raise InvalidToken("the token names no kid")
    return header


def verify_signature(token: str, header: dict[str, Any], key: dict[str, Any]) -> dict[str, Any]:
    """The token's claims, when the key signed them."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    # RFC 7517, sections 4.2 and 4.4: what the key is for, when its owner says so.
    if key.get("use", "sig") != "sig" or key.get("alg", header["alg"]) != header["alg"]:
        raise InvalidToken("the key of the token's kid does not sign such tokens")
    try:
        public = jwt.algorithms.RSAAlgorithm.from_jwk(key)
    except Exception as error:  # a key set is whatever its issuer wrote
        raise InvalidToken("the key of the token's kid cannot be read") from error
    if not isinstance(public, RSAPublicKey):
        raise InvalidToken("the key of the token's kid is not public")
    try:
        payload = jwt.PyJWS().decode(token, public, algorithms=[header["alg"]])
        claims = json.loads(payload)
    except jwt.InvalidSignatureError as error:
        raise InvalidToken("the token's signature is invalid") from error
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise InvalidToken("the token cannot be verified") from error
    if not isinstance(claims, dict):
        raise InvalidToken("the token has no claims")
    return claims


def check_claims(claims: dict[str, Any], authorizer: JwtAuthorizer, now: float) -> None:
    """Raise InvalidToken for a claim that the authorizer does not take."""
    if claims.get("iss") != authorizer.issuer:
        raise InvalidToken("the token does not have a valid issuer")
    # "API Gateway validates client_id only if aud is not present."
    audience = claims["aud"] if "aud" in claims else claims.get("client_id")
    audiences = audience if isinstance(audience, list) else [audience]
    if not any(one in authorizer.audiences for one in audiences):
        raise InvalidToken("the token does not have a valid audience")
    if not (_is_time(claims.get("exp")) and claims["exp"] > now):
        raise InvalidToken("the token has expired")
    for name in ("nbf", "iat"):
        if name in claims and not (_is_time(claims[name]) and claims[name] <= now):
            raise InvalidToken("the token is not valid yet")


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def list_scopes(claims: dict[str, Any]) -> list[str]:
    """The scopes in `scope`, as words, or in `scp`, as words or a list."""
    found: list[str] = []
    for name in ("scope", "scp"):
        value = claims.get(name)
        words = value.split() if isinstance(value, str) else value
        if isinstance(words, list):
            found += [word for word in words if isinstance(word, str)]
    return list(dict.fromkeys(found))


def spell_claim(value: Any) -> str:
    """A claim as text; AWS spells lists and objects otherwise than JSON: [a b], map[k:v]."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case float() if value.is_integer():
            return str(int(value))
        case list():
            return f"[{' '.join(map(spell_claim, value))}]"
        case dict():
            return f"map[{' '.join(f'{k}:{spell_claim(v)}' for k, v in sorted(value.items()))}]"
    return str(value)
