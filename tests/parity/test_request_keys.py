"""Keys that a request asks for: encrypted parameters, and the keys that S3 requests name."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.parity.cases import holds
from tests.parity.conftest import Cloud
from tests.parity.test_function_roles import Roles, make_key
from tests.parity.test_identity import PROBE

pytestmark = pytest.mark.slow

STORE = "How AWS Systems Manager Parameter Store uses AWS KMS"
ACCESS = "Restricting access to Parameter Store parameters using IAM policies"
OBJECTS = "Specifying server-side encryption with AWS KMS (SSE-KMS)"
PARTS = "Multipart upload API and permissions"
PARAMETER = "arn:aws:ssm:eu-west-1:000000000000:parameter"


class Caller:
    """A function that calls what the test says, under a customer's key."""

    def __init__(self, roles: Roles) -> None:
        self.roles, self.key = roles, make_key(roles.cloud)
        self.name = roles.make(PROBE, MemorySize=256)
        self.path = f"/{uuid.uuid4().hex[:8]}"
        self.parameter = self.put("secret")
        self.ssm, self.s3 = roles.cloud.client("ssm"), roles.cloud.client("s3")
        self.bucket = self.make_bucket()
        self.named = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.key}
        self.s3.put_object(Bucket=self.bucket, Key="k", Body=b"x", **self.named)

    def put(self, value: str, **options: Any) -> str:
        name = f"{self.path}/{uuid.uuid4().hex[:8]}"
        self.roles.cloud.client("ssm").put_parameter(
            **{"Name": name, "Value": value, "Type": "SecureString", "KeyId": self.key} | options
        )
        return name

    def call(self, service: str, call: str, **arguments: Any) -> dict[str, Any]:
        event = {"service": service, "call": call, "with": arguments}
        return dict(self.roles.invoke(self.name, event))

    def make_bucket(self) -> str:
        name = uuid.uuid4().hex[:12]
        self.s3.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        return name

    def allow_with(self, statement: dict[str, Any]) -> None:
        """Allow all of Parameter Store and S3, and what a statement says."""
        every = {"Effect": "Allow", "Action": ["ssm:*", "s3:*"], "Resource": "*"}
        document = {"Version": "2012-10-17", "Statement": [every, statement]}
        self.roles.cloud.client("iam").put_role_policy(
            RoleName=self.roles.role, PolicyName="wires", PolicyDocument=json.dumps(document)
        )


@pytest.fixture(scope="module")
def caller(cloud: Cloud) -> Iterator[Caller]:
    roles = Roles(cloud)
    yield Caller(roles)
    roles.close()


# --- parameters -------------------------------------------------------------------


@holds("Systems Manager", STORE, "Reading an encrypted parameter decrypted needs kms:Decrypt")
@pytest.mark.parametrize(
    ("call", "named"),
    [
        ("get_parameter", "Name"),
        ("get_parameters", "Names"),
        ("get_parameters_by_path", "Path"),
        ("get_parameter_history", "Name"),
    ],
)
def test_a_decrypted_value_needs_the_key(caller: Caller, call: str, named: str) -> None:
    found = {"Name": caller.parameter, "Names": [caller.parameter], "Path": caller.path}[named]
    arguments = {named: found, "WithDecryption": True}
    caller.roles.allow("ssm:*")
    answer = caller.call("ssm", call, **arguments)
    assert (answer["Code"], answer["Status"]) == ("AccessDeniedException", 400)
    assert f"not authorized to perform: kms:Decrypt on resource: {caller.key}" in answer["Message"]
    assert caller.call("ssm", call, **{named: found}) == {"Code": "OK"}
    caller.roles.allow("ssm:*", "kms:Decrypt")
    assert caller.call("ssm", call, **arguments) == {"Code": "OK"}


@holds("Systems Manager", STORE, "Writing an encrypted parameter needs kms:Encrypt on its key")
def test_a_standard_parameter_is_encrypted_in_the_callers_name(caller: Caller) -> None:
    written(caller, "kms:Encrypt", Tier="Standard")


@holds(
    "Systems Manager", STORE, "Writing an advanced encrypted parameter needs kms:GenerateDataKey"
)
def test_an_advanced_parameter_needs_a_data_key(caller: Caller) -> None:
    written(caller, "kms:GenerateDataKey", Tier="Advanced")


def written(caller: Caller, action: str, **options: Any) -> None:
    asked = {"Value": "v", "Type": "SecureString", "KeyId": caller.key, "Overwrite": True} | options
    name = f"{caller.path}/{uuid.uuid4().hex[:8]}"
    caller.roles.allow("ssm:*", "kms:Decrypt")
    answer = caller.call("ssm", "put_parameter", Name=name, **asked)
    assert answer["Code"] == "AccessDeniedException"
    assert f"not authorized to perform: {action} on resource: {caller.key}" in answer["Message"]
    with pytest.raises(caller.ssm.exceptions.ParameterNotFound):
        caller.ssm.get_parameter(Name=name)
    caller.roles.allow("ssm:*", action)
    assert caller.call("ssm", "put_parameter", Name=name, **asked) == {"Code": "OK"}


@holds(
    "Systems Manager",
    STORE,
    "Without WithDecryption a value comes encrypted; AWS KMS decrypts it for its parameter only",
)
def test_a_value_is_encrypted(cloud: Cloud, caller: Caller) -> None:
    text = caller.ssm.get_parameter(Name=caller.parameter)["Parameter"]["Value"]
    blob, kms = base64.b64decode(text, validate=True), cloud.client("kms")
    assert b"secret" not in blob
    context = {"PARAMETER_ARN": f"{PARAMETER}{caller.parameter}"}
    found = kms.decrypt(CiphertextBlob=blob, KeyId=caller.key, EncryptionContext=context)
    assert found["Plaintext"] == b"secret"
    other = {"PARAMETER_ARN": f"{PARAMETER}/other"}
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=blob, KeyId=caller.key, EncryptionContext=other)


@holds(
    "Systems Manager",
    "Restricting decryption of SecureString parameter values",
    "The account's own key (aws/ssm) decrypts for every principal that may read the parameter",
)
def test_the_managed_key_needs_no_permission(caller: Caller) -> None:
    name = caller.put("plain", KeyId="alias/aws/ssm")
    caller.roles.allow("ssm:*")
    assert caller.call("ssm", "get_parameter", Name=name, WithDecryption=True) == {"Code": "OK"}
    read = caller.ssm.get_parameter
    assert read(Name=name, WithDecryption=True)["Parameter"]["Value"] == "plain"
    kept = read(Name=name)["Parameter"]["Value"]
    assert b"plain" not in base64.b64decode(kept, validate=True)


@holds("Systems Manager", STORE, "A key that is disabled or does not exist is an InvalidKeyId")
def test_an_unusable_key_is_named(cloud: Cloud, caller: Caller) -> None:
    key = make_key(cloud)
    name = caller.put("v", KeyId=key)
    cloud.client("kms").disable_key(KeyId=key)
    with pytest.raises(caller.ssm.exceptions.InvalidKeyId, match="is disabled"):
        caller.ssm.get_parameter(Name=name, WithDecryption=True)
    with pytest.raises(caller.ssm.exceptions.InvalidKeyId, match="alias/none"):
        caller.put("v", KeyId="alias/none")
    assert caller.ssm.get_parameter(Name=name)["Parameter"]["Type"] == "SecureString"


@holds(
    "Systems Manager", STORE, "A permission on a key may be tied to one parameter's PARAMETER_ARN"
)
def test_a_key_may_be_tied_to_a_parameter(caller: Caller) -> None:
    other = caller.put("other")
    condition = {"kms:EncryptionContext:PARAMETER_ARN": f"{PARAMETER}{caller.parameter}"}
    caller.allow_with(
        {
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": caller.key,
            "Condition": {"StringEquals": condition},
        }
    )
    read = {"WithDecryption": True}
    assert caller.call("ssm", "get_parameter", Name=caller.parameter, **read) == {"Code": "OK"}
    refused = caller.call("ssm", "get_parameters", Names=[caller.parameter, other], **read)
    assert refused["Code"] == "AccessDeniedException"


@holds("Systems Manager", ACCESS, "A request for several parameters needs its action on each")
@pytest.mark.parametrize("call", ["get_parameters", "delete_parameters"])
def test_each_parameter_is_asked_for(caller: Caller, call: str) -> None:
    mine, other = caller.put("a"), caller.put("b")
    action = {"get_parameters": "GetParameters", "delete_parameters": "DeleteParameters"}[call]
    caller.roles.allow(f"ssm:{action}", on=f"{PARAMETER}{mine}")
    answer = caller.call("ssm", call, Names=[mine, other])
    assert (answer["Code"], answer["Status"]) == ("AccessDeniedException", 400)
    assert f"ssm:{action} on resource: {PARAMETER}{other}" in answer["Message"]
    assert caller.call("ssm", call, Names=[mine]) == {"Code": "OK"}


@holds("Systems Manager", ACCESS, "A path is read by who may read the path itself")
def test_a_path_is_a_resource(caller: Caller) -> None:
    caller.roles.allow("ssm:GetParametersByPath", on=f"{PARAMETER}{caller.path}")
    assert caller.call("ssm", "get_parameters_by_path", Path=caller.path) == {"Code": "OK"}
    refused = caller.call("ssm", "get_parameters_by_path", Path="/elsewhere")
    assert f"on resource: {PARAMETER}/elsewhere" in refused["Message"]


@holds("Systems Manager", ACCESS, "A version or a full ARN of a parameter is the same resource")
def test_a_version_is_no_resource_of_its_own(caller: Caller) -> None:
    arn = f"{PARAMETER}{caller.parameter}"
    caller.roles.allow("ssm:GetParameter", on=arn)
    for name in (caller.parameter, f"{caller.parameter}:1", arn):
        assert caller.call("ssm", "get_parameter", Name=name) == {"Code": "OK"}


# --- objects ----------------------------------------------------------------------


@holds("S3", OBJECTS, "Writing under a key that the request names needs kms:GenerateDataKey on it")
def test_a_named_key_is_asked(caller: Caller) -> None:
    asked = {"Bucket": caller.bucket, "Key": "new", "Body": "y", **caller.named}
    caller.roles.allow("s3:*", "kms:Decrypt")
    answer = caller.call("s3", "put_object", **asked)
    assert (answer["Code"], answer["Status"]) == ("AccessDenied", 403)
    assert f"kms:GenerateDataKey on resource: {caller.key}" in answer["Message"]
    caller.roles.allow("s3:*", "kms:GenerateDataKey")
    assert caller.call("s3", "put_object", **asked) == {"Code": "OK"}


@holds("S3", OBJECTS, "Reading an object, or a version of it, needs kms:Decrypt on its own key")
def test_an_objects_key_is_asked(caller: Caller) -> None:
    s3, bucket = caller.s3, caller.bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="v", Body=b"1", **caller.named)["VersionId"]
    s3.put_object(Bucket=bucket, Key="v", Body=b"2")
    caller.roles.allow("s3:*")
    assert caller.call("s3", "get_object", Bucket=bucket, Key="k")["Code"] == "AccessDenied"
    old = {"Bucket": bucket, "Key": "v", "VersionId": version}
    assert caller.call("s3", "get_object", **old)["Code"] == "AccessDenied"
    assert caller.call("s3", "get_object", Bucket=bucket, Key="v") == {"Code": "OK"}
    assert caller.call("s3", "head_object", **old) == {"Code": "OK"}
    copy = {"Bucket": bucket, "Key": "c", "CopySource": f"{bucket}/k"}
    assert caller.call("s3", "copy_object", **copy)["Code"] == "AccessDenied"
    caller.roles.allow("s3:*", "kms:Decrypt")
    for call, asked in (("get_object", old), ("copy_object", copy)):
        assert caller.call("s3", call, **asked) == {"Code": "OK"}


@pytest.mark.parametrize("versioned", [False, True])
def test_no_version_and_an_unknown_one_need_the_objects_key(
    caller: Caller, versioned: bool
) -> None:
    s3, bucket = caller.s3, caller.make_bucket()
    s3.put_object(Bucket=bucket, Key="n", Body=b"x", **caller.named)
    if versioned:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    caller.roles.allow("s3:*")
    asked = {"Bucket": bucket, "Key": "n", "VersionId": "null"}
    assert caller.call("s3", "get_object", **asked)["Code"] == "AccessDenied"
    caller.roles.allow("s3:*", "kms:Decrypt")
    assert caller.call("s3", "get_object", **asked) == {"Code": "OK"}


def test_a_version_is_copied_under_its_key(caller: Caller) -> None:
    s3, bucket = caller.s3, caller.make_bucket()
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="v", Body=b"1", **caller.named)["VersionId"]
    s3.put_object(Bucket=bucket, Key="v", Body=b"2")
    source = {"Bucket": bucket, "Key": "v", "VersionId": version}
    caller.roles.allow("s3:*")
    copy = {"Bucket": bucket, "Key": "c", "CopySource": source}
    assert caller.call("s3", "copy_object", **copy)["Code"] == "AccessDenied"
    caller.roles.allow("s3:*", "kms:Decrypt")
    assert caller.call("s3", "copy_object", **copy) == {"Code": "OK"}


@holds("S3", PARTS, "Parts of an upload under a key need kms:Decrypt, its beginning a data key")
def test_parts_need_the_key(caller: Caller) -> None:
    begin = {"Bucket": caller.bucket, "Key": "parts", **caller.named}
    caller.roles.allow("s3:*")
    refused = caller.call("s3", "create_multipart_upload", **begin)
    assert "kms:GenerateDataKey" in refused["Message"]
    upload = caller.s3.create_multipart_upload(**begin)["UploadId"]
    part = {"Bucket": caller.bucket, "Key": "parts", "UploadId": upload, "PartNumber": 1}
    refused = caller.call("s3", "upload_part", **part, Body="z")
    assert "kms:Decrypt" in refused["Message"]
    caller.roles.allow("s3:*", "kms:Decrypt")
    assert caller.call("s3", "upload_part", **part, Body="z") == {"Code": "OK"}


@holds("S3", OBJECTS, "A request for S3's own keys (AES256) overrides the bucket's default key")
def test_a_header_overrides_the_buckets_key(caller: Caller) -> None:
    bucket = caller.make_bucket()
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": caller.key}
    caller.s3.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
    )
    caller.roles.allow("s3:*")
    asked = {"Bucket": bucket, "Key": "k", "Body": "y"}
    assert caller.call("s3", "put_object", **asked)["Code"] == "AccessDenied"
    plain = {**asked, "ServerSideEncryption": "AES256"}
    assert caller.call("s3", "put_object", **plain) == {"Code": "OK"}


@holds("S3", "PutObject", "aws:kms without a key is the account's own key (aws/s3)")
def test_a_request_may_name_no_key(caller: Caller) -> None:
    caller.roles.allow("s3:*")
    asked = {"Bucket": caller.bucket, "Key": "own", "ServerSideEncryption": "aws:kms"}
    assert caller.call("s3", "put_object", **asked, Body="y") == {"Code": "OK"}
    assert caller.call("s3", "get_object", Bucket=caller.bucket, Key="own") == {"Code": "OK"}
    found = caller.s3.head_object(Bucket=caller.bucket, Key="own")
    assert found["SSEKMSKeyId"].endswith(":alias/aws/s3")


@holds("S3", OBJECTS, "A key that does not exist or is disabled is refused as AWS KMS words it")
def test_an_unusable_key_is_refused(cloud: Cloud, caller: Caller) -> None:
    key = make_key(cloud)
    asked = {"Bucket": caller.bucket, "Key": "bad", "ServerSideEncryption": "aws:kms"}
    with pytest.raises(ClientError, match=r"KMS.NotFoundException.*Invalid keyId 'none'"):
        caller.s3.put_object(**asked, SSEKMSKeyId="none", Body=b"y")
    caller.s3.put_object(**asked, SSEKMSKeyId=key, Body=b"y")
    cloud.client("kms").disable_key(KeyId=key)
    with pytest.raises(ClientError, match=rf"KMS.DisabledException.*{key} is disabled"):
        caller.s3.get_object(Bucket=caller.bucket, Key="bad")


@holds(
    "S3",
    "Actions, resources, and condition keys for Amazon S3",
    "A policy may demand that writes name one key",
)
def test_a_policy_may_demand_a_key(cloud: Cloud, caller: Caller) -> None:
    names = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    caller.allow_with(
        {
            "Effect": "Deny",
            "Action": "s3:PutObject",
            "Resource": "*",
            "Condition": {"StringNotEquals": {names: caller.key}},
        }
    )
    other = {**caller.named, "SSEKMSKeyId": make_key(cloud)}
    asked = {"Bucket": caller.bucket, "Key": "demand", "Body": "y"}
    for extra in ({}, other):
        answer = caller.call("s3", "put_object", **asked, **extra)
        assert "explicit deny" in answer["Message"]
    assert (
        "kms:GenerateDataKey" in caller.call("s3", "put_object", **asked, **caller.named)["Message"]
    )


@holds("Systems Manager", STORE, "Each page of a path asks for the keys of its own parameters")
def test_a_page_asks_for_its_own_keys(caller: Caller) -> None:
    path = f"{caller.path}/pages"
    caller.put("plain", Name=f"{path}/a", KeyId="alias/aws/ssm")
    caller.put("sealed", Name=f"{path}/b")
    caller.roles.allow("ssm:*")
    asked = {"Path": path, "WithDecryption": True, "MaxResults": 1}
    assert caller.call("ssm", "get_parameters_by_path", **asked) == {"Code": "OK"}
    token = caller.ssm.get_parameters_by_path(**asked)["NextToken"]
    refused = caller.call("ssm", "get_parameters_by_path", **asked, NextToken=token)
    assert refused["Code"] == "AccessDeniedException"
