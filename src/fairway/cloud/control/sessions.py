"""Credentials of functions' roles: one session of STS per function and role."""

from __future__ import annotations

import secrets
import string
import time
from collections.abc import Callable, Mapping
from typing import Any

SESSION_SECONDS = 12 * 3600
"""IAM User Guide, "AssumeRole": the longest session of a role is 12 hours."""

RENEW_SECONDS = 3600.0
"""How often sessions in use are renewed; far more often than they expire."""

_KEY_ALPHABET = string.ascii_uppercase + string.digits


class Sessions:
    """Temporary credentials of functions' roles, one session per function and role.

    store: ministack's table of STS sessions by access key id. find_role_id: the
    unique id of a role by its ARN.
    """

    def __init__(
        self,
        store: dict[str, dict[str, Any]],
        find_role_id: Callable[[str], str],
        clock: Callable[[], float] = time.time,
        make_token: Callable[[int], str] = secrets.token_urlsafe,
    ) -> None:
        self._store = store
        self._find_role_id = find_role_id
        self._clock = clock
        self._make_token = make_token
        self._keys: dict[tuple[str, str], str] = {}

    def issue(self, role: str, function: str) -> Mapping[str, str]:
        """The environment variables that let a worker of this function sign as its role."""
        key = self._keys.get((role, function))
        session = self._store.get(key) if key else None
        if key is None or session is None:
            key, session = self._open(role, function)
        session["Expiration"] = self._clock() + SESSION_SECONDS
        return {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
        }

    def _open(self, role: str, function: str) -> tuple[str, dict[str, Any]]:
        account = role.split(":")[4]
        name = role.rsplit("/", 1)[-1]
        key = "ASIA" + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(16))
        session = {
            "AccountId": account,
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{function}",
            "IssuedAt": self._clock(),
            "PrincipalType": "AssumedRole",
            "SecretAccessKey": self._make_token(30),
            "SessionToken": self._make_token(120),
            "UserId": f"{self._find_role_id(role)}:{function}",
        }
        self._store[key] = session
        self._keys[(role, function)] = key
        return key, session

    def keep(self, used: set[tuple[str, str]]) -> None:
        """Renew the sessions of these roles and functions, and end all others."""
        for owner, key in list(self._keys.items()):
            session = self._store.get(key)
            if owner in used and session is not None:
                session["Expiration"] = self._clock() + SESSION_SECONDS
            else:
                self._store.pop(key, None)
                del self._keys[owner]


def open_sessions() -> Sessions:
    """Sessions that ministack's evaluator knows."""
    from ministack.services import sts

    return Sessions(sts._sessions, sts._role_id)
