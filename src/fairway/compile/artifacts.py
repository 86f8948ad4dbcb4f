"""The stack that every other one needs: a bucket for archives, templates and releases."""

from __future__ import annotations

from fairway.compile.template import Origin, StackTemplate, get_att, policy, ref, sub

STACK_NAME = "fairway-artifacts"


def compile_artifacts() -> StackTemplate:
    """One bucket an account and region, shared by all applications, kept on delete."""
    nobody_plain = {
        "Sid": "EncryptedTransportOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [get_att("Bucket", "Arn"), sub("${Bucket.Arn}/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    blocked = (
        "BlockPublicAcls",
        "BlockPublicPolicy",
        "IgnorePublicAcls",
        "RestrictPublicBuckets",
    )
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Fairway: archives, templates and releases of all applications here",
        "Resources": {
            "Bucket": {
                "Type": "AWS::S3::Bucket",
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                "Properties": {
                    "BucketEncryption": {
                        "ServerSideEncryptionConfiguration": [
                            {
                                "BucketKeyEnabled": True,
                                "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"},
                            }
                        ]
                    },
                    "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
                    "PublicAccessBlockConfiguration": dict.fromkeys(blocked, True),
                    "VersioningConfiguration": {"Status": "Enabled"},
                    "Tags": [{"Key": "App", "Value": "fairway"}],
                },
            },
            "BucketPolicy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": ref("Bucket"), "PolicyDocument": policy(nobody_plain)},
            },
        },
        "Outputs": {
            "BucketName": {"Description": "Name of the artifact bucket", "Value": ref("Bucket")}
        },
    }
    origin = Origin("artifacts", ("app",), {})
    origins = {"Bucket": origin, "BucketPolicy": origin}
    return StackTemplate(STACK_NAME, "artifacts", template, {}, origins, {"App": "fairway"})
