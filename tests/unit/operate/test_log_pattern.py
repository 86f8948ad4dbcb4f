"""A pattern that CloudWatch Logs refuses is told with what to write."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fairway.errors import FairwayError
from fairway.operate.logs import LogQuery, LogSource, read_lines


class Invalid(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": "InvalidParameterException", "Message": message}}


class Missing(Exception):
    pass


class RefusingLogs:
    """Logs that refuse each pattern, as the API does."""

    exceptions = SimpleNamespace(
        ResourceNotFoundException=Missing, InvalidParameterException=Invalid
    )

    def __init__(self, message: str) -> None:
        self._message = message

    def get_paginator(self, operation: str) -> Any:
        assert operation == "filter_log_events"
        return self

    def paginate(self, **arguments: Any) -> Any:
        raise Invalid(self._message)


def refuse(message: str, pattern: str) -> FairwayError:
    aws: Any = SimpleNamespace(logs=RefusingLogs(message))
    with pytest.raises(FairwayError) as refused:
        read_lines(LogQuery([LogSource("api", "/api", aws)], 0, pattern))
    return refused.value


def test_characters_that_need_quotes() -> None:
    error = refuse("Invalid character(s) in term ':'", "Status:")
    assert error.summary == (
        "'Status:' is no pattern to filter logs with: Invalid character(s) in term ':'"
    )
    assert error.hint is not None
    assert error.hint.endswith("""in double quotes: '"Status:"'""")


def test_another_wrong_pattern_is_told_with_examples() -> None:
    error = refuse("Invalid filter pattern", "{ $.level }")
    assert error.hint is not None
    assert """'{ $.level = "ERROR" }'""" in error.hint


def test_without_a_pattern_it_is_no_matter_of_patterns() -> None:
    aws: Any = SimpleNamespace(logs=RefusingLogs("startTime"))
    with pytest.raises(Invalid):
        read_lines(LogQuery([LogSource("api", "/api", aws)], 0))
