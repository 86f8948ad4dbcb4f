"""The stack that every other one needs: buckets for archives, releases and access logs."""

from __future__ import annotations

from typing import Any

from fairway.compile.template import Origin, StackOutput, StackTemplate, get_att, policy, ref, sub

STACK_NAME = "fairway-artifacts"
ACCESS_LOGS = StackOutput(STACK_NAME, "AccessLogsBucket")
"""The bucket that takes the access logs of all buckets in an account and region."""

ACCESS_LOG_DAYS = 90
_BLOCKED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
_OWN_KEYS = {
    "BucketKeyEnabled": True,
    "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"},
}
# "Enabling Amazon S3 server access logging": the target can be encrypted with S3's keys only.
_AMAZON_S3_KEYS = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def compile_artifacts() -> StackTemplate:
    """Two buckets an account and region, shared by all applications, kept on delete."""
    resources = {
        "Bucket": _make_bucket(_OWN_KEYS, "artifacts/"),
        "BucketPolicy": _make_policy("Bucket", _encrypted_only("Bucket")),
        # Its own access logs end here too: see docs/decisions/0013-what-the-scan-asks-for.md.
        "AccessLogs": _make_bucket(
            _AMAZON_S3_KEYS, "access-logs/", LifecycleConfiguration=expire_after(ACCESS_LOG_DAYS)
        ),
        "AccessLogsPolicy": _make_policy(
            "AccessLogs", _deliver_logs(), _encrypted_only("AccessLogs")
        ),
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Fairway: archives, templates and releases of all applications here",
        "Resources": resources,
        "Outputs": {
            "BucketName": {"Description": "Name of the artifact bucket", "Value": ref("Bucket")},
            ACCESS_LOGS.output: {
                "Description": "Name of the bucket of access logs",
                "Value": ref("AccessLogs"),
            },
        },
    }
    origin = Origin("artifacts", ("app",), {})
    origins = dict.fromkeys(resources, origin)
    return StackTemplate(STACK_NAME, "artifacts", template, {}, origins, {"App": "fairway"})


def expire_after(days: int) -> dict[str, Any]:
    """The lifecycle of a bucket whose objects are of no use after some days."""
    rule = {
        "Id": "Expire",
        "Status": "Enabled",
        "ExpirationInDays": days,
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    return {"Rules": [rule]}


def _make_bucket(encryption: dict[str, Any], prefix: str, **more: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]},
            "LoggingConfiguration": {"LogFilePrefix": prefix}
            if prefix == "access-logs/"  # without a destination: into itself
            else {"DestinationBucketName": ref("AccessLogs"), "LogFilePrefix": prefix},
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": dict.fromkeys(_BLOCKED, True),
            "VersioningConfiguration": {"Status": "Enabled"},
            "Tags": [{"Key": "App", "Value": "fairway"}],
            **more,
        },
    }


def _make_policy(bucket: str, *statements: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {"Bucket": ref(bucket), "PolicyDocument": policy(*statements)},
    }


def _encrypted_only(bucket: str) -> dict[str, Any]:
    return {
        "Sid": "EncryptedTransportOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [get_att(bucket, "Arn"), sub(f"${{{bucket}.Arn}}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _deliver_logs() -> dict[str, Any]:
    """Let S3 write: "Permissions for log delivery"."""
    return {
        "Sid": "Deliver",
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": sub("${AccessLogs.Arn}/*"),
        "Condition": {"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}},
    }
