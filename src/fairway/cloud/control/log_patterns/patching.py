"""Our patterns in the place of ministack's, wherever it filters lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairway.cloud.control.log_patterns.invalid import PatternInvalid

Match = Callable[[str], bool]

_TAKES = {
    "_filter_log_events": "filterPattern",
    "_put_subscription_filter": "filterPattern",
    "_put_metric_filter": "filterPattern",
    "_start_live_tail": "logEventFilterPattern",
}


def patch_patterns(logs: Any) -> None:
    """FilterLogEvents, subscriptions, metric filters and Live Tail. logs: ministack's module.

    ministack's pattern takes no care of case, knows no "?", lets everything through where a
    pattern begins with "{", and refuses none.
    """
    logs._compile_filter_pattern = compile_pattern
    logs._subscription_pattern_matches = match_kept
    for name, parameter in _TAKES.items():
        setattr(logs, name, _check_first(getattr(logs, name), parameter))


def compile_pattern(pattern: str) -> Match:
    """As `compiling.compile_pattern`, which a cloud needs only once somebody filters."""
    from fairway.cloud.control.log_patterns import compiling

    return compiling.compile_pattern(pattern)


def match_kept(pattern: str | None, line: str | None) -> bool:
    """Whether a filter that was made long ago takes a line; one with a wrong pattern takes none."""
    try:
        return compile_pattern(pattern or "")(line or "")
    except PatternInvalid:
        return False


def _check_first(original: Callable[..., Any], parameter: str) -> Callable[..., Any]:
    def checked(data: dict[str, Any]) -> Any:
        from ministack.core.responses import error_response_json

        try:
            compile_pattern(str(data.get(parameter) or ""))
        except PatternInvalid as error:
            return error_response_json("InvalidParameterException", str(error), 400)
        return original(data)

    return checked
