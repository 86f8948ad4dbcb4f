"""The quick signature check says yes only where ministack's own does."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from ministack.core import sigv4
from ministack.core.iam_evaluator import SignedRequest

from fairway.cloud.control.signatures import read_moment, verify_plain

KEY, SECRET = "ASIAEXAMPLE00000000", "secret"


class At(SigV4Auth):
    """Signs at a moment of its own."""

    def __init__(self, moment: datetime, **options: Any) -> None:
        credentials = Credentials(KEY, SECRET, "token")
        super().__init__(credentials, options.get("service", "dynamodb"), "eu-west-1")
        self.moment = moment.strftime("%Y%m%dT%H%M%SZ")

    def add_auth(self, request: Any) -> None:
        request.context["timestamp"] = self.moment
        self._modify_request_before_signing(request)
        canonical = self.canonical_request(request)
        text = self.string_to_sign(request, canonical)
        self._inject_signature_to_request(request, self.signature(text, request))


NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make(body: bytes = b"{}", path: str = "/", at: datetime = NOW, **headers: str) -> SignedRequest:
    url = f"http://localhost:4566{path}"
    request = AWSRequest("POST", url, {"X-Amz-Target": "T.Op", **headers}, body)
    At(at).add_auth(request)
    found = {name.lower(): str(value) for name, value in request.headers.items()}
    found["host"] = "localhost:4566"
    query = {"a": ["b"]} if "?" in path else {}
    return SignedRequest(KEY, "POST", urlsplit(path).path, query, found, body)


def check(request: SignedRequest, secret: str = SECRET, now: datetime = NOW) -> bool:
    return verify_plain(request, secret, sigv4.derive_signing_key, now.timestamp)


def agrees(request: SignedRequest) -> bool:
    """What ministack says of the signature, its time apart."""
    parsed = sigv4.parse_header_signature(request.headers)
    if isinstance(parsed, tuple):
        return False
    failure = sigv4.header_signature_failure(
        parsed, SECRET, request.method, request.raw_path, request.query_params,
        request.headers, request.body,
    )  # fmt: skip
    return failure is None


def test_a_right_signature_is_right() -> None:
    request = make(b'{"TableName": "notes"}', **{"X-Odd": "  two   words "})
    assert agrees(request)
    assert check(request)


@pytest.mark.parametrize("minutes", [-16, -4.1, 4.1, 16])
def test_a_moment_away_is_left_to_the_slow_check(minutes: float) -> None:
    assert check(make(), now=NOW + timedelta(minutes=4))
    assert not check(make(), now=NOW + timedelta(minutes=minutes))


def test_another_secret_is_wrong() -> None:
    assert not check(make(), secret="other")


@pytest.mark.parametrize(
    "request_", [make(path="/?a=b"), make(path="/bucket/key")], ids=["query", "path"]
)
def test_what_is_not_plain_is_left_to_the_slow_check(request_: SignedRequest) -> None:
    assert not check(request_)


def test_an_explicit_body_hash_is_left_to_the_slow_check() -> None:
    """UNSIGNED-PAYLOAD would leave the body open."""
    request = make()
    request.headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD"
    assert not check(request)


@pytest.mark.parametrize("seed", range(300))
def test_what_was_tampered_with_is_refused_as_by_the_slow_check(seed: int) -> None:
    source = random.Random(seed)
    request = make(b'{"n": 1}')
    headers, body = dict(request.headers), bytearray(request.body)
    name = source.choice([*headers, "body"])
    if name == "body":
        body[source.randrange(len(body))] ^= 1 << source.randrange(7)
    else:
        text = headers[name]
        at = source.randrange(len(text))
        new = source.choice("aA0 /;,=-")
        headers[name] = text[:at] + new + text[at + source.randrange(2) :]
    changed = SignedRequest(KEY, "POST", "/", {}, headers, bytes(body))
    assert agrees(changed) or not check(changed)


@pytest.mark.parametrize("moment", ["20261301T000000Z", "20260132T000000Z", "20260101T250000Z"])
def test_no_such_moment_is_never_near(moment: str) -> None:
    assert read_moment(moment) == float("-inf")
