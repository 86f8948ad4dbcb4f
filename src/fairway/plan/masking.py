"""Secrets in templates: compared by their value, never shown, never written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

# Names whose plain text is taken for a secret, in properties and in variables.
_SECRET_NAME = re.compile(
    r"passw|pwd|secret|token|credential|private_?key|api_?key|access_?key|signing_?key"
    r"|encryption_?key|_key$|_dsn$|connection_?string",
    re.IGNORECASE,
)
# Names that only sound like it: they hold identifiers, which a reviewer needs to see.
_NOT_SECRET = re.compile(
    r"arns?$|_?ids?$|_name$|^KmsMasterKeyId$|^S3Key$|PARTITION_KEY$|SORT_KEY$|PUBLIC_KEY$"
    r"|^TokenKey|Validity|TokenUse|Enabled$|Expression$",
    re.IGNORECASE,
)
# Texts that are secrets wherever they stand.
_SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|\b(AKIA|ASIA)[0-9A-Z]{16}\b|://[^/\s:@]+:[^/\s@{}]+@"
)
_DYNAMIC = "{{resolve:"  # CloudFormation resolves it: the template holds no secret


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret: equal to another of the same value, and shown as `(secret)`."""

    value: Any = field(repr=False)

    def __str__(self) -> str:
        return "(secret)"


def mask_secrets(value: Any, name: str = "") -> Any:
    """The value with each secret in it wrapped; `name` is the key that it stands under.

    Lists of {Name, Value} and of {Key, Value} count as names with values.
    """
    if isinstance(value, str):
        return Secret(value) if _is_secret_text(name, value) else value
    if isinstance(value, dict):
        named = value.get("Name", value.get("Key"))
        pair = isinstance(named, str) and value.keys() <= {"Name", "Key", "Value"}
        return {
            key: mask_secrets(item, str(named) if pair and key == "Value" else key)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [mask_secrets(item, name) for item in value]
    return value


def is_secret(name: str, value: Any) -> bool:
    """Whether a plain value under this name must not be shown."""
    return isinstance(value, str) and _is_secret_text(name, value)


@lru_cache(maxsize=4096)  # templates hold the same few texts under the same names, thousandfold
def _is_secret_text(name: str, text: str) -> bool:
    if not text or _DYNAMIC in text:
        return False
    named = _SECRET_NAME.search(name) and not _NOT_SECRET.search(name)
    return bool(named or _SECRET_TEXT.search(text))
