"""Findings by our own names, and which of them a file says are meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fairway.define import App
from fairway.define.definition import nearest
from fairway.diagnostics import Diagnostic

_CHECKOV_ID = re.compile(r"CKV2?_[A-Z0-9]+_\d+\Z")


@dataclass(frozen=True, slots=True)
class Rule:
    """A finding of ours: the checks of checkov that it stands for, and the way out."""

    checks: tuple[str, ...]
    hint: str


RULES: dict[str, Rule] = {
    "plain-http": Rule(
        ("CKV_AWS_2", "CKV_AWS_103", "CKV_AWS_260"),
        "give the load balancer a `certificate:` and `redirect_http: false`",
    ),
    "no-concurrency-limit": Rule(
        ("CKV_AWS_115",), "set `concurrency:` of the function; it is taken from the account's limit"
    ),
    "no-network": Rule(
        ("CKV_AWS_117",), "give the application a `network:`; functions then run in private subnets"
    ),
    # "AWS Key Management Service Pricing": 1 USD a month for each key.
    "aws-keys": Rule(
        ("CKV_AWS_27", "CKV_AWS_119", "CKV_AWS_158", "CKV_AWS_173"),
        "set `encryption: customer-key`, about 1 USD a month for each of two keys",
    ),
}


def name_finding(check: str) -> str:
    """Our name of a check; checkov's own where we have none."""
    return next((name for name, rule in RULES.items() if check in rule.checks), check)


def find_reason(app: App, check: str) -> str | None:
    """Why the file says that a finding is meant to be; None when it does not."""
    return app.accept.get(name_finding(check)) or app.accept.get(check)


def check_accepted(app: App) -> Iterator[Diagnostic]:
    """Names under `accept` that stand for nothing."""
    for name in app.accept:
        if name in RULES or _CHECKOV_ID.match(name):
            continue
        near = nearest(name, RULES)
        yield Diagnostic(
            "unknown-finding",
            f"'{name}' is not a finding that could be accepted",
            app.place("accept", name, of_key=True),
            f"did you mean '{near}'?"
            if near
            else f"use one of {', '.join(RULES)}, or checkov's id, like CKV_AWS_18",
        )
