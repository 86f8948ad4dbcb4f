"""What each case of the conformance suite says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

Outcome = Literal["exact", "partial", "recorded", "refused"]
OUTCOMES: dict[Outcome, str] = {
    "exact": "as on AWS",
    "partial": "works, with the difference that is named",
    "recorded": "kept and shown by the API, without effect here",
    "refused": "not supported here, and refused in plain words",
}


@dataclass(frozen=True, slots=True)
class Case:
    """service: the part of AWS. page: the title of its page. claim: what that page holds us to."""

    service: str
    page: str
    claim: str
    outcome: Outcome
    difference: str


def holds(
    service: str, page: str, claim: str, outcome: Outcome = "exact", difference: str = ""
) -> Any:
    """Mark a test as a case of the suite; also for the `marks` of pytest.param.

    A partial case must name its difference.
    """
    if (outcome == "partial") != bool(difference):
        raise ValueError(f"{claim}: a difference belongs to a partial outcome")
    return pytest.mark.conformance(Case(service, page, claim, outcome, difference))


def read_case(item: pytest.Item) -> Case | None:
    """The case that a test is, or None."""
    marker = item.get_closest_marker("conformance")
    return marker.args[0] if marker else None
