"""Secrets: a change is seen, a value is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.plan.reviewing import make_plan, resource

from fairway.cli.render.human import show_value
from fairway.cli.render.markdown import write_plan
from fairway.plan import Action
from fairway.plan.describe import describe_plan
from fairway.plan.masking import Secret, is_secret, mask_secrets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MasterUserPassword", "hunter2"),
        ("STRIPE_KEY", "sk_live_1"),
        ("AuthToken", "x"),
        ("ClientSecret", "x"),
        ("DATABASE_URL", "postgres://shop:hunter2@db/shop"),
        ("ANYTHING", "AKIAABCDEFGHIJKLMNOP"),
        ("ANYTHING", "-----BEGIN RSA PRIVATE KEY-----"),
        ("REDIS_DSN", "x"),
    ],
)
def test_secrets(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KmsMasterKeyId", "alias/x"),
        ("S3Key", "artifacts/a.zip"),
        ("DB_SECRET_ARN", "arn:aws:secretsmanager:x"),
        ("MasterUserPassword", "{{resolve:secretsmanager:s:SecretString:password}}"),
        ("MasterUserPassword", {"Ref": "Password"}),
        ("PAGE_SIZE", "50"),
        ("SITE_URL", "https://shop.example/a@b"),
        ("PARTITION_KEY", "id"),
    ],
)
def test_what_a_reviewer_needs_to_see(name: str, value: Any) -> None:
    assert not is_secret(name, value)
    assert mask_secrets({name: value}) == {name: value}


def test_names_beside_values_count() -> None:
    value = [{"Name": "API_TOKEN", "Value": "x"}, {"Key": "Owner", "Value": "x"}]
    assert mask_secrets(value) == [
        {"Name": "API_TOKEN", "Value": Secret("x")},
        {"Key": "Owner", "Value": "x"},
    ]


def function(value: str) -> dict[str, Any]:
    return {"F": resource("Lambda::Function", Environment={"Variables": {"STRIPE_KEY": value}})}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (function("old-1"), function("new-2")),
        ({"F": resource("Lambda::Function")}, function("new-2")),
        (function("old-1"), {"F": resource("Lambda::Function")}),
    ],
)
def test_no_output_shows_a_secret(before: dict[str, Any], after: dict[str, Any]) -> None:
    plan = make_plan(before, after)
    ((_, change),) = plan.changes()
    assert change.action is Action.UPDATE
    shown = [show_value(v) for p in change.properties for v in (p.before, p.after)]
    texts = [
        *shown,
        write_plan(plan),
        json.dumps(describe_plan(plan)),
        repr(plan.stacks[0].changes),
    ]
    assert [t for t in texts if "old-1" in t or "new-2" in t] == []
    assert "(secret)" in write_plan(plan)


def test_the_same_secret_is_no_change() -> None:
    ((_, change),) = make_plan(function("a"), function("a")).changes()
    assert change.action is Action.NONE
