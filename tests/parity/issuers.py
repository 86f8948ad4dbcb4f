"""A small real issuer of tokens on loopback: discovery, a key set, RSA keys that can rotate."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


@cache
def make_key(name: str) -> rsa.RSAPrivateKey:
    """A key; equal names give the same one within a run, since making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Issuer:
    """Signs tokens, and answers for its keys over HTTP.

    keys: key id to the name of its key. asked: the paths that were fetched.
    broken: answers 503. held: until it is set, nothing is answered.
    """

    def __init__(self) -> None:
        self.keys = {"first": "first"}
        self.asked: list[str] = []
        self.broken = False
        self.held = threading.Event()
        self.held.set()
        self.documents: dict[str, Any] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._make_handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/tenant/"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.held.set()
        self._server.shutdown()
        self._server.server_close()

    def sign(
        self, *, key: str = "first", kid: str | None = None, alg: str = "RS256", **claims: Any
    ) -> str:
        """A token that is good for an hour, but for the claims given; None leaves one out."""
        now = int(time.time())
        payload = {
            "iss": self.url,
            "aud": "api",
            "sub": "ann",
            "iat": now - 1,
            "exp": now + 3600,
        } | claims
        payload = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(payload, make_key(key), alg, headers={"kid": kid or key})

    def answer(self, path: str) -> Any:
        if path in self.documents:
            return self.documents[path]
        if path == "/tenant/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}keys"}
        if path == "/tenant/keys":
            return {"keys": [self._describe(kid, name) for kid, name in self.keys.items()]}
        return None

    def _describe(self, kid: str, name: str) -> dict[str, Any]:
        public = make_key(name).public_key()
        return {"kid": kid, "use": "sig", **jwt.algorithms.RSAAlgorithm.to_jwk(public, True)}

    def _make_handler(issuer) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                issuer.held.wait(30)
                found = None if issuer.broken else issuer.answer(self.path)
                body = found if isinstance(found, bytes) else json.dumps(found).encode()
                self.send_response(503 if issuer.broken else 404 if found is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler


@contextmanager
def open_issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    issuer.start()
    try:
        yield issuer
    finally:
        issuer.stop()
