"""Refusals by a policy, in words: who lacked what, and the link to write into fairway.yml."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fairway.cloud.notices import MissingLink

FindComponent = Callable[[str, str], str | None]
"""The Component tag of a "function" by its name, or of a "resource" by its ARN."""

_ASSUMED = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/(.+)")
_READS = re.compile(r":(?:BatchGet|ConditionCheck|Describe|Get|List|Query|Scan)")


@dataclass(frozen=True, slots=True)
class Denial:
    """One call that a policy refused. principal, resource: ARNs; action: "dynamodb:PutItem".

    purpose: what the call was for, where the cloud made it for the function.
    """

    principal: str
    action: str
    resource: str
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Worded:
    """A denial as the user reads it. link: what to write, where a link would have allowed it."""

    text: str
    link: MissingLink | None = None


def word_denial(denial: Denial, find_component: FindComponent) -> Worded | None:
    """A refusal of a function's call as a sentence that says what to write; None for others."""
    caller = _ASSUMED.fullmatch(denial.principal)
    if caller is None:
        return None
    function = caller.group(3)
    component = find_component("function", function) or function
    purpose = f", needed {denial.purpose}" if denial.purpose else ""
    refused = f"{component} was denied {denial.action} on {denial.resource}{purpose}"
    target = find_component("resource", denial.resource)
    access = suggest_access(denial.action)
    if target is None or access is None:
        return Worded(f"{refused}: its role does not allow it.")
    return Worded(
        f"{refused}: component {component} lacks access to component {target}; "
        f"add `{target}: {access}` to the `uses` of {component} in fairway.yml.",
        MissingLink(component, target, access),
    )


def suggest_access(action: str) -> str | None:
    """The access of a link that grants this action, as docs/reference/links.md names it.

    None for an action that no link grants.
    """
    service = action.partition(":")[0]
    if service == "kms":
        return None  # a link gives the use of the key along with what it encrypts
    if service == "lambda":
        return "invoke"
    if service in ("dynamodb", "s3"):
        return "read" if _READS.search(action) else "read-write"
    if service in ("sqs", "sns"):
        return "send" if action in ("sqs:SendMessage", "sns:Publish") else None
    return "read-write"


def find_component_tag(kind: str, name: str) -> str | None:
    """The Component tag of a function by name, or of a resource by ARN."""
    from ministack.services import lambda_svc, tagging

    if kind == "function":
        record = lambda_svc._functions.get(name) or {}
        tags = record.get("tags") or {}
    else:
        arn = re.sub(r"(:table/[^/]+)/.*", r"\1", name)
        arn = re.sub(r"(:s3:::[^/]+)/.*", r"\1", arn)
        tags = tagging.resource_tags(arn) or {}
    found = tags.get("Component")
    return str(found) if found else None
