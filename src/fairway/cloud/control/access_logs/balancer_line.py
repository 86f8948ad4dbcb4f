"""One line of a load balancer's access log.

Page "Access logs for your Application Load Balancer", section "Access log entries".
"""

from __future__ import annotations

import time
from functools import lru_cache

from fairway.cloud.edge.access import AccessRecord
from fairway.cloud.edge.model import Listener

_MASK = 2**128 - 1


@lru_cache(maxsize=8)
def _format_second(second: int) -> str:
    """The text of a second: most lines share it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _format_time(moment: float) -> str:
    second = int(moment)
    return f"{_format_second(second)}.{int((moment - second) * 1_000_000):06d}Z"


@lru_cache(maxsize=64)
def _read_balancer(listener: str) -> str:
    return listener.partition(":listener/")[2].rpartition("/")[0]


def write_line(listener: Listener, record: AccessRecord) -> str:
    """The line of one request, without its end."""
    host = agent = None
    if record.request is not None:
        host, agent = _find_headers(record.request.headers)
    secure = listener.protocol == "HTTPS"
    spent = record.target_seconds
    times = "-1 -1 -1" if spent is None else f"0.000 {spent:.3f} 0.000"
    name = _quote(host.partition(":")[0]) if secure and host else '"-"'
    priority = -1 if record.rule_priority is None else record.rule_priority
    redirect = _quote(record.redirect_url) if record.redirect_url else '"-"'
    # A function has no address; cipher and protocol are this machine's, not AWS's; after
    # the reason come the targets and their statuses by address, and the classification.
    return (
        f"{'https' if secure else 'http'} {_format_time(record.time + record.seconds)} "
        f"{_read_balancer(listener.arn)} {record.client[0]}:{record.client[1]} - {times} "
        f"{record.status} {record.target_status or '-'} {record.received_bytes} "
        f"{record.sent_bytes} {_quote(_describe_request(listener, record, host))} "
        f"{_quote(agent)} - - {record.target_group or '-'} {_quote(record.trace_id)} {name} "
        f'"-" {priority} {_format_time(record.time)} "{record.action or "-"}" {redirect} '
        f'"{record.error_reason or "-"}" "-" "-" "-" "-" '
        f"TID_{hash((record.client, listener.arn)) & _MASK:032x}"
    )


def _find_headers(headers: tuple[tuple[str, str], ...]) -> tuple[str | None, str | None]:
    """The first Host and the first User-Agent."""
    host = agent = None
    for name, value in headers:
        size = len(name)
        if size == 4 and host is None and name.lower() == "host":
            host = value
        elif size == 10 and agent is None and name.lower() == "user-agent":
            agent = value
    return host, agent


def _describe_request(listener: Listener, record: AccessRecord, host: str | None) -> str:
    """Method, whole URL and version; "- URL -" and the like when it could not be read."""
    request = record.request
    if request is None:
        return f"- {listener.protocol.lower()}://-:{listener.port}- - "
    name, colon, port = (host or "-").rpartition(":")
    place = f"{name}:{port}" if colon and port.isdecimal() else f"{host or '-'}:{listener.port}"
    query = f"?{request.query}" if request.query else ""
    url = f"{request.scheme}://{place}{request.path}{query}"
    return f"{request.method} {url} HTTP/{request.http_version}"


def _quote(value: str | None) -> str:
    """In quotes; what would end the field or the line is written in hexadecimal, as nginx does."""
    if not value:
        return '"-"'
    if value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'
    parts = (
        character
        if character.isprintable() and character not in '"\\'
        else "".join(f"\\x{byte:02X}" for byte in character.encode("utf-8", "replace"))
        for character in value
    )
    return f'"{"".join(parts)}"'
