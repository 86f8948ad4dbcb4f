"""What is remembered about requests never allows what the evaluator denies."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from fairway.cloud.control.allowances import Allowance
from fairway.cloud.control.decisions import Decisions, has_conditions
from fairway.cloud.control.denials import Denial
from fairway.cloud.control.identity import check_keys, remember_allowed

ACCOUNT = "000000000000"
REGION = "eu-west-1"
QUEUES = [f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}" for name in ("jobs", "sealed")]
TABLES = [f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}" for name in ("notes", "other")]
CALLS = [
    *(("dynamodb", f"dynamodb:{call}", on) for call in ("GetItem", "PutItem") for on in TABLES),
    *(("sqs", f"sqs:{call}", on) for call in ("SendMessage", "ReceiveMessage") for on in QUEUES),
]
KEY_ID = "ASIADECISIONSTEST000"


class Evaluator:
    """ministack's evaluator as it stands behind a request whose signature was checked."""

    def __init__(self, real: Any) -> None:
        self._real = real
        pinned = SimpleNamespace(access_key_id=KEY_ID, s3_scoped=False)
        self._signed_request = SimpleNamespace(get=lambda: pinned)
        self.checked = 0

    def authenticate(self, access_key_id: str, account: str) -> Any:
        """The signature is right; counts how often only that was looked at."""
        self.checked += 1
        return SimpleNamespace(access_key_id=access_key_id, account=account)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class World:
    """A role with a session, two queues, one of them under a key, and two tables."""

    def __init__(self, seed: int) -> None:
        from ministack.core import iam_evaluator
        from ministack.services import iam, kms, sqs, sts

        self.random = random.Random(seed)
        self.real, self.iam, self.kms, self.sqs, self.sts = iam_evaluator, iam, kms, sqs, sts
        self.evaluator = Evaluator(iam_evaluator)
        self.slow = check_keys(iam_evaluator, iam_evaluator.enforce, self._ignore)
        self.told: list[Allowance] = []
        self.fast = remember_allowed(self.evaluator, self.slow, self.told.append)
        self.attached = f"arn:aws:iam::{ACCOUNT}:policy/decisions-{seed}"

    @staticmethod
    def _ignore(denial: Denial) -> None:
        pass

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        from ministack.core.responses import request_scope

        with request_scope(ACCOUNT, REGION):
            self.sts._sessions[KEY_ID] = {
                "AccountId": ACCOUNT,
                "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/decider/f",
                "PrincipalType": "AssumedRole",
                "SecretAccessKey": "s",
                "SessionToken": "t",
                "UserId": "AROA:f",
            }
            made = json.loads(self.kms._create_key({})[2])
            self.key = made["KeyMetadata"]["KeyId"]
            urls = [self.sqs._queue_url(arn.rsplit(":", 1)[-1]) for arn in QUEUES]
            for url, arn in zip(urls, QUEUES, strict=True):
                self.sqs._queues[url] = {"attributes": {"QueueArn": arn}, "messages": []}
                self.sqs._queue_name_to_url[arn.rsplit(":", 1)[-1]] = url
            self.queues = [self.sqs._queues[url] for url in urls]
            self.queues[1]["attributes"]["KmsMasterKeyId"] = made["KeyMetadata"]["Arn"]
            self.iam._roles["decider"] = self.role = {"InlinePolicies": {}, "AttachedPolicies": []}
            try:
                yield
            finally:
                for url, arn in zip(urls, QUEUES, strict=True):
                    del self.sqs._queues[url], self.sqs._queue_name_to_url[arn.rsplit(":", 1)[-1]]
                del self.iam._roles["decider"], self.sts._sessions[KEY_ID], self.kms._keys[self.key]
                self.iam._policies.pop(self.attached, None)

    # --- random policies ---------------------------------------------------------

    def make_statement(self, **more: Any) -> dict[str, Any]:
        pick = self.random.choice
        found: dict[str, Any] = {
            "Effect": pick(["Allow", "Allow", "Allow", "Deny"]),
            pick(["Action", "Action", "NotAction"]): pick(
                ["*", "sqs:*", "dynamodb:Get*", "sqs:SendMessage", ["kms:*", "dynamodb:*"]]
            ),
            pick(["Resource", "Resource", "Resource", "NotResource"]): pick(
                ["*", QUEUES[0], QUEUES[1], TABLES[0], [TABLES[1], f"arn:aws:kms:*:{ACCOUNT}:*"]]
            ),
            **more,
        }
        if self.random.random() < 0.3:
            found["Condition"] = pick(
                [
                    {"StringEquals": {"dynamodb:LeadingKeys": "mine"}},
                    {"StringEquals": {"dynamodb:LeadingKeys": "other"}},
                    {"Bool": {"aws:SecureTransport": "true"}},
                    {"StringLike": {"kms:ViaService": "sqs.*"}},
                    {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}},
                ]
            )
        return found

    def make_policy(self, **more: Any) -> str:
        statements = [self.make_statement(**more) for _ in range(self.random.randint(1, 3))]
        return json.dumps({"Version": "2012-10-17", "Statement": statements})

    def change(self) -> None:
        """Change one thing that a decision follows from."""
        pick = self.random.choice
        principal = pick([{"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:role/decider"}])
        match self.random.randrange(7):
            case 0 | 1 | 2:
                self.role["InlinePolicies"][pick("ab")] = self.make_policy()
            case 3:
                self.role["InlinePolicies"].pop(pick("ab"), None)
            case 4:
                pick(self.queues)["attributes"]["Policy"] = self.make_policy(Principal=principal)
            case 5:
                key = self.kms._keys[self.key]
                key["Policy"] = self.make_policy(Principal=principal)
                key["KeyState"] = pick(["Enabled", "Enabled", "Disabled"])
            case _:
                document = self.make_policy()
                versions = {"v1": {"Document": document}}
                self.iam._policies[self.attached] = {"Versions": versions, "DefaultVersionId": "v1"}
                self.role["AttachedPolicies"] = pick([[], [self.attached]])

    def compare(self) -> bool:
        """One random request, both ways; whether it was allowed."""
        service, action, on = self.random.choice(CALLS)
        leading = self.random.choice(["mine", "other"])
        context = {"dynamodb:LeadingKeys": leading} if service == "dynamodb" else None
        asked = (KEY_ID, action, service, REGION, on, context)
        slow, fast = self.slow(*asked), self.fast(*asked)
        assert type(fast) is type(slow), (action, on, self.role)
        return slow is None


@pytest.mark.parametrize("seed", range(20))
def test_what_is_remembered_decides_as_the_evaluator_does(seed: int) -> None:
    world = World(seed)
    with world.open():
        allowed = 0
        for _ in range(60):
            world.change()
            allowed += sum(world.compare() for _ in range(12))
        assert allowed > 0
        assert world.evaluator.checked > 0, "nothing was ever remembered"


def test_what_is_remembered_is_told_each_time_with_its_key() -> None:
    world = World(0)
    with world.open():
        policy = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        world.role["InlinePolicies"]["a"] = json.dumps(policy)
        asked = (KEY_ID, "sqs:SendMessage", "sqs", REGION, QUEUES[1])
        assert [world.fast(*asked) for _ in range(3)] == [None] * 3
        assert world.evaluator.checked == 2
        caller = f"arn:aws:sts::{ACCOUNT}:assumed-role/decider/f"
        key = world.queues[1]["attributes"]["KmsMasterKeyId"]
        each = [
            Allowance(caller, "sqs:SendMessage", QUEUES[1]),
            Allowance(caller, "kms:Decrypt", key),
            Allowance(caller, "kms:GenerateDataKey", key),
        ]
        assert sorted(world.told, key=repr) == sorted(each * 2, key=repr)


def test_a_changed_policy_is_another_question() -> None:
    world = World(0)
    with world.open():
        policy = {"Statement": {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}}
        world.role["InlinePolicies"]["a"] = json.dumps(policy)
        asked = (KEY_ID, "sqs:SendMessage", "sqs", REGION, QUEUES[0])
        assert [world.fast(*asked) for _ in range(2)] == [None, None]
        assert world.evaluator.checked == 1
        policy["Statement"]["Effect"] = "Deny"
        world.role["InlinePolicies"]["a"] = json.dumps(policy)
        assert world.fast(*asked).decision == "Deny"
        assert world.evaluator.checked == 1


@pytest.mark.parametrize(
    "session",
    [{"PrincipalType": "User"}, {"SessionPolicies": {"Policy": "{}"}}],
    ids=["user", "narrowed"],
)
def test_there_is_no_question_about_other_callers(session: dict[str, Any]) -> None:
    world = World(0)
    with world.open():
        world.role["InlinePolicies"]["a"] = '{"Statement": []}'
        decisions = Decisions(world.real)
        asked = (KEY_ID, "sqs:SendMessage", "sqs", QUEUES[0])
        assert decisions.ask(*asked) is not None
        world.sts._sessions[KEY_ID].update(session)
        assert decisions.ask(*asked) is None


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"Principal": "*", "Condition": {"Bool": {}}}, True),
        ({"Principal": {"Service": "logs.amazonaws.com"}, "Condition": {"Bool": {}}}, False),
        ({"Principal": {"Service": "x", "AWS": "*"}, "Condition": {"Bool": {}}}, True),
        ({"Principal": "*"}, False),
        ("no statement", True),
    ],
)
def test_conditions_on_services_do_not_matter(statement: Any, expected: bool) -> None:
    assert has_conditions(json.dumps({"Statement": [statement]})) is expected


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_what_cannot_be_read_may_depend_on_anything(text: str) -> None:
    assert has_conditions(text) is True
