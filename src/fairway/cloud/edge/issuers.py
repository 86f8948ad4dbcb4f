"""The public keys of token issuers, fetched from the issuers themselves.

Pages "Control access to HTTP APIs with JWT authorizers in API Gateway" and "Quotas
for configuring and running an HTTP API in API Gateway".
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

# "Timeout for JSON Web Key Set endpoint", and for the discovery endpoint, in seconds.
TIMEOUT = 1.5
# "Response size from JSON Web Key Set endpoint", in bytes; held to for both documents.
_LARGEST = 150_000
# "API Gateway can cache the public key for two hours", in seconds.
_KEPT = 7200.0
# How often an issuer is asked again for a key it did not have, or after it failed, in seconds.
# AWS names no figure; a developer who starts an issuer late should not wait long.
PAUSE = 5.0

Fetch = Callable[[str], bytes]
"""Get a document over the network, blocking. Raises OSError or ValueError."""
Tell = Callable[[str], None]


class Unreachable(Exception):
    """The issuer's keys are not to be had; the text says why.

    discovered: whether its discovery document was, and only its key set was not.
    """

    def __init__(self, text: str, *, discovered: bool = False) -> None:
        super().__init__(text)
        self.discovered = discovered


@dataclass(slots=True)
class _Issuer:
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    fetched: float = float("-inf")
    tried: float = float("-inf")
    failure: Unreachable | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """The keys of every issuer that was asked for, by key id.

    tell: gets a sentence for the user when an issuer cannot be asked. elapsed:
    monotonic seconds.
    """

    def __init__(
        self,
        tell: Tell,
        *,
        fetch: Fetch | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._fetch = fetch or fetch_document
        self._elapsed = elapsed
        self._issuers: dict[str, _Issuer] = {}

    async def find(self, issuer: str, key_id: str) -> dict[str, Any] | None:
        """An issuer's key as a JSON Web Key, or None when it has no such key.

        Raises Unreachable when it cannot be asked.
        """
        known = self._issuers.setdefault(issuer, _Issuer())
        if key_id in known.keys and self._is_fresh(known):
            return known.keys[key_id]
        async with known.lock:  # one question at a time, whoever waits for the answer
            if not (key_id in known.keys and self._is_fresh(known)):
                await self._refresh(issuer, known)
            if known.failure is not None and not self._is_fresh(known):
                raise known.failure
            return known.keys.get(key_id)

    def _is_fresh(self, known: _Issuer) -> bool:
        return self._elapsed() - known.fetched < _KEPT

    async def _refresh(self, issuer: str, known: _Issuer) -> None:
        if self._elapsed() - known.tried < PAUSE:
            return
        known.tried = self._elapsed()
        try:
            known.keys = await self._ask(issuer)
        except Unreachable as error:
            known.failure = error
            self._tell(
                f"Tokens of {issuer} cannot be checked: {error}. Routes that need one answer 401 "
                "until it can be reached."
            )
            return
        known.failure, known.fetched = None, self._elapsed()

    async def _ask(self, issuer: str) -> dict[str, dict[str, Any]]:
        # "OpenID Connect Discovery 1.0", section 4: a trailing slash of the issuer is removed.
        place = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        document = await self._load(place)
        where = document.get("jwks_uri")
        if not isinstance(where, str):
            raise Unreachable(f"{place} names no jwks_uri")
        try:
            keys = (await self._load(where)).get("keys")
        except Unreachable as error:
            error.discovered = True
            raise
        if not isinstance(keys, list):
            raise Unreachable(f"{where} is not a key set", discovered=True)
        found = (key for key in keys if isinstance(key, dict))
        return {key["kid"]: key for key in found if isinstance(key.get("kid"), str)}

    async def _load(self, url: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(TIMEOUT):
                text = await asyncio.to_thread(self._fetch, url)
            document = json.loads(text)
        except TimeoutError as error:
            raise Unreachable(f"{url} did not answer within {TIMEOUT:g} s") from error
        except HTTPError as error:
            raise Unreachable(f"{url} answered {error.code}") from error
        except URLError as error:
            raise Unreachable(f"{url} cannot be reached ({error.reason})") from error
        except RecursionError as error:
            raise Unreachable(f"{url} is not JSON") from error
        except (OSError, ValueError, HTTPException) as error:
            raise Unreachable(f"{url}: {str(error) or repr(error)}") from error
        if not isinstance(document, dict):
            raise Unreachable(f"{url} is not a JSON object")
        return document


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost" or (host or "").endswith(".localhost")


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to other web addresses; by itself it would follow them to FTP too."""

    def redirect_request(self, *request: Any) -> urllib.request.Request | None:
        _require_web(request[-1])
        return super().redirect_request(*request)


def _require_web(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("only http and https addresses are asked")


def fetch_document(url: str) -> bytes:
    """Get a document; never past a proxy when it lies on this machine."""
    _require_web(url)
    handlers: list[urllib.request.BaseHandler] = [_WebOnly()]
    if is_loopback(urlsplit(url).hostname):
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    end = time.monotonic() + TIMEOUT  # the timeout of a socket begins anew with each byte
    text = b""
    with opener.open(url, timeout=TIMEOUT) as answer:
        while piece := answer.read1(_LARGEST + 1 - len(text)):
            text += piece
            if time.monotonic() > end:
                raise TimeoutError("the answer did not come to an end")
    if len(text) > _LARGEST:
        raise ValueError(f"the answer is larger than {_LARGEST} bytes")
    return text
