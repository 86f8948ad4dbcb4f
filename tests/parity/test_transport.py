"""Requests count as encrypted on their way, whoever makes them; and each names itself once."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from tests.parity.cases import holds
from tests.parity.conftest import BUCKET, REGION, Cloud
from tests.parity.templates import ROLE, function, template
from tests.waiting import PATIENCE

pytestmark = pytest.mark.slow

MAY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
)


def secure_only(bucket: str, *others: dict[str, Any]) -> str:
    own = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    refuse = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": own,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [refuse, *others]})


@pytest.fixture
def bucket(cloud: Cloud) -> Iterator[str]:
    client, name = cloud.client("s3"), f"b{uuid.uuid4().hex}"
    client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": cloud.info.region}
    )
    yield name
    for item in client.list_objects_v2(Bucket=name).get("Contents", ()):
        client.delete_object(Bucket=name, Key=item["Key"])
    client.delete_bucket(Bucket=name)


def connect(cloud: Cloud, key: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=cloud.info.endpoint,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key.get("SessionToken"),
    )


@pytest.fixture(params=["administrator", "user", "role"])
def principal(request: pytest.FixtureRequest, cloud: Cloud) -> Iterator[Any]:
    """A client of somebody whose own policies allow everything in S3."""
    iam, name = cloud.client("iam"), f"t{uuid.uuid4().hex[:8]}"
    if request.param == "administrator":
        yield cloud.client("s3")
    elif request.param == "user":
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=MAY)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        yield connect(cloud, key)
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="p")
        iam.delete_user(UserName=name)
    else:
        trust = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}}
        statements = [{**trust, "Action": "sts:AssumeRole"}]
        arn = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
        )["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=MAY)
        sts = cloud.client("sts")
        yield connect(cloud, sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"])
        iam.delete_role_policy(RoleName=name, PolicyName="p")
        iam.delete_role(RoleName=name)


@holds(
    "S3",
    "Bucket policy examples",
    "A bucket that denies plain transport takes requests over TLS of every principal",
    "partial",
    "requests over plain HTTP on this machine count as TLS",
)
def test_a_bucket_for_encrypted_transport_only(cloud: Cloud, bucket: str, principal: Any) -> None:
    cloud.client("s3").put_bucket_policy(Bucket=bucket, Policy=secure_only(bucket))
    principal.put_object(Bucket=bucket, Key="a", Body=b"x")
    assert principal.get_object(Bucket=bucket, Key="a")["Body"].read() == b"x"
    assert principal.list_objects_v2(Bucket=bucket)["KeyCount"] == 1
    upload = principal.create_multipart_upload(Bucket=bucket, Key="b")["UploadId"]
    principal.upload_part(Bucket=bucket, Key="b", UploadId=upload, PartNumber=1, Body=b"x")
    principal.abort_multipart_upload(Bucket=bucket, Key="b", UploadId=upload)
    principal.delete_object(Bucket=bucket, Key="a")


@holds(
    "S3",
    "Bucket policy examples",
    "What a bucket's policy allows to the account is not allowed to nobody",
)
@pytest.mark.parametrize(
    "who",
    [
        {"Principal": {"AWS": "000000000000"}},
        {"Principal": {"AWS": "arn:aws:iam::000000000000:root"}},
        {
            "Principal": "*",
            "Condition": {"StringEquals": {"aws:PrincipalAccount": "000000000000"}},
        },
    ],
)
def test_an_anonymous_request_is_not_of_the_account(
    cloud: Cloud, bucket: str, who: dict[str, Any]
) -> None:
    client = cloud.client("s3")
    client.put_object(Bucket=bucket, Key="a", Body=b"x")
    let = {"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*", **who}
    client.put_bucket_policy(Bucket=bucket, Policy=secure_only(bucket, let))
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{cloud.info.endpoint}/{bucket}/a", timeout=PATIENCE)
    assert refused.value.code == 403


@holds("Lambda", "Lambda API Reference, Invoke", "The answer names the request's id once")
@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_an_answer_names_its_request_once(cloud: Cloud, stack: str, kind: str) -> None:
    source = "def handler(event, context):\n    return context.aws_request_id\n"
    cloud.deploy(stack, template({"Role": ROLE, "F": function(BUCKET, cloud.upload(source))}))
    name = cloud.resource(stack, "F")
    answer = cloud.client("lambda").invoke(FunctionName=name, InvocationType=kind)
    named = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert str(uuid.UUID(named)) == named
    assert named == answer["ResponseMetadata"]["RequestId"]
    if kind == "RequestResponse":
        assert json.loads(answer["Payload"].read()) == named


@holds("DynamoDB", "DynamoDB low-level API", "An answer has the headers of the page, and no more")
def test_an_answer_of_a_table_has_its_headers_alone(cloud: Cloud) -> None:
    answer = cloud.client("dynamodb").list_tables()
    named = set(answer["ResponseMetadata"]["HTTPHeaders"])
    own = {"x-amzn-requestid", "x-amz-crc32", "content-type", "content-length", "date"}
    assert named == own


@holds(
    "S3",
    "Common response headers",
    "An answer names its request and its host, and no origin to whoever is no browser",
)
def test_an_answer_of_a_bucket_names_its_request_and_host(cloud: Cloud, bucket: str) -> None:
    named = set(
        cloud.client("s3").list_objects_v2(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    )
    assert {"x-amz-request-id", "x-amz-id-2"} <= named
    assert not [name for name in named if name.startswith(("access-control-", "x-amzn-"))]
