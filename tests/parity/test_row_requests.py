"""The short way for rows of a table: the same answers as ministack's own, whatever is asked.

A header that changes nothing but makes a request unusual takes the long way.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.parity.conftest import REGION, Cloud

pytestmark = pytest.mark.slow

VARYING = {"date", "x-amzn-requestid"}
KEY = {"id": {"S": "a"}}
LONG_WAY = {"x-forwarded-proto": "http"}


@dataclass
class Rows:
    """A table, and signed requests to it in either way."""

    cloud: Cloud
    table: str

    def ask(self, operation: str, body: bytes, **changes: Any) -> list[tuple[Any, ...]]:
        """What both ways answer: status, headers, body."""
        return [self._send(operation, body, extra, **changes) for extra in ({}, LONG_WAY)]

    def _send(
        self,
        operation: str,
        body: bytes,
        extra: dict[str, str],
        *,
        key: str | None = None,
        secret: str | None = None,
        token: str | None = None,
        signed: bool = True,
    ) -> tuple[Any, ...]:
        info = self.cloud.info
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        }
        request = AWSRequest("POST", info.endpoint + "/", headers=headers, data=body)
        if signed:
            credentials = Credentials(key or info.access_key, secret or info.secret_key, token)
            SigV4Auth(credentials, "dynamodb", REGION).add_auth(request)
        answer = urllib3.request(
            "POST", request.url, body=body, headers={**dict(request.headers.items()), **extra}
        )
        found = {name.lower(): value for name, value in answer.headers.items()}
        assert set(found) >= VARYING or answer.status >= 400
        own = found.get("x-amzn-requestid", "no id").encode()
        kept = {name: value for name, value in found.items() if name not in VARYING}
        return answer.status, kept, answer.data.replace(own, b"")


@pytest.fixture(scope="module")
def rows(cloud: Cloud) -> Rows:
    name = f"rows-{uuid.uuid4().hex[:8]}"
    cloud.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "kind", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "kinds",
                "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    return Rows(cloud, name)


def describe(**document: Any) -> Callable[[str], bytes]:
    return lambda table: json.dumps({"TableName": table, **document}).encode()


REQUESTS: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "put": ("PutItem", describe(Item={**KEY, "kind": {"S": "é"}}, ReturnValues="ALL_OLD")),
    "get": ("GetItem", describe(Key=KEY, ConsistentRead=True)),
    "get-nothing": ("GetItem", describe(Key={"id": {"S": "nobody"}})),
    "update": (
        "UpdateItem",
        describe(
            Key=KEY,
            UpdateExpression="SET kind = :k",
            ExpressionAttributeValues={":k": {"S": "b"}},
            ReturnValues="ALL_NEW",
        ),
    ),
    "query-index": (
        "Query",
        describe(
            IndexName="kinds",
            KeyConditionExpression="kind = :k",
            ExpressionAttributeValues={":k": {"S": "b"}},
        ),
    ),
    "scan": ("Scan", describe(Limit=1)),
    "condition": (
        "PutItem",
        describe(Item=KEY, ConditionExpression="attribute_not_exists(id)"),
    ),
    "unknown-key": ("GetItem", describe(Key={"other": {"S": "a"}})),
    "unknown-index": (
        "Query",
        describe(
            IndexName="none",
            KeyConditionExpression="kind = :k",
            ExpressionAttributeValues={":k": {"S": "b"}},
        ),
    ),
    "delete-nothing": ("DeleteItem", describe(Key={"id": {"S": "nobody"}})),
    "unknown-table": ("GetItem", lambda table: b'{"TableName": "none", "Key": {}}'),
    "no-table": ("GetItem", lambda table: b"{}"),
    "no-body": ("Scan", lambda table: b""),
    "not-json": ("PutItem", lambda table: b"{"),
    "not-an-object": ("PutItem", lambda table: b"[]"),
    "batch-in-disguise": ("GetItem", lambda table: b'{"RequestItems": {"none": {}}}'),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_both_ways_answer_alike(rows: Rows, name: str) -> None:
    operation, write = REQUESTS[name]
    rows.ask("PutItem", REQUESTS["put"][1](rows.table))
    rows.ask("UpdateItem", REQUESTS["update"][1](rows.table))
    before = rows.cloud.client("dynamodb").scan(TableName=rows.table)["Items"]
    short, long = rows.ask(operation, write(rows.table))
    if operation == "PutItem" and short[0] == 200:  # the second finds what the first has put
        assert (short[0], short[1].keys()) == (long[0], long[1].keys())
        assert json.loads(short[2])["Attributes"] == before[0]
    else:
        assert short == long


@pytest.mark.parametrize(
    "changes",
    [{"signed": False}, {"secret": "x" * 40}, {"key": "AKIAIOSFODNN7EXAMPLE"}, {"token": "none"}],
    ids=["unsigned", "wrong-secret", "unknown-key", "wrong-token"],
)
def test_both_ways_refuse_alike(rows: Rows, changes: dict[str, Any]) -> None:
    body = describe(Item={"id": {"S": "intruder"}})(rows.table)
    short, long = rows.ask("PutItem", body, **changes)
    assert short == long
    assert short[0] in (400, 403)
    found = rows.cloud.client("dynamodb").get_item(
        TableName=rows.table, Key={"id": {"S": "intruder"}}
    )
    assert "Item" not in found


def test_both_ways_deny_a_role_alike(rows: Rows) -> None:
    iam, sts = rows.cloud.client("iam"), rows.cloud.client("sts")
    name = f"reader-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    arn = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}
    iam.put_role_policy(
        RoleName=name,
        PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}),
    )
    session = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    given = {
        "key": session["AccessKeyId"],
        "secret": session["SecretAccessKey"],
        "token": session["SessionToken"],
    }
    allowed, same = rows.ask("GetItem", describe(Key=KEY)(rows.table), **given)
    assert allowed == same
    assert allowed[0] == 200
    document = {"Action": "dynamodb:GetItem", "Effect": "Allow", "Resource": "*:table/mine*"}
    iam.put_role_policy(
        RoleName=name,
        PolicyName="read",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [document]}),
    )
    backup = f"arn:aws:dynamodb:{REGION}:{rows.cloud.info.account}:table/mine/backup/01"
    decoy, too = rows.ask("GetItem", describe(Key=KEY, BackupArn=backup)(rows.table), **given)
    assert decoy == too
    assert b"not authorized to perform: dynamodb:GetItem" in decoy[2]
    denied, also = rows.ask("PutItem", describe(Item=KEY)(rows.table), **given)
    assert denied == also
    assert b"not authorized to perform: dynamodb:PutItem" in denied[2]
