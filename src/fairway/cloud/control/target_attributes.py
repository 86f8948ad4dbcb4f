"""Which attributes a target group takes: those of its type of targets.

Page "Target groups for your Application Load Balancers", "Target group attributes".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

MULTI_VALUE = "lambda.multi_value_headers.enabled"
"""The attribute of groups of functions."""

_NOT_OF_FUNCTIONS = ("deregistration_delay.", "load_balancing.", "slow_start.", "stickiness.")


def find_refused(target_type: str, names: Iterable[str]) -> str | None:
    """The first attribute that a group of functions does not take, whatever its value; or None."""
    if target_type != "lambda":
        return None
    return next((name for name in names if name.startswith(_NOT_OF_FUNCTIONS)), None)


def word_refusal(name: str) -> str:
    """AWS's words for an attribute that a group does not take."""
    return f"The provided target group attribute is not supported: {name} with functions as targets"


def patch_target_attributes() -> None:
    """Attributes of other targets are no part of a group of functions.

    ministack stores whatever it is given, and shows stickiness in every group.
    """
    from ministack.services import alb

    modify, describe = alb._modify_tg_attrs, alb._describe_tg_attrs

    def modify_checked(params: Any) -> Any:
        group = alb._tgs.get(alb._p(params, "TargetGroupArn")) or {}
        refused = find_refused(str(group.get("TargetType")), _list_names(alb, params))
        if refused is not None:
            return alb._error("InvalidConfigurationRequest", word_refusal(refused))
        return modify(params)

    def describe_own(params: Any) -> Any:
        arn = alb._p(params, "TargetGroupArn")
        kind = str((alb._tgs.get(arn) or {}).get("TargetType"))
        held = alb._tg_attrs.get(arn) or []
        own = [a for a in held if find_refused(kind, [a["Key"]]) is None]
        if kind == "lambda" and not any(a["Key"] == MULTI_VALUE for a in own):
            own.append({"Key": MULTI_VALUE, "Value": "false"})
        if own != held:
            alb._tg_attrs[arn] = own
        return describe(params)

    alb._ACTION_MAP["ModifyTargetGroupAttributes"] = modify_checked
    alb._ACTION_MAP["DescribeTargetGroupAttributes"] = describe_own


def _list_names(alb: Any, params: Any) -> list[str]:
    found: list[str] = []
    while name := alb._p(params, f"Attributes.member.{len(found) + 1}.Key"):
        found.append(str(name))
    return found
