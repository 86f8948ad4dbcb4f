"""The list of calls that policies allowed, as the account's owner reads it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fairway.cloud.info import CloudInfo


def read_access(
    info: CloudInfo, credentials: Credentials | None = None, *, secret: str = ""
) -> list[dict[str, Any]]:
    """Raises HTTPError. credentials: who asks, instead of the owner; secret: a wrong one."""
    request = AWSRequest("GET", f"{info.endpoint}/_fairway/access")
    who = credentials or Credentials(info.access_key, secret or info.secret_key)
    SigV4Auth(who, "fairway", info.region).add_auth(request)
    asked = urllib.request.Request(request.url, headers=dict(request.headers.items()))
    with urllib.request.urlopen(asked) as answer:
        told: list[dict[str, Any]] = json.load(answer)
    return told
