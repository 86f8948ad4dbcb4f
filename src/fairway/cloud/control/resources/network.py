"""EC2 networking that ministack's engine lacks: network ACLs, security group rules, flow logs.

Everything here is a record that the EC2 API shows; nothing filters packets.
"""

from __future__ import annotations

import ipaddress
import json
import time
from typing import Any

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from fairway.cloud.control.resources.registry import Handler, Properties, Provisioned, random_id

_DENY_RULE = 32767
"""The rule number that ends every network ACL; EC2 API reference, NetworkAclEntry."""


def _tag(resource_id: str, props: Properties, old: Properties | None = None) -> None:
    provisioners._ec2_apply_tags(resource_id, props, old)


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


# --- network ACLs ------------------------------------------------------------


def create_network_acl(logical_id: str, props: Properties, stack: str) -> Provisioned:
    """A network ACL denies everything until entries allow it."""
    if props.get("VpcId") not in ec2._vpcs:
        raise ValueError(f"The vpc ID '{props.get('VpcId')}' does not exist")
    acl_id = random_id("acl")
    ec2._network_acls[acl_id] = {
        "NetworkAclId": acl_id,
        "VpcId": props["VpcId"],
        "IsDefault": False,
        "Entries": [_deny(egress=True), _deny(egress=False)],
        "Associations": [],
        "Tags": [],
        "OwnerId": ec2.get_account_id(),
    }
    _tag(acl_id, props)
    return acl_id, {"Id": acl_id}


def _deny(*, egress: bool) -> dict[str, Any]:
    return {
        "RuleNumber": _DENY_RULE,
        "Protocol": "-1",
        "RuleAction": "deny",
        "Egress": egress,
        "CidrBlock": "0.0.0.0/0",
    }


def update_network_acl(
    physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
) -> Provisioned:
    """Tags change in place, the VPC by replacement."""
    if old.get("VpcId") != new.get("VpcId") or physical_id not in ec2._network_acls:
        return create_network_acl(logical_id or physical_id, new, stack)
    _tag(physical_id, new, old)
    return physical_id, {"Id": physical_id}


def delete_network_acl(physical_id: str, props: Properties) -> None:
    """An ACL in use is not deleted."""
    acl = ec2._network_acls.get(physical_id)
    if acl and acl["Associations"]:
        raise ValueError(f"The networkAcl '{physical_id}' has dependencies and cannot be deleted.")
    ec2._network_acls.pop(physical_id, None)
    ec2._tags.pop(physical_id, None)


# --- entries -----------------------------------------------------------------


def _find_acl(acl_id: object) -> dict[str, Any]:
    found: dict[str, Any] | None = ec2._network_acls.get(acl_id)
    if found is None:
        raise ValueError(f"The networkAcl ID '{acl_id}' does not exist")
    return found


def _entry_key(props: Properties) -> tuple[str, int, bool]:
    return (
        str(props.get("NetworkAclId")),
        int(props["RuleNumber"]),
        _is_true(props.get("Egress", False)),
    )


def make_entry(props: Properties) -> dict[str, Any]:
    """An entry in the EC2 store's shape. Raises ValueError as EC2 refuses it."""
    number = int(props["RuleNumber"])
    if not 1 <= number <= 32766:
        raise ValueError(f"Value ({number}) for parameter ruleNumber is invalid.")
    action = str(props.get("RuleAction", "")).lower()
    if action not in ("allow", "deny"):
        raise ValueError(f"Value ({action}) for parameter ruleAction is invalid.")
    entry: dict[str, Any] = {
        "RuleNumber": number,
        "Protocol": str(props.get("Protocol", "-1")),
        "RuleAction": action,
        "Egress": _is_true(props.get("Egress", False)),
    }
    for name in ("CidrBlock", "Ipv6CidrBlock"):
        if props.get(name):
            try:
                ipaddress.ip_network(props[name], strict=False)
            except ValueError as error:
                raise ValueError(f"CIDR block {props[name]} is malformed") from error
            entry[name] = props[name]
    if "CidrBlock" not in entry and "Ipv6CidrBlock" not in entry:
        raise ValueError("The request must contain the parameter cidrBlock or ipv6CidrBlock")
    if entry["Protocol"] in ("6", "17") and not props.get("PortRange"):
        raise ValueError("The request must contain the parameter portRange")
    for name in ("PortRange", "Icmp"):
        if props.get(name):
            entry[name] = {key: int(value) for key, value in props[name].items()}
    return entry


def create_entry(logical_id: str, props: Properties, stack: str) -> Provisioned:
    """Add a rule; a number is used once per direction."""
    acl = _find_acl(props.get("NetworkAclId"))
    _, number, egress = _entry_key(props)
    if any(e["RuleNumber"] == number and e["Egress"] == egress for e in acl["Entries"]):
        raise ValueError(f"The network acl entry identified by {number} already exists. ")
    acl["Entries"].append(make_entry(props))
    acl["Entries"].sort(key=lambda e: (not e["Egress"], e["RuleNumber"]))
    return f"{stack}-{logical_id}-{random_id('nacle')[-12:]}", {}


def update_entry(
    physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
) -> Provisioned:
    """Everything but ACL, number and direction changes in place."""
    if _entry_key(old) != _entry_key(new):
        return create_entry(logical_id or physical_id, new, stack)
    entry = make_entry(new)
    delete_entry(physical_id, old)
    _find_acl(new["NetworkAclId"])["Entries"].append(entry)
    return physical_id, {}


def delete_entry(physical_id: str, props: Properties) -> None:
    """Remove the rule."""
    acl_id, number, egress = _entry_key(props)
    acl = ec2._network_acls.get(acl_id)
    if acl:
        acl["Entries"] = [
            e for e in acl["Entries"] if (e["RuleNumber"], e["Egress"]) != (number, egress)
        ]


# --- associations ------------------------------------------------------------


def create_association(logical_id: str, props: Properties, stack: str) -> Provisioned:
    """Move a subnet to the ACL; it has exactly one."""
    acl, subnet = _find_acl(props.get("NetworkAclId")), props.get("SubnetId")
    if subnet not in ec2._subnets:
        raise ValueError(f"The subnet ID '{subnet}' does not exist")
    return _associate(acl, str(subnet)), {}


def _associate(acl: dict[str, Any], subnet: str) -> str:
    for other in ec2._network_acls.values():
        other["Associations"] = [a for a in other["Associations"] if a["SubnetId"] != subnet]
    association = random_id("aclassoc")
    acl["Associations"].append({"NetworkAclAssociationId": association, "SubnetId": subnet})
    return association


def update_association(
    physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
) -> Provisioned:
    """Both properties need a replacement."""
    return create_association(logical_id or physical_id, new, stack)


def delete_association(physical_id: str, props: Properties) -> None:
    """Give the subnet back to its VPC's default ACL."""
    acl = ec2._network_acls.get(props.get("NetworkAclId"))
    if not acl or all(a["NetworkAclAssociationId"] != physical_id for a in acl["Associations"]):
        return
    acl["Associations"] = [
        a for a in acl["Associations"] if a["NetworkAclAssociationId"] != physical_id
    ]
    for other in ec2._network_acls.values():
        if other["IsDefault"] and other["VpcId"] == acl["VpcId"]:
            _associate(other, str(props["SubnetId"]))


# --- security group rules ----------------------------------------------------


class GroupRules:
    """The handler of one direction: rules in a security group's list."""

    def __init__(self, store: str) -> None:
        self._store = store

    def create(self, logical_id: str, props: Properties, stack: str) -> Provisioned:
        """Add the rule. An explicit egress rule takes the place of allow-all."""
        group = ec2._security_groups.get(props.get("GroupId"))
        if group is None:
            raise ValueError(f"The security group '{props.get('GroupId')}' does not exist")
        rules = group.setdefault(self._store, [])
        rule = self._rule(props)
        if rule in rules:
            raise ValueError(f'the specified rule "{json.dumps(rule)}" already exists')
        if self._store == "IpPermissionsEgress":
            allow_all = provisioners._ec2_sg_egress_permissions(None)[0]
            rules[:] = [r for r in rules if r != allow_all]
        rules.append(rule)
        physical_id = random_id("sgr")
        return physical_id, {"Id": physical_id}

    def _rule(self, props: Properties) -> dict[str, Any]:
        rule: dict[str, Any] = provisioners._ec2_sg_permissions([props])[0]
        return rule

    def update(
        self,
        physical_id: str,
        old: Properties,
        new: Properties,
        stack: str,
        logical_id: str | None = None,
    ) -> Provisioned:
        """A description changes in place, anything else by replacement."""
        without = {**old, "Description": None}
        if without == {**new, "Description": None}:
            self.delete(physical_id, old)
            self.create(logical_id or physical_id, new, stack)
            return physical_id, {"Id": physical_id}
        return self.create(logical_id or physical_id, new, stack)

    def delete(self, physical_id: str, props: Properties) -> None:
        """Remove the rule, once."""
        group = ec2._security_groups.get(props.get("GroupId"))
        rule = self._rule(props)
        if group and rule in group.get(self._store, []):
            group[self._store].remove(rule)


# --- flow logs, addresses, NAT gateways --------------------------------------


def create_flow_log(logical_id: str, props: Properties, stack: str) -> Provisioned:
    """Record a flow log."""
    destination = props.get("LogDestinationType", "cloud-watch-logs")
    if destination == "cloud-watch-logs" and not (
        props.get("LogGroupName") or props.get("LogDestination")
    ):
        raise ValueError("LogDestination can't be empty if LogGroupName is not provided.")
    if destination == "cloud-watch-logs" and not props.get("DeliverLogsPermissionArn"):
        raise ValueError(
            "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs."
        )
    flow_log = random_id("fl")
    ec2._flow_logs[flow_log] = {
        "FlowLogId": flow_log,
        "ResourceId": props["ResourceId"],
        "ResourceType": props.get("ResourceType", "VPC"),
        "TrafficType": props.get("TrafficType", "ALL"),
        "LogDestinationType": destination,
        "LogDestination": props.get("LogDestination") or props.get("LogGroupName"),
        "LogGroupName": props.get("LogGroupName"),
        "DeliverLogsPermissionArn": props.get("DeliverLogsPermissionArn"),
        "MaxAggregationInterval": int(props.get("MaxAggregationInterval", 600)),
        "LogFormat": props.get("LogFormat"),
        "FlowLogStatus": "ACTIVE",
        "CreationTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
    }
    _tag(flow_log, props)
    return flow_log, {"Id": flow_log}


def update_flow_log(
    physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
) -> Provisioned:
    """Only tags change in place."""
    if {**old, "Tags": None} != {**new, "Tags": None}:
        return create_flow_log(logical_id or physical_id, new, stack)
    _tag(physical_id, new, old)
    return physical_id, {"Id": physical_id}


def delete_flow_log(physical_id: str, props: Properties) -> None:
    """Forget a flow log."""
    ec2._flow_logs.pop(physical_id, None)
    ec2._tags.pop(physical_id, None)


_ingress, _egress = GroupRules("IpPermissions"), GroupRules("IpPermissionsEgress")

HANDLERS = {
    "AWS::EC2::NetworkAcl": Handler(
        create_network_acl, update_network_acl, delete_network_acl, tags="Tags"
    ),
    "AWS::EC2::NetworkAclEntry": Handler(create_entry, update_entry, delete_entry),
    "AWS::EC2::SubnetNetworkAclAssociation": Handler(
        create_association, update_association, delete_association
    ),
    "AWS::EC2::SecurityGroupIngress": Handler(_ingress.create, _ingress.update, _ingress.delete),
    "AWS::EC2::SecurityGroupEgress": Handler(_egress.create, _egress.update, _egress.delete),
    "AWS::EC2::FlowLog": Handler(create_flow_log, update_flow_log, delete_flow_log, tags="Tags"),
}
