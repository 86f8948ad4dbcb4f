"""Rules on header fields that the load balancer and the HTTP API share."""

from __future__ import annotations

import re
from collections.abc import Iterable

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

# RFC 9110, section 5.1: a field name is a token; section 5.5: no CR, LF or NUL in a value.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FORBIDDEN = re.compile(r"[\r\n\0]")


def is_valid_header(name: str, value: str) -> bool:
    """Whether a header may be written to the wire."""
    return _TOKEN.fullmatch(name) is not None and _FORBIDDEN.search(value) is None


def list_end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Lower-case the names and leave out hop-by-hop headers, also those Connection names."""
    pairs = [(name.lower(), value) for name, value in headers]
    named = {
        token.strip().lower()
        for name, value in pairs
        if name == "connection"
        for token in value.split(",")
    }
    # Host and Content-Length frame the message: a client cannot have them dropped.
    dropped = HOP_BY_HOP | (named - {"host", "content-length"})
    return [(name, value) for name, value in pairs if name not in dropped]


def is_text_content(content_type: str | None, content_encoding: str | None) -> bool:
    """Whether a body of this type goes into an event as is, instead of in Base64.

    Page "Use Lambda functions as targets of an Application Load Balancer", section
    "Receive events from the load balancer": text/*, application/json,
    application/javascript and application/xml are text, all else is not. A
    compressed body is never text, whatever its type: JSON could not carry it.
    """
    if content_encoding is not None and content_encoding.strip().lower() not in ("", "identity"):
        return False
    if content_type is None:
        return False
    media_type = content_type.split(";", 1)[0].strip().lower()
    return media_type.startswith("text/") or media_type in (
        "application/json",
        "application/javascript",
        "application/xml",
    )


def extend_trace_id(incoming: str | None, now: float, unique: str, *, rewrite: bool = False) -> str:
    """Return the X-Amzn-Trace-Id that goes to the target.

    Page "Request tracing for your Application Load Balancer": without a Root field
    one is made; with one, a Self field is put in front (or replaced) and every
    other field stays. `unique`: 24 hexadecimal digits. `rewrite`: start anew, as
    it does when the headers exceed 7 KB.
    """
    stamp = f"1-{int(now):08x}-{unique}"
    if incoming is None or rewrite:
        return f"Root={stamp}"
    fields = [field.strip() for field in incoming.split(";") if field.strip()]
    kept = [field for field in fields if not field.startswith("Self=")]
    if len(kept) == len(fields) and not any(field.startswith("Root=") for field in kept):
        return ";".join([f"Root={stamp}", *kept])
    return ";".join([f"Self={stamp}", *kept])
