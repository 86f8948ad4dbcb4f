"""What a policy must say for a request to be allowed, and what the cloud tells of that."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
import urllib3
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.access import read_access
from tests.parity.cases import holds
from tests.parity.conftest import REGION, Cloud
from tests.parity.test_function_roles import make_key
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

    def ask_tables(self, operation: str, body: str, query: dict[str, str]) -> tuple[int, str]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        }
        return self.send("dynamodb", f"/?{urlencode(query)}".removesuffix("?"), headers, body)

    def send(
        self, service: str, path: str, headers: dict[str, str], body: str, method: str = "POST"
    ) -> tuple[int, str]:
        """Status and text for a request as it stands: boto3 drops what it does not know."""
        url, data = self.cloud.info.endpoint + path, body.encode()
        request = AWSRequest(method, url, headers=headers, data=data)
        key = Credentials(self.key["AccessKeyId"], self.key["SecretAccessKey"])
        (S3SigV4Auth if service == "s3" else SigV4Auth)(key, service, REGION).add_auth(request)
        answer = urllib3.request(method, url, body=data, headers=dict(request.headers.items()))
        return answer.status, answer.data.decode()

    def list_used(self) -> set[tuple[str, str]]:
        told = read_access(self.cloud.info)
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
    assert not [t for t in read_access(cloud.info) if t["principal"].endswith(":root")]


def test_the_owner_alone_is_told(cloud: Cloud, user: User) -> None:
    key = Credentials(user.key["AccessKeyId"], user.key["SecretAccessKey"])
    user.allow(["*"], "*")
    for asked in (
        lambda: urllib.request.urlopen(f"{cloud.info.endpoint}/_fairway/access"),
        lambda: read_access(cloud.info, key),
        lambda: read_access(cloud.info, secret="x" * 40),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            asked()
        assert refused.value.code == 403


def make_table(cloud: Cloud) -> str:
    name = f"rows-{uuid.uuid4().hex[:8]}"
    cloud.client("dynamodb").create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


KEY = {"id": {"S": "a"}}
SPLIT: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    # "MINE" and "OTHER" stand for tables, "BACKUP" for a backup of the first.
    "get": ("GetItem", {"TableName": "OTHER", "Key": KEY, "BackupArn": "BACKUP"}, {}),
    "put": ("PutItem", {"TableName": "OTHER", "Item": KEY, "BackupArn": "BACKUP"}, {}),
    "index": ("GetItem", {"TableName": "OTHER", "Key": KEY, "IndexName": "mine"}, {}),
    "describe": ("DescribeTable", {"TableName": "OTHER", "BackupArn": "BACKUP"}, {}),
    "delete": ("DeleteTable", {"TableName": "OTHER", "BackupArn": "BACKUP"}, {}),
    "list": ("ListTables", {"TableName": "MINE", "BackupArn": "BACKUP"}, {}),
    "statement": (
        "ExecuteStatement",
        {"Statement": 'SELECT * FROM "OTHER"', "TableName": "MINE", "BackupArn": "BACKUP"},
        {},
    ),
    "batch": (
        "BatchGetItem",
        {"RequestItems": {"OTHER": {"Keys": [KEY]}}, "TableName": "MINE"},
        {},
    ),
    "backup-batch": (
        "BatchGetItem",
        {"RequestItems": {"OTHER": {"Keys": [KEY]}}, "BackupArn": "BACKUP"},
        {},
    ),
    "restore": (
        "RestoreTableToPointInTime",
        {
            "SourceTableName": "OTHER",
            "TargetTableName": "MINE-again",
            "TableName": "MINE",
            "UseLatestRestorableTime": True,
        },
        {},
    ),
    "another-action": ("GetItem", {"TableName": "MINE", "Key": KEY}, {"Action": "ListTables"}),
}


@pytest.mark.parametrize("name", SPLIT)
def test_a_request_is_what_its_handler_does(cloud: Cloud, user: User, name: str) -> None:
    operation, document, query = SPLIT[name]
    mine, other = make_table(cloud), make_table(cloud)
    cloud.client("dynamodb").update_continuous_backups(
        TableName=other, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    tables = f"arn:aws:dynamodb:{REGION}:{cloud.info.account}:table"
    allowed = ["dynamodb:ListTables"] if query else ["dynamodb:*"]
    for resource in ("*",) if query else (f"{tables}/{mine}*", f"{tables}/*/index/mine"):
        user.allow(allowed, resource)
        backup = f"{tables}/{mine}/backup/01"
        body = json.dumps(document).replace("OTHER", other).replace("MINE", mine)
        status, told = user.ask_tables(operation, body.replace("BACKUP", backup), query)
        assert status == 400
        assert "AccessDeniedException" in told
        assert f"dynamodb:{operation}" in told
    for table in (mine, other):
        cloud.client("dynamodb").delete_table(TableName=table)


@holds(
    "DynamoDB",
    "Actions, resources, and condition keys for Amazon DynamoDB",
    "a restore to a point in time needs the source and the new table, and no other",
)
def test_a_restore_names_both_tables(cloud: Cloud, user: User) -> None:
    source = make_table(cloud)
    owner = cloud.client("dynamodb")
    owner.update_continuous_backups(
        TableName=source, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    table = f"arn:aws:dynamodb:{REGION}:{cloud.info.account}:table/{source}"
    asked = {"SourceTableName": source, "UseLatestRestorableTime": True}
    restore = user.client("dynamodb").restore_table_to_point_in_time
    for alone in (table, f"{table}-again"):
        user.allow(["dynamodb:RestoreTableToPointInTime"], alone)
        refuse(restore, **asked, TargetTableName=f"{source}-again")
    user.allow(["dynamodb:RestoreTableToPointInTime"], f"{table}*")
    restore(**asked, TargetTableName=f"{source}-again")
    for name in (source, f"{source}-again"):
        owner.delete_table(TableName=name)


@holds(
    "Systems Manager",
    "GetParametersByPath",
    "a request without a path is refused as one for all parameters to who may read some",
    "partial",
    "AWS demands the path; here its owner may leave it out",
)
@pytest.mark.parametrize("asked", [{}, {"Path": ""}], ids=["none", "empty"])
def test_a_request_without_a_path_is_for_all(user: User, asked: dict[str, str]) -> None:
    path = f"/{user.name}"
    parameters = f"arn:aws:ssm:{REGION}:{user.cloud.info.account}:parameter"
    user.cloud.client("ssm").put_parameter(Name=f"{path}/a", Value="v", Type="String")
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AmazonSSM.GetParametersByPath",
    }
    user.allow(["ssm:GetParametersByPath"], f"{parameters}{path}*")
    document: dict[str, Any] = {"Name": f"{path}/a", "Recursive": True}
    allowed, told = user.send("ssm", "/", headers, json.dumps({**document, "Path": path}))
    assert (allowed, f"{path}/a" in told) == (200, True)
    status, told = user.send("ssm", "/", headers, json.dumps({**document, **asked}))
    assert (status, "AccessDeniedException" in told) == (400, True)


@pytest.mark.parametrize("known", [False, True], ids=["unknown-upload", "no-part"])
def test_an_object_put_with_an_upload_needs_its_key(user: User, known: bool) -> None:
    s3, key = user.cloud.client("s3"), make_key(user.cloud)
    user.cloud.make_bucket(user.name)
    upload = "none"
    if known:
        upload = s3.create_multipart_upload(Bucket=user.name, Key="k")["UploadId"]
    user.allow(["s3:*"], "*")
    named = {
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": key,
    }
    path = f"/{user.name}/k?uploadId={upload}"
    refused = [user.send("s3", path, named, "y", "PUT")]
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    rules = [{"ApplyServerSideEncryptionByDefault": rule}]
    s3.put_bucket_encryption(Bucket=user.name, ServerSideEncryptionConfiguration={"Rules": rules})
    refused.append(user.send("s3", path, {}, "y", "PUT"))
    for status, told in refused:
        assert (status, f"kms:GenerateDataKey on resource: {key}" in told) == (403, True)
    user.allow(["s3:*", "kms:GenerateDataKey"], "*")
    assert user.send("s3", path, {}, "y", "PUT")[0] == 200


@pytest.mark.parametrize(
    ("service", "allowed", "wanted", "more"),
    [
        ("sns", "ListTopics", "CreateTopic", {"Name": "split"}),
        ("sqs", "ListQueues", "CreateQueue", {"QueueName": "split"}),
        ("iam", "ListUsers", "CreateGroup", {"GroupName": "split"}),
        ("cloudformation", "ListStacks", "ValidateTemplate", {"TemplateBody": "{}"}),
        ("ec2", "DescribeVpcs", "CreateKeyPair", {"KeyName": "split"}),
        ("monitoring", "ListMetrics", "DeleteAlarms", {"AlarmNames.member.1": "split"}),
        ("elasticloadbalancing", "DescribeLoadBalancers", "DescribeRules", {}),
    ],
)
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_form_and_an_address_may_not_say_two_things(
    user: User, service: str, allowed: str, wanted: str, more: dict[str, str], kind: str
) -> None:
    namespace = "cloudwatch" if service == "monitoring" else service
    user.allow([f"{namespace}:{allowed}"], "*")
    body = urlencode({"Action": wanted, **more})
    headers = {"Content-Type": kind}
    status, told = user.send(service, f"/?Action={allowed}", headers, body)
    assert (status, "Send all parameters in the form." in told) == (403, True)
    if kind != "text/plain":
        assert user.send(service, "/", headers, urlencode({"Action": allowed}))[0] == 200


@pytest.mark.parametrize(
    ("service", "path", "done"),
    [("s3", "/BUCKET/k", "GetObject"), ("lambda", "/2015-03-31/functions/none", "ListFunctions")],
)
def test_an_address_may_not_name_another_action(
    user: User, service: str, path: str, done: str
) -> None:
    s3 = user.cloud.client("s3")
    user.cloud.make_bucket(user.name)
    s3.put_object(Bucket=user.name, Key="k", Body=b"kept")
    user.allow([f"{service}:{done}"], "*")
    asked = path.replace("BUCKET", user.name) + f"?Action={done}"
    assert user.send(service, asked, {}, "", "DELETE")[0] == 403
    assert s3.get_object(Bucket=user.name, Key="k")["Body"].read() == b"kept"


def test_an_operation_in_the_path_is_an_action(user: User) -> None:
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
    user.allow(["cloudwatch:DeleteAlarms"], "*")
    assert user.send("monitoring", f"{path}?Action=DeleteAlarms", headers, "")[0] in (400, 403)
    user.allow(["cloudwatch:ListMetrics"], "*")
    assert user.send("monitoring", path, headers, "")[0] == 200
