"""Whose credentials are at hand already: a role's sessions, by their ARNs."""

from __future__ import annotations

import pytest

from fairway.aws.roles import is_role

ROLE = "arn:aws:iam::111111111111:role/team/deployer"


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        ("arn:aws:sts::111111111111:assumed-role/deployer/ci", True),
        ("arn:aws:sts::222222222222:assumed-role/deployer/ci", False),
        ("arn:aws:sts::111111111111:assumed-role/deployer-2/ci", False),
        ("arn:aws:sts::111111111111:federated-user/deployer/ci", False),
        ("arn:aws:iam::111111111111:user/deployer", False),
        ("arn:aws:iam::111111111111:root", False),
        ("nobody", False),
    ],
)
def test_a_session_of_the_role_is_known(caller: str, expected: bool) -> None:
    assert is_role(caller, ROLE) is expected
