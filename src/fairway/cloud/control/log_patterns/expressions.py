"""Regular expressions between percent signs: the few things that CloudWatch Logs lets them have."""

from __future__ import annotations

import re
import warnings

from fairway.cloud.control.log_patterns.invalid import refuse, refuse_characters

MOST = 2
"""Expressions in one pattern on fields. "Filter pattern syntax ...", quotas."""

_ALLOWED = re.compile(r"[A-Za-z0-9_#=@/;,:\-^$?\[\]{}|\\*+.]")


def compile_expression(text: str) -> re.Pattern[str]:
    """The expression `text`, without its percent signs. Raises PatternInvalid."""
    unknown = [character for character in text if not _ALLOWED.fullmatch(character)]
    if unknown:
        raise refuse_characters(unknown[0])
    if not text:
        raise refuse("there is no regular expression between the percent signs")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of sets in sets, which Java has
            return re.compile(text, re.ASCII)
    except re.error as error:
        raise refuse(f"%{text}% is no regular expression ({error.msg})") from error
