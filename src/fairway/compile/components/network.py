"""The network: public and private subnets, network ACLs, flow logs, private endpoints."""

from __future__ import annotations

import ipaddress
from typing import Any

from fairway.compile.draft import LIST_TYPE, Draft, StackDraft
from fairway.compile.encryption import add_log_group, network_key
from fairway.compile.links import LINKS
from fairway.compile.template import Origin, allow, get_att, policy, ref, sub, trust
from fairway.define.file import Network
from fairway.define.spec import Function, LoadBalancer, Table

ANYWHERE = "0.0.0.0/0"
TCP = 6
# An ACL keeps no state, so answers come back to the client's ephemeral port. Remote desktop's
# port, 3389, is left out of what the internet may reach.
EPHEMERAL = (1024, 65535)
EPHEMERAL_FROM_INTERNET = ((1024, 3388), (3390, 65535))
# A security group without any egress rule gets one that allows everything.
NOWHERE = {
    "Description": "Nowhere: replaces the rule that allows everything",
    "IpProtocol": "icmp",
    "FromPort": 8,
    "ToPort": 0,
    "CidrIp": "127.0.0.1/32",
}
FIRST_BLOCK = {"public": 0, "private": 4}  # of 16: room for a fourth zone and more kinds


def network_of(draft: Draft) -> Network | None:
    """The application's network: its own, or the default one when a component needs one."""
    app = draft.app
    if app.network is not None:
        return app.network
    return Network() if app.of_kind(LoadBalancer) else None


def joins_network(draft: Draft) -> bool:
    """Whether functions run in the private subnets: exactly when the file has a network."""
    return draft.app.network is not None


def compile_network(draft: Draft) -> None:
    """Write the network stack, unless there is no network or somebody else's."""
    network = network_of(draft)
    if network is None or network.existing is not None:
        return
    origin = _origin(draft)
    add = draft.network.add
    add(
        "Vpc",
        "AWS::EC2::VPC",
        {
            "CidrBlock": network.cidr,
            "EnableDnsSupport": True,
            "EnableDnsHostnames": True,
            "Tags": {"Name": draft.app.prefix},
        },
        origin,
    )
    _add_internet_gateway(draft, origin)
    for kind in ("public", "private"):
        _add_subnets(draft, network, kind, origin)
    _add_acl(draft, network, "Public", _public_rules(network.cidr), origin)
    _add_acl(draft, network, "Private", _private_rules(network.cidr), origin)
    _add_flow_logs(draft, network, origin)
    _add_table_endpoint(draft, network, origin)
    _add_function_endpoint(draft, network, origin)


def vpc_id(draft: Draft, taker: StackDraft) -> Any:
    """The VPC's id for a stack of code."""
    network = network_of(draft)
    if network and network.existing:
        return network.existing.vpc
    return draft.share(draft.network, taker, "VpcId", ref("Vpc"), "Id of the VPC")


def subnet_ids(draft: Draft, kind: str, taker: StackDraft) -> Any:
    """The ids of the public or the private subnets for a stack of code."""
    network = network_of(draft)
    if network and network.existing:
        existing = network.existing
        return existing.public_subnets if kind == "public" else existing.private_subnets
    zones = network.zones if network else 2
    title = kind.capitalize()
    refs = [ref(f"{title}Subnet{zone}") for zone in range(1, zones + 1)]
    text = f"Ids of the {kind} subnets"
    return draft.share(draft.network, taker, f"{title}SubnetIds", refs, text, LIST_TYPE)


def split_subnets(network: Network, kind: str) -> list[str]:
    """The subnets' address blocks; adding a zone moves none of them."""
    blocks = list(ipaddress.IPv4Network(network.cidr).subnets(prefixlen_diff=4))
    first = FIRST_BLOCK[kind]
    return [str(block) for block in blocks[first : first + network.zones]]


def _origin(draft: Draft) -> Origin:
    path = ("network",) if "network" in draft.app.tree.entries else ("components",)
    keys = {"CidrBlock": (*path, "cidr"), "RetentionInDays": (*path, "flow_logs")}
    return Origin("network", path, keys)


def _add_internet_gateway(draft: Draft, origin: Origin) -> None:
    add, prefix = draft.network.add, draft.app.prefix
    add("InternetGateway", "AWS::EC2::InternetGateway", {"Tags": {"Name": prefix}}, origin)
    add(
        "InternetGatewayAttachment",
        "AWS::EC2::VPCGatewayAttachment",
        {"VpcId": ref("Vpc"), "InternetGatewayId": ref("InternetGateway")},
        origin,
    )
    for kind in ("Public", "Private"):
        tags = {"Name": f"{prefix}-{kind.lower()}"}
        properties = {"VpcId": ref("Vpc"), "Tags": tags}
        add(f"{kind}RouteTable", "AWS::EC2::RouteTable", properties, origin)
    add(
        "PublicRoute",
        "AWS::EC2::Route",
        {
            "RouteTableId": ref("PublicRouteTable"),
            "DestinationCidrBlock": ANYWHERE,
            "GatewayId": ref("InternetGateway"),
        },
        origin,
        DependsOn=["InternetGatewayAttachment"],
    )


def _add_subnets(draft: Draft, network: Network, kind: str, origin: Origin) -> None:
    title = kind.capitalize()
    for zone, block in enumerate(split_subnets(network, kind), start=1):
        subnet = f"{title}Subnet{zone}"
        draft.network.add(
            subnet,
            "AWS::EC2::Subnet",
            {
                "VpcId": ref("Vpc"),
                "CidrBlock": block,
                "AvailabilityZone": {"Fn::Select": [zone - 1, {"Fn::GetAZs": ""}]},
                "MapPublicIpOnLaunch": False,
                "Tags": {"Name": f"{draft.app.prefix}-{kind}-{zone}"},
            },
            origin,
        )
        draft.network.add(
            f"{subnet}Routes",
            "AWS::EC2::SubnetRouteTableAssociation",
            {"SubnetId": ref(subnet), "RouteTableId": ref(f"{title}RouteTable")},
            origin,
        )
        draft.network.add(
            f"{subnet}Acl",
            "AWS::EC2::SubnetNetworkAclAssociation",
            {"SubnetId": ref(subnet), "NetworkAclId": ref(f"{title}Acl")},
            origin,
        )


Rules = dict[str, tuple[int, bool, str, tuple[int, int]]]


def _public_rules(cidr: str) -> Rules:
    """Name to number, egress, addresses and ports: the load balancer's subnets."""
    return {
        "HttpIn": (100, False, ANYWHERE, (80, 80)),
        "HttpsIn": (110, False, ANYWHERE, (443, 443)),
        "AnswersIn": (120, False, cidr, EPHEMERAL),
        "AnswersOut": (100, True, ANYWHERE, EPHEMERAL),
        "NetworkOut": (110, True, cidr, (0, 65535)),
    }


def _private_rules(cidr: str) -> Rules:
    """The functions' subnets; service endpoints of the gateway kind have public addresses."""
    low, high = EPHEMERAL_FROM_INTERNET
    return {
        "NetworkIn": (100, False, cidr, (0, 65535)),
        "AnswersIn": (110, False, ANYWHERE, low),
        "MoreAnswersIn": (120, False, ANYWHERE, high),
        "NetworkOut": (100, True, cidr, (0, 65535)),
        "HttpsOut": (110, True, ANYWHERE, (443, 443)),
    }


def _add_acl(draft: Draft, network: Network, title: str, rules: Rules, origin: Origin) -> None:
    acl = f"{title}Acl"
    tags = {"Name": f"{draft.app.prefix}-{title.lower()}"}
    properties = {"VpcId": ref("Vpc"), "Tags": tags}
    draft.network.add(acl, "AWS::EC2::NetworkAcl", properties, origin)
    for name, (number, egress, cidr, (low, high)) in rules.items():
        draft.network.add(
            f"{acl}{name}",
            "AWS::EC2::NetworkAclEntry",
            {
                "NetworkAclId": ref(acl),
                "RuleNumber": number,
                "Egress": egress,
                "RuleAction": "allow",
                "Protocol": TCP,
                "CidrBlock": cidr,
                "PortRange": {"From": low, "To": high},
            },
            origin,
        )


def _add_flow_logs(draft: Draft, network: Network, origin: Origin) -> None:
    """Flow logs to a log group, under the role that the VPC's page on flow logs asks for."""
    key = network_key(draft)
    name = add_log_group(draft.network, draft, "FlowLogs", "flow", network.flow_logs, key, origin)
    draft.network.add(
        "FlowLogRole",
        "AWS::IAM::Role",
        {
            "AssumeRolePolicyDocument": trust(
                "vpc-flow-logs.amazonaws.com",
                Condition={"StringEquals": {"aws:SourceAccount": ref("AWS::AccountId")}},
            ),
            "Policies": [
                {
                    "PolicyName": "WriteFlowLogs",
                    "PolicyDocument": policy(
                        allow(
                            [
                                "logs:CreateLogStream",
                                "logs:DescribeLogStreams",
                                "logs:PutLogEvents",
                            ],
                            get_att("FlowLogs", "Arn"),
                        )
                    ),
                }
            ],
        },
        origin,
    )
    draft.network.add(
        "FlowLog",
        "AWS::EC2::FlowLog",
        {
            "ResourceId": ref("Vpc"),
            "ResourceType": "VPC",
            "TrafficType": "ALL",
            "LogDestinationType": "cloud-watch-logs",
            "LogGroupName": name,
            "DeliverLogsPermissionArn": get_att("FlowLogRole", "Arn"),
        },
        origin,
        DependsOn=["FlowLogs"],
    )


def _add_table_endpoint(draft: Draft, network: Network, origin: Origin) -> None:
    """The gateway endpoint that linked tables are reached through; it costs nothing."""
    tables = draft.app.of_kind(Table)
    used = {name for f in draft.app.of_kind(Function).values() for name in f.uses}
    if not joins_network(draft) or not used & tables.keys():
        return
    actions = sorted({a for access in LINKS[Table.kind].values() for a in access.actions})
    arn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/"
    draft.network.add(
        "TableEndpoint",
        "AWS::EC2::VPCEndpoint",
        {
            "VpcId": ref("Vpc"),
            "VpcEndpointType": "Gateway",
            "ServiceName": sub("com.amazonaws.${AWS::Region}.dynamodb"),
            "RouteTableIds": [ref("PrivateRouteTable")],
            "PolicyDocument": policy(
                allow(actions, sub(f"{arn}{draft.app.prefix}-data-*"), Principal="*")
            ),
        },
        origin,
    )


def calls_functions(draft: Draft) -> bool:
    """Whether a function in the network is linked to another, which it calls over HTTPS."""
    functions = draft.app.of_kind(Function)
    links = {target for function in functions.values() for target in function.uses}
    return joins_network(draft) and bool(links & functions.keys())


def _add_function_endpoint(draft: Draft, network: Network, origin: Origin) -> None:
    """The interface endpoint that linked functions are called through.

    It costs by the hour in each zone: "AWS PrivateLink pricing".
    """
    if not calls_functions(draft):
        return
    inward = {
        "Description": "HTTPS from the network",
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "CidrIp": network.cidr,
    }
    group = draft.network.add(
        "FunctionEndpointSecurityGroup",
        "AWS::EC2::SecurityGroup",
        {
            "GroupDescription": f"Calls of functions in {draft.app.prefix}",
            "VpcId": ref("Vpc"),
            "SecurityGroupIngress": [inward],
            "SecurityGroupEgress": [NOWHERE],
        },
        origin,
    )
    arn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:"
    draft.network.add(
        "FunctionEndpoint",
        "AWS::EC2::VPCEndpoint",
        {
            "VpcId": ref("Vpc"),
            "VpcEndpointType": "Interface",
            "ServiceName": sub("com.amazonaws.${AWS::Region}.lambda"),
            "SubnetIds": [ref(f"PrivateSubnet{zone}") for zone in range(1, network.zones + 1)],
            "SecurityGroupIds": [get_att(group, "GroupId")],
            "PrivateDnsEnabled": True,
            "PolicyDocument": policy(
                allow(
                    list(LINKS[Function.kind]["invoke"].actions),
                    sub(f"{arn}*"),
                    Principal="*",
                )
            ),
        },
        origin,
    )
