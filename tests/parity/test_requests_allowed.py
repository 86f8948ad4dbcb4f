"""What a policy must say for a request to be allowed, and what the cloud tells of that."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import REGION, Cloud
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow


class User:
    """A user of the cloud with one policy, and clients that are the user's."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.name = f"u{uuid.uuid4().hex[:8]}"
        self.iam = cloud.client("iam")
        self.iam.create_user(UserName=self.name)
        self.key = self.iam.create_access_key(UserName=self.name)["AccessKey"]

    def allow(self, actions: list[str], resource: str) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        self.iam.put_user_policy(
            UserName=self.name, PolicyName="p", PolicyDocument=json.dumps(document)
        )

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.cloud.info.endpoint,
            region_name=REGION,
            aws_access_key_id=self.key["AccessKeyId"],
            aws_secret_access_key=self.key["SecretAccessKey"],
            config=Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE),
        )

    def list_used(self) -> set[tuple[str, str]]:
        with urllib.request.urlopen(f"{self.cloud.info.endpoint}/_fairway/access") as answer:
            told = json.load(answer)
        whose = f"arn:aws:iam::{self.cloud.info.account}:user/{self.name}"
        return {(t["action"], t["resource"]) for t in told if t["principal"] == whose}


@pytest.fixture
def user(cloud: Cloud) -> Iterator[User]:
    found = User(cloud)
    yield found
    found.iam.delete_access_key(UserName=found.name, AccessKeyId=found.key["AccessKeyId"])
    found.iam.delete_user_policy(UserName=found.name, PolicyName="p")
    found.iam.delete_user(UserName=found.name)


def refuse(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Message"])


@holds(
    "SQS",
    "Amazon SQS API permissions: Actions and resource reference",
    "a batch needs the action of each of its messages, and no other",
)
def test_batches_of_messages(cloud: Cloud, user: User) -> None:
    name = f"jobs-{uuid.uuid4().hex[:8]}"
    queue = cloud.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{cloud.info.account}:{name}"
    user.allow(["sqs:SendMessage", "sqs:ReceiveMessage"], arn)
    sqs = user.client("sqs")
    entries = [{"Id": "1", "MessageBody": "a"}]
    assert len(sqs.send_message_batch(QueueUrl=queue, Entries=entries)["Successful"]) == 1
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    gone = [{"Id": "1", "ReceiptHandle": message["ReceiptHandle"]}]
    denied = refuse(sqs.delete_message_batch, QueueUrl=queue, Entries=gone)
    assert "sqs:deletemessage on" in denied.lower()
    assert user.list_used() == {("sqs:SendMessage", arn), ("sqs:ReceiveMessage", arn)}


@holds(
    "DynamoDB",
    "Actions, resources, and condition keys for Amazon DynamoDB",
    "backups are resources under their table, and a restore needs the new table too",
)
def test_backups_of_a_table(cloud: Cloud, user: User) -> None:
    stem = f"rows-{uuid.uuid4().hex[:8]}"
    owner = cloud.client("dynamodb")
    owner.create_table(
        TableName=stem,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    tables = f"arn:aws:dynamodb:{REGION}:{cloud.info.account}:table"
    user.allow(
        ["dynamodb:CreateBackup", "dynamodb:DescribeBackup", "dynamodb:RestoreTableFromBackup"],
        f"{tables}/{stem}*",
    )
    dynamodb = user.client("dynamodb")
    backup = dynamodb.create_backup(TableName=stem, BackupName="all")["BackupDetails"]["BackupArn"]
    dynamodb.describe_backup(BackupArn=backup)
    dynamodb.restore_table_from_backup(TargetTableName=f"{stem}-again", BackupArn=backup)
    elsewhere = refuse(
        dynamodb.restore_table_from_backup, TargetTableName="other", BackupArn=backup
    )
    assert f"{tables}/other" in elsewhere
    assert backup in refuse(dynamodb.delete_backup, BackupArn=backup)
    used = user.list_used()
    assert ("dynamodb:DescribeBackup", backup) in used
    assert ("dynamodb:RestoreTableFromBackup", f"{tables}/{stem}-again") in used
    assert not [action for action, _ in used if action == "dynamodb:DeleteBackup"]
    owner.delete_table(TableName=stem)
    owner.delete_table(TableName=f"{stem}-again")


def test_the_owner_is_not_told_of(cloud: Cloud) -> None:
    cloud.client("sqs").list_queues()
    with urllib.request.urlopen(f"{cloud.info.endpoint}/_fairway/access") as answer:
        assert not [t for t in json.load(answer) if t["principal"].endswith(":root")]
