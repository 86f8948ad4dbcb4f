"""Tables, buckets, queues, keys, log groups, alarms: what a template says is what the API tells."""

from __future__ import annotations

import pytest
from tests.parity.cases import holds
from tests.parity.conftest import Cloud
from tests.parity.templates import table, template

pytestmark = pytest.mark.slow


@holds(
    "DynamoDB",
    "AWS::DynamoDB::Table",
    "recovery, expiry, encryption and tags are kept and shown",
    "recorded",
)
def test_table_settings_are_applied_and_changed(cloud: Cloud, stack: str) -> None:
    entries = table(
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True},
        SSESpecification={"SSEEnabled": True},
        Tags=[{"Key": "App", "Value": "x"}],
    )
    assert cloud.deploy(stack, template({"T": entries})) == "CREATE_COMPLETE"
    name, client = cloud.resource(stack, "T"), cloud.client("dynamodb")
    described = client.describe_table(TableName=name)["Table"]
    assert described["SSEDescription"]["Status"] == "ENABLED"
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert recovery == "ENABLED"
    expiry = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}
    tags = client.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"]
    assert {"Key": "App", "Value": "x"} in tags

    entries["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] = False
    assert cloud.deploy(stack, template({"T": entries})) == "UPDATE_COMPLETE"
    backups = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert recovery == "DISABLED"


def put_row(cloud: Cloud, name: str) -> None:
    row = {"uniqueId": {"S": "1"}, "timeStamp": {"S": "2"}}
    cloud.client("dynamodb").put_item(TableName=name, Item=row)


def count_rows(cloud: Cloud, name: str) -> int:
    return int(cloud.client("dynamodb").scan(TableName=name)["Count"])


INDEX = [
    {
        "IndexName": "i",
        "KeySchema": [
            {"AttributeName": "uniqueId", "KeyType": "HASH"},
            {"AttributeName": "other", "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": "ALL"},
    }
]


@holds(
    "CloudFormation",
    "Update behaviors of stack resources",
    "a replaced table gets a new name, and a rollback brings back every row",
)
@pytest.mark.parametrize(
    "change",
    [
        {"KeySchema": [{"AttributeName": "uniqueId", "KeyType": "HASH"}]},
        {"LocalSecondaryIndexes": INDEX},
    ],
    ids=["keys", "local-index"],
)
def test_replaced_table_has_a_new_name_and_rollback_keeps_rows(
    cloud: Cloud, stack: str, change: dict[str, object]
) -> None:
    assert cloud.deploy(stack, template({"T": table()})) == "CREATE_COMPLETE"
    name = cloud.resource(stack, "T")
    put_row(cloud, name)
    changed = table(**change)
    changed["Properties"]["AttributeDefinitions"].append(
        {"AttributeName": "other", "AttributeType": "S"}
    )
    broken = {
        "Type": "AWS::EC2::SecurityGroupIngress",
        "DependsOn": "T",
        "Properties": {"GroupId": "sg-none", "IpProtocol": "tcp", "CidrIp": "10.0.0.0/8"},
    }
    status = cloud.deploy(stack, template({"T": changed, "Broken": broken}))
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.resource(stack, "T") == name
    assert count_rows(cloud, name) == 1

    assert cloud.deploy(stack, template({"T": changed})) == "UPDATE_COMPLETE"
    replaced = cloud.resource(stack, "T")
    assert replaced != name
    assert count_rows(cloud, replaced) == 0
    assert name not in cloud.client("dynamodb").list_tables()["TableNames"]


@holds("CloudFormation", "Name type", "a generated name is never used again")
def test_generated_names_are_never_reused(cloud: Cloud, stack: str) -> None:
    cloud.deploy(stack, template({"T": table()}))
    first = cloud.resource(stack, "T")
    cloud.delete(stack)
    cloud.deploy(stack, template({"T": table()}))
    assert cloud.resource(stack, "T") != first
    assert cloud.resource(stack, "T").startswith(f"{stack}-T-")


@holds(
    "DynamoDB",
    "Using deletion protection to protect your table",
    "a protected table is not deleted with its stack",
)
def test_deletion_protection_holds(cloud: Cloud, stack: str) -> None:
    protected = table(DeletionProtectionEnabled=True)
    cloud.deploy(stack, template({"T": protected}))
    name = cloud.resource(stack, "T")
    assert cloud.delete(stack) == "DELETE_FAILED"
    assert name in cloud.client("dynamodb").list_tables()["TableNames"]
    cloud.client("dynamodb").update_table(TableName=name, DeletionProtectionEnabled=False)
    assert cloud.delete(stack) == "DELETE_COMPLETE"


@holds(
    "CloudFormation",
    "DeletionPolicy attribute",
    "RetainExceptOnCreate deletes after a failed creation and keeps afterwards",
)
def test_retain_except_on_create(cloud: Cloud, stack: str) -> None:
    kept = {**table(), "DeletionPolicy": "RetainExceptOnCreate"}
    broken = {
        "Type": "AWS::EC2::SecurityGroupIngress",
        "DependsOn": "T",
        "Properties": {"GroupId": "sg-none", "IpProtocol": "tcp", "CidrIp": "10.0.0.0/8"},
    }
    failed = cloud.deploy(stack, template({"T": kept, "Broken": broken}))
    assert failed == "ROLLBACK_COMPLETE"
    tables = cloud.client("dynamodb").list_tables()["TableNames"]
    assert not [t for t in tables if t.startswith(f"{stack}-")]
    cloud.delete(stack)
    assert cloud.deploy(stack, template({"T": kept})) == "CREATE_COMPLETE"
    name = cloud.resource(stack, "T")
    assert cloud.delete(stack) == "DELETE_COMPLETE"
    assert name in cloud.client("dynamodb").list_tables()["TableNames"]
    cloud.client("dynamodb").delete_table(TableName=name)


@holds(
    "S3", "AWS::S3::Bucket", "a bucket with objects is not deleted; its settings are kept and shown"
)
def test_bucket_settings_and_guard(cloud: Cloud, stack: str) -> None:
    encryption = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    bucket = {
        "Type": "AWS::S3::Bucket",
        "Properties": {
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [encryption]},
            "VersioningConfiguration": {"Status": "Enabled"},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "LifecycleConfiguration": {
                "Rules": [{"Id": "old", "Status": "Enabled", "ExpirationInDays": 30}]
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "Tags": [{"Key": "App", "Value": "x"}],
        },
    }
    policy = {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "B"},
            "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
        },
    }
    assert cloud.deploy(stack, template({"B": bucket, "P": policy})) == "CREATE_COMPLETE"
    name, s3 = cloud.resource(stack, "B"), cloud.client("s3")
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
    lifecycle = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert (lifecycle[0]["ID"], lifecycle[0]["Expiration"]["Days"]) == ("old", 30)
    controls = s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
    assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert {"Key": "App", "Value": "x"} in s3.get_bucket_tagging(Bucket=name)["TagSet"]

    version = s3.put_object(Bucket=name, Key="k", Body=b"x")["VersionId"]
    assert cloud.delete(stack) == "DELETE_FAILED"
    assert s3.get_object(Bucket=name, Key="k")["Body"].read() == b"x"
    s3.delete_object(Bucket=name, Key="k", VersionId=version)
    assert cloud.delete(stack) == "DELETE_COMPLETE"


@holds(
    "CloudFormation",
    "AWS resource and property types reference",
    "queues, topics, keys, log groups and alarms are made as described",
)
def test_messaging_keys_logs_and_alarms(cloud: Cloud, stack: str) -> None:
    resources = {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 45}},
        "QueuePolicy": {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {
                "Queues": [{"Ref": "Queue"}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
            },
        },
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Key": {
            "Type": "AWS::KMS::Key",
            "Properties": {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}},
        },
        "Alias": {
            "Type": "AWS::KMS::Alias",
            "Properties": {"AliasName": f"alias/{stack}", "TargetKeyId": {"Ref": "Key"}},
        },
        "Logs": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": f"/test/{stack}",
                "RetentionInDays": 14,
                "KmsKeyId": {"Fn::GetAtt": ["Key", "Arn"]},
            },
        },
        "Policy": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}],
                }
            },
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Namespace": "AWS/Lambda",
                "MetricName": "Errors",
                "Statistic": "Sum",
                "Period": 60,
                "EvaluationPeriods": 1,
                "Threshold": 1,
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "AlarmActions": [{"Ref": "Topic"}],
            },
        },
    }
    assert cloud.deploy(stack, template(resources)) == "CREATE_COMPLETE", cloud.failures(stack)
    queue = cloud.client("sqs").get_queue_attributes(
        QueueUrl=cloud.resource(stack, "Queue"), AttributeNames=["VisibilityTimeout"]
    )
    assert queue["Attributes"]["VisibilityTimeout"] == "45"
    aliases = cloud.client("kms").list_aliases()["Aliases"]
    assert f"alias/{stack}" in {a["AliasName"] for a in aliases}
    group = cloud.client("logs").describe_log_groups(logGroupNamePrefix=f"/test/{stack}")
    assert group["logGroups"][0]["retentionInDays"] == 14
    assert group["logGroups"][0]["kmsKeyId"].startswith("arn:aws:kms:")
    alarm = cloud.client("cloudwatch").describe_alarms(AlarmNames=[cloud.resource(stack, "Alarm")])[
        "MetricAlarms"
    ]
    assert alarm[0]["AlarmActions"] == [cloud.resource(stack, "Topic")]
