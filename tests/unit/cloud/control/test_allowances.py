"""What was allowed is kept once, by its last call, within a limit."""

from __future__ import annotations

from fairway.cloud.control.allowances import LONGEST, Allowance, Allowances


def allowed(action: str, principal: str = "arn:aws:iam::000000000000:user/u") -> Allowance:
    return Allowance(principal, action, "*")


def test_each_call_is_kept_once_and_what_is_not_called_any_more_goes() -> None:
    kept = Allowances(limit=2)
    for action in ("a:A", "a:B", "a:A", "a:C"):
        kept.note(allowed(action))
    assert [found["action"] for found in kept.describe()] == ["a:A", "a:C"]
    assert kept.describe()[0]["principal"].endswith("user/u")


def test_the_owner_needs_no_policy_and_is_left_out() -> None:
    kept = Allowances()
    kept.note(allowed("a:A", "arn:aws:iam::000000000000:root"))
    kept.note(allowed("s3:GetObject", "anonymous"))
    assert [found["principal"] for found in kept.describe()] == ["anonymous"]


def test_what_is_no_arn_by_its_length_takes_no_room() -> None:
    kept = Allowances()
    for length in (LONGEST, LONGEST + 1):
        kept.note(Allowance("u", "ssm:GetParameter", "x" * length))
    assert [len(found["resource"]) for found in kept.describe()] == [LONGEST]
