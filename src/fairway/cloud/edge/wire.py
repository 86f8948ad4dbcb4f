"""Request targets read from, and answers written to, the wire."""

from __future__ import annotations

import email.utils
import http
import re
import time
from urllib.parse import urlsplit

from fairway.cloud.edge.model import Response

_FRAMING = frozenset({"content-length", "connection", "transfer-encoding", "keep-alive"})
_AUTHORITY = re.compile(r"[^\s/?#@]+")


class _Date:
    """The Date header, formatted once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def read(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._text = email.utils.formatdate(now, usegmt=True).encode()
        return self._text


_DATE = _Date()
_REASONS = {status.value: status.phrase for status in http.HTTPStatus}


def locate_target(
    target: str, headers: list[tuple[str, str]]
) -> tuple[str, list[tuple[str, str]]] | None:
    """Read an absolute-form or asterisk-form request target (RFC 9112, section 3.2)."""
    if target == "*":
        return target, headers
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not _AUTHORITY.fullmatch(parts.netloc):
        return None
    rest = target[target.index("//") + 2 + len(parts.netloc) :]
    if not rest.startswith("/"):
        rest = "/" + rest
    others = [(name, value) for name, value in headers if name.lower() != "host"]
    return rest, [("Host", parts.netloc), *others]


def encode_response(response: Response, method: str, keep: bool, version: str = "1.1") -> bytes:
    """Return the bytes of an answer; the framing headers are the server's own."""
    status = response.status
    reason = response.reason if response.reason is not None else _REASONS.get(status, "")
    reason = reason.replace("\r", " ").replace("\n", " ")
    lines = [f"HTTP/1.1 {status} {reason}".encode("latin-1", "replace")]
    length = str(len(response.body))
    dated = False
    for name, value in response.headers:
        lowered = name.lower()
        if lowered in _FRAMING:
            # A HEAD answer has no body and may still say how long it would be.
            if lowered == "content-length" and method == "HEAD" and not response.body:
                length = value if value.isascii() and value.isdecimal() else length
            continue
        dated = dated or lowered == "date"
        lines.append(_encode_line(f"{name}: {value}"))
    if not dated:
        lines.append(b"Date: " + _DATE.read())
    bodiless = status in (204, 304) or status < 200
    if not bodiless:
        lines.append(b"Content-Length: " + length.encode())
    lines.append(b"Connection: keep-alive" if keep else b"Connection: close")
    lines.append(b"\r\n")
    head = b"\r\n".join(lines)
    return head if bodiless or method == "HEAD" else head + response.body


def _encode_line(line: str) -> bytes:
    # Latin-1 gives back the bytes a request's header came in; what does not fit is UTF-8.
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode("utf-8", "replace")
