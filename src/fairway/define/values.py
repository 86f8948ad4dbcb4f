"""The small languages inside values: sizes, durations, names, route keys."""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from fairway.define.regions import REGIONS, SHAPE, is_region

_SIZE = re.compile(r"(\d+)\s*(MB|GB)\Z")
_DURATION = re.compile(r"(\d+)\s*(s|m|h|d)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MILLISECONDS = re.compile(r"(\d+)\s*(ms|s|m)\Z")
_BYTES = re.compile(r"(\d+)\s*(KB|MB|GB|TB)\Z")
_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kMG]?) per (second|minute|hour|day|month)\Z")
# A month of 730 hours, as AWS's pricing calculator has it.
_PER_MONTH = {"second": 730 * 3600, "minute": 730 * 60, "hour": 730, "day": 730 / 24, "month": 1}
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "ANY")
_ISSUER = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[^\s?#\"\\]*)?\Z")
_ROUTE = re.compile(r"([A-Z]+) (/\S*)\Z")


def refuse(code: str, message: str, hint: str) -> PydanticCustomError:
    """A validation error of ours: a summary and what to do about it."""
    # Both travel as context: pydantic would read braces in the message as fields.
    return PydanticCustomError(f"fairway-{code}", "{text}", {"text": message, "hint": hint})


def show_duration(seconds: int) -> str:
    """A duration as the file would have it, in the largest unit that fits."""
    units = (unit for unit in ("d", "h", "m") if seconds and seconds % _SECONDS[unit] == 0)
    unit = next(units, "s")
    return f"{seconds // _SECONDS[unit]}{unit}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _read_size(value: Any) -> int:
    match = _SIZE.match(value) if isinstance(value, str) else None
    if not match:
        example = f"{value}MB" if isinstance(value, int) else "512MB"
        raise refuse("bad-size", f"{_shown(value)} is not a size", f"write it like {example}")
    return int(match[1]) * (1024 if match[2] == "GB" else 1)


def _read_duration(value: Any) -> int:
    match = _DURATION.match(value) if isinstance(value, str) else None
    if not match:
        example = f"{value}s" if isinstance(value, int) else "30s, 5m, 12h or 14d"
        raise refuse(
            "bad-duration", f"{_shown(value)} is not a duration", f"write it like {example}"
        )
    return int(match[1]) * _SECONDS[match[2]]


def _read_milliseconds(value: Any) -> int:
    match = _MILLISECONDS.match(value) if isinstance(value, str) else None
    if not match:
        example = f"{value}ms" if isinstance(value, int) else "120ms"
        raise refuse(
            "bad-duration", f"{_shown(value)} is not a duration", f"write it like {example}"
        )
    return int(match[1]) * {"ms": 1, "s": 1000, "m": 60_000}[match[2]]


def _read_bytes(value: Any) -> int:
    match = _BYTES.match(value) if isinstance(value, str) else None
    if not match:
        example = f"{value}GB" if isinstance(value, int) else "5GB"
        raise refuse("bad-size", f"{_shown(value)} is not a size", f"write it like {example}")
    return int(match[1]) << 10 * (1 + ("KB", "MB", "GB", "TB").index(match[2]))


def _read_monthly_count(value: Any) -> int:
    match = _COUNT.match(value) if isinstance(value, str) else None
    if not match:
        example = f"{value} per month" if isinstance(value, int) else "3M per month"
        raise refuse("bad-count", f"{_shown(value)} is not a count", f"write it like {example}")
    scale = {"": 1, "k": 1000, "M": 1000**2, "G": 1000**3}[match[2]]
    return round(float(match[1]) * scale * _PER_MONTH[match[3]])


def _read_name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.match(value) or len(value) > 32:
        raise refuse(
            "bad-name",
            f"{_shown(value)} is not a name",
            "use up to 32 small letters, digits and single hyphens, starting with a letter",
        )
    return value


def _read_cidr(value: Any) -> str:
    try:
        network = ipaddress.IPv4Network(value if isinstance(value, str) else "")
    except ValueError as error:
        hint = "write it like 10.0.0.0/16"
        if "host bits" in str(error):
            hint = f"write {ipaddress.IPv4Network(value, strict=False)}"
        raise refuse("bad-cidr", f"{_shown(value)} is not an IPv4 network", hint) from None
    return str(network)


def _read_account(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        raise refuse(
            "bad-account", f"the account {value} must be text", f'put it in quotes: "{value:012d}"'
        )
    if not isinstance(value, str) or not re.fullmatch(r"\d{12}", value):
        raise refuse("bad-account", f"{_shown(value)} is not an AWS account", "write its 12 digits")
    return value


def _read_region(value: Any) -> str:
    if isinstance(value, str) and is_region(value):
        return value
    import difflib  # only where something is wrong

    near = difflib.get_close_matches(value, REGIONS, n=1) if isinstance(value, str) else []
    raise refuse(
        "bad-region",
        f"{_shown(value)} is not a region of AWS",
        f"did you mean '{near[0]}'?" if near else "write a region's code, like eu-west-1",
    )


def _read_route(value: Any) -> str:
    match = _ROUTE.match(value) if isinstance(value, str) else None
    if not match:
        raise refuse(
            "bad-route",
            f"{_shown(value)} is not a route",
            'write a method and a path, like "GET /users" or "ANY /*"',
        )
    if match[1] not in _METHODS:
        raise refuse(
            "bad-route",
            f"{match[1]} is not an HTTP method a route can name",
            f"use one of {', '.join(_METHODS)}",
        )
    return str(value)


def _read_issuer(value: Any) -> str:
    # OpenID Connect Discovery 1.0, section 3: an https URL without query and fragment. A plain
    # one on this machine is for issuers that only the local cloud can reach.
    fine = False
    if isinstance(value, str) and _ISSUER.match(value):
        parts = urlsplit(value)
        local = parts.hostname in ("localhost", "127.0.0.1")
        fine = parts.scheme == "https" or local
    if not fine:
        raise refuse(
            "bad-issuer",
            f"{_shown(value)} is not an issuer of tokens",
            "write the https URL of the tokens' `iss` claim, like https://tenant.example/",
        )
    return str(value)


def _read_service_pattern(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise refuse(
            "bad-pattern", f"{_shown(value)} names no folder", "write a folder like services/*"
        )
    steps = value.split("/")
    if value.startswith("/") or "\\" in value or ".." in steps:
        raise refuse(
            "bad-pattern",
            f"{_shown(value)} leaves the folder of the root",
            "name folders below it, like services/*",
        )
    if "**" in value or not any(step not in ("", ".") for step in steps):
        raise refuse(
            "bad-pattern",
            f"{_shown(value)} does not say which folders are services",
            "write a name or `*` for each level, like services/*",
        )
    return value


def _read_one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _read_variable(value: Any) -> str:
    # Lambda, "Using Lambda environment variables": letters first, then \w; reserved ones.
    name = str(value)
    if name.startswith(("AWS_", "LAMBDA_")) or name in ("_HANDLER", "_X_AMZN_TRACE_ID"):
        raise refuse(
            "bad-variable",
            f"'{name}' is set by Lambda itself",
            "choose a name that does not start with AWS_, LAMBDA_ or an underscore",
        )
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]+", name):
        raise refuse(
            "bad-variable",
            f"{_shown(name)} cannot be an environment variable of a function",
            "use two or more letters, digits and underscores, starting with a letter",
        )
    return name


def _schema(pattern: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


Megabytes = Annotated[int, BeforeValidator(_read_size), _schema(r"^\d+\s*(MB|GB)$", "512MB")]
Seconds = Annotated[int, BeforeValidator(_read_duration), _schema(r"^\d+\s*(s|m|h|d)$", "30s")]
Milliseconds = Annotated[
    int, BeforeValidator(_read_milliseconds), _schema(r"^\d+\s*(ms|s|m)$", "120ms")
]
Bytes = Annotated[int, BeforeValidator(_read_bytes), _schema(r"^\d+\s*(KB|MB|GB|TB)$", "5GB")]
MonthlyCount = Annotated[
    int,
    BeforeValidator(_read_monthly_count),
    _schema(r"^\d+(\.\d+)?\s*[kMG]? per (second|minute|hour|day|month)$", "3M per month"),
]
Name = Annotated[str, BeforeValidator(_read_name), _schema(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", "api")]
Issuer = Annotated[
    str, BeforeValidator(_read_issuer), _schema(r"^https?://\S+$", "https://tenant.example/")
]
ServicePattern = Annotated[
    str, BeforeValidator(_read_service_pattern), _schema(r"^[^/\\][^\\]*$", "services/*")
]
OneOrMore = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    BeforeValidator(_read_one_or_more),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        }
    ),
]
Cidr = Annotated[str, BeforeValidator(_read_cidr), _schema(r"^[0-9./]+$", "10.0.0.0/16")]
Account = Annotated[str, BeforeValidator(_read_account), _schema(r"^\d{12}$", "123456789012")]
Region = Annotated[str, BeforeValidator(_read_region), _schema(SHAPE, "eu-west-1")]
RouteKey = Annotated[str, BeforeValidator(_read_route), _schema(r"^[A-Z]+ /\S*$", "GET /users")]
VariableName = Annotated[
    str, BeforeValidator(_read_variable), _schema(r"^[A-Za-z][A-Za-z0-9_]+$", "PAGE_SIZE")
]


def parse_route(key: str) -> tuple[str, str]:
    """A route key's method and path."""
    method, path = key.split(" ", 1)
    return method, path
