"""Services that nobody asked for are not in memory; once a stack asks, what it made stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.parity.test_durability import kill, open_cloud

from fairway.cloud.launch import stop_cloud

pytestmark = pytest.mark.slow

TEMPLATE = {
    "Resources": {
        "Pool": {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": "people"}},
        "Zone": {"Type": "AWS::Route53::HostedZone", "Properties": {"Name": "example.internal."}},
        "Secret": {
            "Type": "AWS::SecretsManager::Secret",
            "Properties": {"Name": "key", "SecretString": "opensesame"},
        },
        "Repository": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "images"}},
        "Stream": {"Type": "AWS::Kinesis::Stream", "Properties": {"Name": "flow", "ShardCount": 1}},
    }
}


def test_what_a_stack_made_in_services_first_asked_survives_a_kill(tmp_path: Path) -> None:
    directory = tmp_path / ".fairway"
    cloud = open_cloud(directory)
    try:
        # Directly after the start: nothing but the stack's operation asks these services.
        formation = cloud.client("cloudformation")
        formation.create_stack(StackName="made", TemplateBody=json.dumps(TEMPLATE))
        formation.get_waiter("stack_create_complete").wait(
            StackName="made", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        kill(cloud)
        cloud = open_cloud(directory)
        pools = cloud.client("cognito-idp").list_user_pools(MaxResults=5)["UserPools"]
        assert [pool["Name"] for pool in pools] == ["people"]
        zones = cloud.client("route53").list_hosted_zones()["HostedZones"]
        assert [zone["Name"] for zone in zones] == ["example.internal."]
        secret = cloud.client("secretsmanager").get_secret_value(SecretId="key")
        assert secret["SecretString"] == "opensesame"
        found = cloud.client("ecr").describe_repositories()["repositories"]
        assert [repository["repositoryName"] for repository in found] == ["images"]
        assert cloud.client("kinesis").list_streams()["StreamNames"] == ["flow"]
        kill(cloud)
        cloud = open_cloud(directory)
        cloud.client("cloudformation").delete_stack(StackName="made")
        cloud.client("cloudformation").get_waiter("stack_delete_complete").wait(
            StackName="made", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        assert cloud.client("cognito-idp").list_user_pools(MaxResults=5)["UserPools"] == []
        kill(cloud)
        cloud = open_cloud(directory)
        assert cloud.client("cognito-idp").list_user_pools(MaxResults=5)["UserPools"] == []
        assert cloud.client("ecr").describe_repositories()["repositories"] == []
    finally:
        stop_cloud(directory)
