"""Refusals by a policy, in words: who lacked what, and the link to write into fairway.yml."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from fairway.cloud.notices import LIMIT, MissingLink, Notices

FindComponent = Callable[[str, str], str | None]
"""The Component tag of a "function" by its name, or of a "resource" by its ARN.

Of the resource "named" by an ARN that nothing has: whose component the name ends with.
"""

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
    """A denial as the user reads it. link: what to write, where a link would have allowed it.

    is_known: whether the resource is of a component; otherwise no policy will ever allow it.
    """

    text: str
    link: MissingLink | None = None
    is_known: bool = True


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
    if target is None:
        named = find_component("named", denial.resource)
        return _word_other_name(refused, component, named, access)
    if access is None:
        return Worded(f"{refused}: its role does not allow it, and no link would.")
    return Worded(
        f"{refused}: component {component} lacks access to component {target}; "
        f"add `{target}: {access}` to the `uses` of {component} in fairway.yml.",
        MissingLink(component, target, access),
    )


def _word_other_name(refused: str, component: str, named: str | None, access: str | None) -> Worded:
    """Nothing that a component made has this ARN. named: the component that may be meant."""
    if named is None or access is None:
        return Worded(
            f"{refused}: its role does not allow it. That is no component of the application, "
            "so nothing under `uses` would allow it.",
            is_known=False,
        )
    return Worded(
        f"{refused}: component {named} is deployed under another name, and component {component} "
        f"lacks access to it; add `{named}: {access}` to the `uses` of {component} in fairway.yml, "
        "which also gives the name as an environment variable.",
        MissingLink(component, named, access),
        is_known=False,
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
    """Implements `FindComponent`."""
    from ministack.services import lambda_svc, tagging

    if kind == "named":
        return _find_namesake(name)
    if kind == "function":
        record = lambda_svc._functions.get(name) or {}
        tags = record.get("tags") or {}
    else:
        arn = re.sub(r"(:table/[^/]+)/.*", r"\1", name)
        arn = re.sub(r"(:s3:::[^/]+)/.*", r"\1", arn)
        tags = tagging.resource_tags(arn) or {}
    found = tags.get("Component")
    return str(found) if found else None


def _find_namesake(arn: str) -> str | None:
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return None
    name = re.sub(r"^(?:table|function)[/:]", "", parts[5]).partition("/")[0]
    known = {c for c in (find_tag(tags) for _, tags in list_tagged(parts[2])) if c}
    return next((c for c in sorted(known, key=len, reverse=True) if _ends_with(name, c)), None)


def _ends_with(name: str, component: str) -> bool:
    return name == component or name.endswith((f"-{component}", f"_{component}"))


def list_tagged(service: str) -> list[tuple[str, list[dict[str, str]]]]:
    """The ARNs of a service's resources with their tags, as far as it keeps tags."""
    from ministack.services import tagging

    collect = tagging._RESOURCE_TAG_COLLECTORS.get(service)
    return list(collect()) if collect else []


def find_tag(tags: list[dict[str, str]]) -> str | None:
    """The component that a resource's tags name."""
    return next((tag["Value"] for tag in tags if tag["Key"] == "Component"), None)


class Denials:
    """Tells of denials, each until it is mended: the call was allowed, or now would be.

    watch: asked when a call is denied; gives whether it would be denied still. find_revision:
    what changes with a function's code and settings, by the principal; a mended name in the
    code is no change of a policy.
    """

    def __init__(
        self,
        notices: Notices,
        find_component: FindComponent,
        watch: Callable[[Denial], Callable[[], bool]],
        find_revision: Callable[[str], str | None],
    ) -> None:
        self._notices = notices
        self._find_component = find_component
        self._watch = watch
        self._find_revision = find_revision
        self._told: dict[tuple[str, str, str], str] = {}

    def tell(self, denial: Denial) -> None:
        """A function lacks a permission: say what to write into fairway.yml."""
        worded = word_denial(denial, self._find_component)
        if worded is None:
            return
        if len(self._told) >= LIMIT:
            self._told.clear()
        self._told[(denial.principal, denial.action, denial.resource)] = worded.text
        is_denied, revision = self._watch(denial), self._find_revision(denial.principal)

        def holds() -> bool:
            is_same = worded.is_known or self._find_revision(denial.principal) == revision
            return is_same and is_denied()

        self._notices.add_fault(worded.text, holds, worded.link)

    def note_allowed(self, principal: str, action: str, resource: str) -> None:
        """A call was allowed; called for each, so it must cost next to nothing."""
        if self._told:
            text = self._told.pop((principal, action, resource), None)
            if text is not None:
                self._notices.forget(text)


def find_caller(principal: str) -> tuple[str, str] | None:
    """The role (ARN) and the function's name of a principal; None for others than functions."""
    caller = _ASSUMED.fullmatch(principal)
    if caller is None:
        return None
    return f"arn:aws:iam::{caller.group(1)}:role/{caller.group(2)}", caller.group(3)
