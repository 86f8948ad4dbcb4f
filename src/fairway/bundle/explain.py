"""What uv said when it failed, in one sentence with a way out."""

from __future__ import annotations

import re

from fairway.bundle.artifact import Platform
from fairway.bundle.requirements import Requirements
from fairway.errors import BundleFailed

_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*?)"
_NO_WHEEL = tuple(
    re.compile(pattern)
    for pattern in (
        rf"Wheels are required for `{_NAME}`",
        rf"attempted to build `{_NAME}(?:==[^`]*)?`",
        rf"all versions of {_NAME} have no (?:usable )?wheels",
        rf"only the following versions of {_NAME} are available",
        rf"\b{_NAME}(?:[=<>!~,]+\S+)? has no (?:usable )?wheels",
        rf"`{_NAME}(?:==[^`]*)?` (?:can't be installed|has no)",
    )
)
_NETWORK = re.compile(
    r"Failed to fetch|error sending request|client error|dns error|timed? ?out|"
    r"onnection refused|network connectivity|Could not connect|Request failed",
    re.IGNORECASE,
)
_LONGEST = 300


def explain_failure(errors: str, requirements: Requirements, platform: Platform) -> BundleFailed:
    """Turn uv's standard error into the error that the user sees."""
    text = hide_credentials(errors)
    one_line = re.sub(r"\s+", " ", text)
    target = f"Python {platform.version} on Linux {platform.architecture}"
    if re.search(r"no (usable )?wheels|source distributions is disabled|can't be installed", text):
        return _explain_no_wheel(one_line, text, requirements, target)
    if _NETWORK.search(one_line):
        return BundleFailed(
            f"the packages of {requirements.file} could not be downloaded: {_last_cause(text)}",
            hint="check the network and the index that uv is configured for, and run again",
            detail=text.strip(),
        )
    missing = re.search(rf"{_NAME} was not found in the package registry", one_line)
    if missing:
        return BundleFailed(
            f"{_place(requirements, missing['name'])}there is no package {missing['name']}",
            hint="correct its name, or configure uv for the index that has it",
            detail=text.strip(),
        )
    mismatch = re.search(r"Hash mismatch for `(?P<what>[^`]+)`", one_line)
    if mismatch:
        name = re.split(r"[=<>@ ]", mismatch["what"])[0]
        return BundleFailed(
            f"{_place(requirements, name)}{mismatch['what']} is not the file that its hash names",
            hint="lock again if the package was published anew; if it was not, distrust the index",
            detail=text.strip(),
        )
    return BundleFailed(
        f"the requirements of {requirements.file} cannot be met for {target}: {_reason(text)}",
        hint="loosen or correct the requirement that is named",
        detail=text.strip(),
    )


def hide_credentials(text: str) -> str:
    """Remove user names and passwords from the addresses in a text."""
    return re.sub(r"://[^/\s@`]+@", "://", text)


def _explain_no_wheel(
    one_line: str, text: str, requirements: Requirements, target: str
) -> BundleFailed:
    found = next(filter(None, (pattern.search(one_line) for pattern in _NO_WHEEL)), None)
    name = found["name"] if found else "a package"
    return BundleFailed(
        f"{_place(requirements, name)}{name} has no wheel for {target}",
        hint="ask for a version that has one, choose the other `architecture` or another `runtime`,"
        " or build a wheel on such a machine and name its path in a requirements.txt",
        detail=text.strip(),
    )


def _place(requirements: Requirements, package: str) -> str:
    return f"{requirements.find_place(package) or requirements.file}: "


def _reason(text: str) -> str:
    """Take uv's own explanation, without its conclusion and its advice."""
    causes = re.findall(
        r"^\s*(?:cause|Caused by|[╰├]─▶):?\s*(.*(?:\n(?!\S|\s*cause:).+)*)", text, re.M
    )
    if causes:
        reason = re.sub(r"\s+", " ", causes[0]).strip()
    else:
        rows = [row.strip() for row in text.splitlines() if row.strip()]
        named = [row for row in rows if row.startswith("error")]
        reason = (named or rows or ["uv gave no reason"])[0].removeprefix("error:").strip()
    reason = re.sub(r",? we can conclude that .*", "", reason).removeprefix("Because ")
    return reason if len(reason) <= _LONGEST else reason[:_LONGEST].rstrip() + "..."


def _last_cause(text: str) -> str:
    causes = re.findall(r"^\s*(?:cause|Caused by|[╰├]─▶):?\s*(.+)$", text, re.MULTILINE)
    return causes[-1].strip().lower() if causes else _reason(text)
