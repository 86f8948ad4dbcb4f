"""What a template's values are called in a review: `Entries`, not an intrinsic of three lines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from fairway.compile.draft import to_logical
from fairway.plan.compare import find_component
from fairway.plan.model import Plan, StackPlan

_PSEUDO = {"AWS::AccountId": "ACCOUNT", "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
_HANDED_ON = re.compile(r"(Arn|Name|Id)$")
# A name that stands for itself or for what is below it, at the start or after these words.
_LEADING = re.compile(r"(?:^|(?<=, )|(?<=all but )|(?<=is ))[A-Z]\w*(?=$|/|, | and )")
_OWN_ACCOUNT = re.compile(r"arn:aws[a-z-]*:iam::(ACCOUNT|\d{12}):root")


def name_value(value: Any) -> str:
    """The name of what a value stands for: a resource, a parameter's origin, a short ARN."""
    if isinstance(value, str):
        return _shorten(value)
    if isinstance(value, list):
        return ", ".join(name_value(item) for item in value)
    match value:
        case {"Ref": str(name), **rest} if not rest:
            return _PSEUDO.get(name, _HANDED_ON.sub("", name))
        case {"Fn::GetAtt": [str(name), *_], **rest} if not rest:
            return name
        case {"Fn::GetAtt": str(name), **rest} if not rest:
            return name.split(".", 1)[0]
        case {"Fn::Sub": str(text), **rest} if not rest:
            return _shorten(_fill_text(text, {}))
        case {"Fn::Sub": [str(text), dict(values)], **rest} if not rest:
            return _shorten(_fill_text(text, values))
        case {"Fn::Join": [str(separator), list(items)], **rest} if not rest:
            return separator.join(name_value(item) for item in items)
        case _:
            return json.dumps(value, sort_keys=True, default=str)


def name_principal(principal: str) -> str:
    """Whom a principal means, in a word."""
    if principal == "*":
        return "anyone"
    return "this account" if _OWN_ACCOUNT.fullmatch(principal) else principal


def list_components(stack: StackPlan) -> dict[str, str]:
    """Logical id to component, for what is there and for what will be."""
    there = stack.observed.template.get("Resources", {}) if stack.observed else {}
    found = {name: find_component(body) or name for name, body in there.items()}
    if stack.template:
        found |= {logical_id: o.component for logical_id, o in stack.template.origins.items()}
    return found


def find_own_names(plan: Plan) -> dict[str, str]:
    """Logical ids that are components themselves, to the names that the file gives those."""
    components = {name for stack in plan.stacks for name in list_components(stack).values()}
    return {to_logical(name): name for name in components}


def say_own_names(text: str, names: Mapping[str, str]) -> str:
    """A resource or condition as a component's user knows it: `orders/*` for `Orders/*`."""
    return _LEADING.sub(lambda match: names.get(match[0], match[0]), text)


def name_role(logical_id: str, component: str) -> str:
    """A component's own role goes by the component's name, any other by its own."""
    return component if logical_id == f"{to_logical(component)}Role" else logical_id


def _fill_text(text: str, values: Mapping[str, Any]) -> str:
    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name in values:
            return name_value(values[name])
        return _PSEUDO.get(name, "REGION" if name == "AWS::Region" else name.split(".")[0])

    return re.sub(r"\$\{([^}!]+)\}", fill, text)


def _shorten(text: str) -> str:
    """An ARN without its partition, region and account, which a reviewer knows."""
    parts = text.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or _OWN_ACCOUNT.fullmatch(text):
        return text.replace("REGION.", "")
    service, rest = parts[2], parts[5]
    return f"{service}:{rest}" if rest == "*" else rest
