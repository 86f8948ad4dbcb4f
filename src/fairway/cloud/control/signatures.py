"""The common signature, checked quickly; every other one by ministack.

Nearly all requests are POSTs to "/" without a query, signed in their header by
one key ("Create a signed AWS API request", IAM User Guide). For these the
canonical request is put together here. What does not look exactly like that,
or does not match, is left to ministack's check, which also words the refusal:
this one can only say yes.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import math
import re
import time
from calendar import timegm
from collections.abc import Callable
from typing import Any

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/([0-9]{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, "
    r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)
_MOMENT = re.compile(r"[0-9]{8}T[0-9]{6}Z")
SKEW_SECONDS = 240
"""Less than any service allows (5 minutes), so that the slow check decides about the rest."""


@functools.lru_cache(maxsize=64)
def read_moment(moment: str) -> float:
    """Seconds since the epoch of "20260102T030405Z"; requests of one second share it.

    Minus infinity where there is no such moment.
    """
    try:
        return float(timegm(time.strptime(moment, "%Y%m%dT%H%M%SZ")))
    except ValueError:
        return -math.inf


def verify_plain(
    request: Any, secret: str, make_key: Callable[..., bytes], clock: Callable[[], float]
) -> bool:
    """Whether a pinned request's header signature is plain and right.

    request: ministack's record of it; make_key: derives a signing key of secret,
    date, region and service.
    """
    headers = request.headers
    if request.method != "POST" or request.raw_path != "/" or request.query_params:
        return False
    found = _HEADER.fullmatch(headers.get("authorization", ""))
    moment = headers.get("x-amz-date", "")
    if found is None or "x-amz-content-sha256" in headers or not _MOMENT.fullmatch(moment):
        return False
    key, date, region, service, signed, signature = found.groups()
    if service == "s3" or key != request.access_key_id or date != moment[:8]:
        return False
    if abs(clock() - read_moment(moment)) > SKEW_SECONDS:
        return False
    lines = "".join(
        f"{name}:{' '.join(headers.get(name, '').split())}\n" for name in signed.split(";") if name
    )
    body = hashlib.sha256(request.body).hexdigest()
    canonical = hashlib.sha256(f"POST\n/\n\n{lines}\n{signed}\n{body}".encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{moment}\n{date}/{region}/{service}/aws4_request\n{canonical}"
    own = hmac.digest(make_key(secret, date, region, service), text.encode(), "sha256").hex()
    return hmac.compare_digest(own, signature)


def make_authenticate(
    evaluator: Any, original: Callable[..., Any], clock: Callable[[], float] = time.time
) -> Callable[[str, str], Any]:
    """Stands for ministack's `authenticate`: the credential of a plain request, or its answer."""
    from ministack.core import responses, sigv4

    def authenticate(access_key_id: str, account_id: str) -> Any:
        request = evaluator._signed_request.get()
        if (
            request is None
            or not access_key_id
            or request.access_key_id != access_key_id
            or request.presigned
            or request.unverifiable
            or request.sigv2
            or request.s3_scoped
            or request.handshake
        ):
            return original(access_key_id, account_id)
        credential = evaluator.resolve_credential(
            access_key_id,
            responses._account_from_sts_session(access_key_id) or account_id,
            request.headers.get("x-amz-security-token", ""),
        )
        if not isinstance(credential, evaluator.ResolvedCredential) or not verify_plain(
            request, credential.secret_access_key, sigv4._cached_signing_key, clock
        ):
            return original(access_key_id, account_id)
        evaluator._signed_request.set(None)  # checked once, as ministack's own does
        evaluator._verified_key.set(access_key_id)
        return credential

    return authenticate
