"""Which target group a client keeps: the cookies of a forward action with stickiness.

Page "Action types for listener rules", section "Sticky sessions and weighted target
groups"; "TargetGroupStickinessConfig" of the API reference gives the lifetime.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
from collections.abc import Iterator

from fairway.cloud.edge.model import Forward, Request, Response

COOKIE = "AWSALBTG"
CORS_COOKIE = "AWSALBTGCORS"
"""The same, for browsers that send cookies across sites only with SameSite=None and Secure."""


class CookieSeal:
    """Encrypts what a cookie says, so that a client can neither read nor choose it.

    secret: kept by the cloud, so that cookies outlive a restart of it.
    """

    def __init__(self, secret: str) -> None:
        digest = hashlib.sha256(b"stickiness\0" + secret.encode()).digest()
        self._key = base64.urlsafe_b64encode(digest)

    def close(self, text: str, now: float) -> str:
        """Seal a text. now: epoch seconds."""
        from cryptography.fernet import Fernet

        return Fernet(self._key).encrypt_at_time(text.encode(), int(now)).decode()

    def open(self, sealed: str, lifetime: int, now: float) -> str | None:
        """The text, or None when it was not sealed here within `lifetime` seconds."""
        from cryptography.fernet import Fernet, InvalidToken

        try:
            text = Fernet(self._key).decrypt_at_time(sealed, lifetime, int(now))
        except (InvalidToken, ValueError):
            return None
        return text.decode()


def find_group(seal: CookieSeal, action: Forward, request: Request, now: float) -> str | None:
    """The target group that the client is bound to, if the action still has it."""
    if action.sticky is None:
        return None
    for value in _list_cookies(request):
        group = seal.open(value, action.sticky, now)
        if group is not None and group in (arn for arn, _ in action.groups):
            return group
    return None


def _list_cookies(request: Request) -> Iterator[str]:
    for name, value in request.headers:
        if name.lower() == "cookie":
            for pair in value.split(";"):
                key, _, content = pair.strip().partition("=")
                if key in (COOKIE, CORS_COOKIE):
                    yield content


def bind_client(
    seal: CookieSeal, action: Forward, group: str, response: Response, now: float
) -> Response:
    """The answer with the cookies that bind the client to a group."""
    if action.sticky is None:
        return response
    value = seal.close(group, now)
    expires = email.utils.formatdate(now + action.sticky, usegmt=True)
    rest = f"{value}; Expires={expires}; Path=/"
    cookies = (
        ("Set-Cookie", f"{COOKIE}={rest}"),
        ("Set-Cookie", f"{CORS_COOKIE}={rest}; SameSite=None; Secure"),
    )
    return Response(response.status, (*response.headers, *cookies), response.body, response.reason)
