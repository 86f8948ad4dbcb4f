"""Networking types: deployed, read back through EC2, changed, deleted."""

from __future__ import annotations

from typing import Any

import pytest
from tests.parity.cases import holds
from tests.parity.conftest import Cloud
from tests.parity.templates import network, template

pytestmark = pytest.mark.slow


def acl_resources() -> dict[str, Any]:
    return {
        **network(),
        "Acl": {
            "Type": "AWS::EC2::NetworkAcl",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "Tags": [{"Key": "App", "Value": "x"}]},
        },
        "Entry": {
            "Type": "AWS::EC2::NetworkAclEntry",
            "Properties": {
                "NetworkAclId": {"Ref": "Acl"},
                "RuleNumber": 100,
                "Protocol": 6,
                "RuleAction": "allow",
                "CidrBlock": "10.0.0.0/24",
                "PortRange": {"From": 443, "To": 443},
            },
        },
        "Association": {
            "Type": "AWS::EC2::SubnetNetworkAclAssociation",
            "Properties": {"NetworkAclId": {"Ref": "Acl"}, "SubnetId": {"Ref": "SubnetA"}},
        },
    }


def read_acl(cloud: Cloud, acl: str) -> dict[str, Any]:
    found = cloud.client("ec2").describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    return dict(found[0])


@holds(
    "EC2",
    "AWS::EC2::NetworkAclEntry",
    "a network ACL and its entries are kept and shown",
    "recorded",
)
def test_network_acl_lives_and_dies(cloud: Cloud, stack: str) -> None:
    resources = acl_resources()
    assert cloud.deploy(stack, template(resources)) == "CREATE_COMPLETE"
    acl = read_acl(cloud, cloud.resource(stack, "Acl"))
    assert {"Key": "App", "Value": "x"} in acl["Tags"]
    assert [a["SubnetId"] for a in acl["Associations"]] == [cloud.resource(stack, "SubnetA")]
    own = [e for e in acl["Entries"] if e["RuleNumber"] == 100]
    assert own == [
        {
            "CidrBlock": "10.0.0.0/24",
            "Egress": False,
            "PortRange": {"From": 443, "To": 443},
            "Protocol": "6",
            "RuleAction": "allow",
            "RuleNumber": 100,
        }
    ]
    assert sorted(e["Egress"] for e in acl["Entries"] if e["RuleNumber"] == 32767) == [False, True]

    resources["Entry"]["Properties"]["RuleAction"] = "deny"
    assert cloud.deploy(stack, template(resources)) == "UPDATE_COMPLETE"
    acl = read_acl(cloud, acl["NetworkAclId"])
    assert [e["RuleAction"] for e in acl["Entries"] if e["RuleNumber"] == 100] == ["deny"]

    assert cloud.delete(stack) == "DELETE_COMPLETE"
    listed = cloud.client("ec2").describe_network_acls()["NetworkAcls"]
    assert acl["NetworkAclId"] not in {a["NetworkAclId"] for a in listed}


@holds("EC2", "AWS::EC2::NetworkAclEntry", "a malformed address block is refused")
def test_bad_acl_entry_rolls_back_with_the_cause(cloud: Cloud, stack: str) -> None:
    resources = acl_resources()
    resources["Entry"]["Properties"]["CidrBlock"] = "10.0.0.0/99"
    assert cloud.deploy(stack, template(resources)) == "ROLLBACK_COMPLETE"
    assert "CIDR block 10.0.0.0/99 is malformed" in cloud.failures(stack)
    vpcs = cloud.client("ec2").describe_vpcs()["Vpcs"]
    assert "10.0.0.0/24" not in {v["CidrBlock"] for v in vpcs}


@holds(
    "EC2",
    "AWS::EC2::SecurityGroupEgress",
    "rules are kept, and a first egress rule removes the default one",
    "recorded",
)
def test_security_group_rules(cloud: Cloud, stack: str) -> None:
    group = {"Fn::GetAtt": ["Group", "GroupId"]}
    rule = {"GroupId": group, "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    resources = {
        **network(),
        "In": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {**rule, "SourceSecurityGroupId": group},
        },
        "Out": {
            "Type": "AWS::EC2::SecurityGroupEgress",
            "Properties": {**rule, "DestinationPrefixListId": "pl-1234"},
        },
    }
    assert cloud.deploy(stack, template(resources)) == "CREATE_COMPLETE"
    group_id = cloud.resource(stack, "Group")
    found = cloud.client("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    assert [p["UserIdGroupPairs"][0]["GroupId"] for p in found["IpPermissions"]] == [group_id]
    # AWS::EC2::SecurityGroupEgress: "the default rule is removed from the security group"
    assert [p["PrefixListIds"] for p in found["IpPermissionsEgress"]] == [
        [{"PrefixListId": "pl-1234"}]
    ]
    del resources["In"]
    assert cloud.deploy(stack, template(resources)) == "UPDATE_COMPLETE"
    found = cloud.client("ec2").describe_security_groups(GroupIds=[group_id])["SecurityGroups"][0]
    assert found["IpPermissions"] == []


@holds(
    "EC2",
    "AWS::EC2::VPCEndpoint",
    "routes, endpoints, gateways and flow logs are kept and shown",
    "recorded",
)
def test_flow_log_endpoint_and_routes(cloud: Cloud, stack: str) -> None:
    resources = {
        **network(),
        "Gateway": {"Type": "AWS::EC2::InternetGateway"},
        "Attachment": {
            "Type": "AWS::EC2::VPCGatewayAttachment",
            "Properties": {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}},
        },
        "Routes": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
        "Route": {
            "Type": "AWS::EC2::Route",
            "DependsOn": "Attachment",
            "Properties": {
                "RouteTableId": {"Ref": "Routes"},
                "DestinationCidrBlock": "0.0.0.0/0",
                "GatewayId": {"Ref": "Gateway"},
            },
        },
        "RouteAssociation": {
            "Type": "AWS::EC2::SubnetRouteTableAssociation",
            "Properties": {"RouteTableId": {"Ref": "Routes"}, "SubnetId": {"Ref": "SubnetA"}},
        },
        "Endpoint": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                "VpcId": {"Ref": "Vpc"},
                "ServiceName": {"Fn::Sub": "com.amazonaws.${AWS::Region}.dynamodb"},
                "RouteTableIds": [{"Ref": "Routes"}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
            },
        },
        "Address": {"Type": "AWS::EC2::EIP"},
        "Nat": {
            "Type": "AWS::EC2::NatGateway",
            "Properties": {
                "SubnetId": {"Ref": "SubnetA"},
                "AllocationId": {"Fn::GetAtt": ["Address", "AllocationId"]},
            },
        },
        "FlowLog": {
            "Type": "AWS::EC2::FlowLog",
            "Properties": {
                "ResourceId": {"Ref": "Vpc"},
                "ResourceType": "VPC",
                "TrafficType": "ALL",
                "LogGroupName": "flows",
                "DeliverLogsPermissionArn": "arn:aws:iam::000000000000:role/flows",
                "Tags": [{"Key": "App", "Value": "x"}],
            },
        },
    }
    assert cloud.deploy(stack, template(resources)) == "CREATE_COMPLETE", cloud.failures(stack)
    ec2 = cloud.client("ec2")
    flow_log = cloud.resource(stack, "FlowLog")
    found = ec2.describe_flow_logs(FlowLogIds=[flow_log])["FlowLogs"][0]
    assert found["ResourceId"] == cloud.resource(stack, "Vpc")
    assert {"Key": "App", "Value": "x"} in found["Tags"]
    nat = ec2.describe_nat_gateways(NatGatewayIds=[cloud.resource(stack, "Nat")])["NatGateways"]
    assert [n["SubnetId"] for n in nat] == [cloud.resource(stack, "SubnetA")]
    addresses = ec2.describe_addresses()["Addresses"]
    assert cloud.resource(stack, "Address") in {a["PublicIp"] for a in addresses}
    endpoint = ec2.describe_vpc_endpoints(VpcEndpointIds=[cloud.resource(stack, "Endpoint")])
    assert endpoint["VpcEndpoints"][0]["RouteTableIds"] == [cloud.resource(stack, "Routes")]


@holds("EC2", "DescribeManagedPrefixLists", "the prefix lists of gateway endpoints have ids")
@pytest.mark.parametrize("service", ["dynamodb", "s3"])
def test_prefix_lists_have_ids(cloud: Cloud, service: str) -> None:
    name = f"com.amazonaws.{cloud.info.region}.{service}"
    wanted = [{"Name": "prefix-list-name", "Values": [name]}]
    ec2 = cloud.client("ec2")
    plain = ec2.describe_prefix_lists(Filters=wanted)["PrefixLists"]
    managed = ec2.describe_managed_prefix_lists(Filters=wanted)["PrefixLists"]
    assert [p["PrefixListId"] for p in plain] == [p["PrefixListId"] for p in managed]
    assert plain[0]["PrefixListId"].startswith("pl-")
