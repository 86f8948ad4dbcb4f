"""What was allowed is kept once, in order, within a limit."""

from __future__ import annotations

from fairway.cloud.control.allowances import Allowance, Allowances


def allowed(action: str, principal: str = "arn:aws:iam::000000000000:user/u") -> Allowance:
    return Allowance(principal, action, "*")


def test_each_call_is_kept_once_and_the_oldest_go() -> None:
    kept = Allowances(limit=2)
    for action in ("a:A", "a:B", "a:A", "a:C"):
        kept.note(allowed(action))
    assert [found["action"] for found in kept.describe()] == ["a:B", "a:C"]
    assert kept.describe()[0]["principal"].endswith("user/u")


def test_the_owner_needs_no_policy_and_is_left_out() -> None:
    kept = Allowances()
    kept.note(allowed("a:A", "arn:aws:iam::000000000000:root"))
    kept.note(allowed("s3:GetObject", "anonymous"))
    assert [found["principal"] for found in kept.describe()] == ["anonymous"]
