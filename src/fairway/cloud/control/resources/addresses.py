"""Elastic IP addresses and NAT gateways: records that the EC2 API shows."""

from __future__ import annotations

from typing import Any

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from fairway.cloud.control.resources.registry import (
    Handler,
    Properties,
    Provisioned,
    call_api,
    random_id,
)


def create_address(logical_id: str, props: Properties, stack: str) -> Provisioned:
    """Record an address; Ref is the address, the allocation an attribute."""
    allocation, address = random_id("eipalloc"), ec2._random_ip("52.")
    ec2._addresses[allocation] = {
        "AllocationId": allocation,
        "PublicIp": address,
        "Domain": "vpc",
        "AssociationId": None,
        "InstanceId": None,
        "NetworkInterfaceId": None,
        "PrivateIpAddress": None,
    }
    provisioners._ec2_apply_tags(allocation, props)
    return address, {"AllocationId": allocation, "PublicIp": address}


def _find_allocation(address: str) -> str | None:
    return next((key for key, a in ec2._addresses.items() if a["PublicIp"] == address), None)


def update_address(
    physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
) -> Provisioned:
    """Tags change in place."""
    allocation = _find_allocation(physical_id)
    if allocation is None:
        return create_address(logical_id or physical_id, new, stack)
    provisioners._ec2_apply_tags(allocation, new, old)
    return physical_id, {"AllocationId": allocation, "PublicIp": physical_id}


def delete_address(physical_id: str, props: Properties) -> None:
    """Release the address."""
    allocation = _find_allocation(physical_id)
    if allocation:
        ec2._addresses.pop(allocation, None)
        ec2._tags.pop(allocation, None)


def create_nat_gateway(logical_id: str, props: Properties, stack: str) -> Provisioned:
    """Record a NAT gateway in an existing subnet."""
    if props.get("SubnetId") not in ec2._subnets:
        raise ValueError(f"The subnet ID '{props.get('SubnetId')}' does not exist")
    before = set(ec2._nat_gateways)
    asked: dict[str, Any] = {
        name: [str(props[name])]
        for name in ("SubnetId", "AllocationId", "ConnectivityType")
        if props.get(name)
    }
    call_api(ec2._create_nat_gateway(asked), "NatGateway")
    gateway = next(iter(set(ec2._nat_gateways) - before))
    provisioners._ec2_apply_tags(gateway, props)
    return gateway, {"NatGatewayId": gateway}


def update_nat_gateway(
    physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
) -> Provisioned:
    """Tags change in place, the rest by replacement."""
    if {**old, "Tags": None} != {**new, "Tags": None}:
        return create_nat_gateway(logical_id or physical_id, new, stack)
    provisioners._ec2_apply_tags(physical_id, new, old)
    return physical_id, {"NatGatewayId": physical_id}


def delete_nat_gateway(physical_id: str, props: Properties) -> None:
    """Remove the record."""
    ec2._nat_gateways.pop(physical_id, None)
    ec2._tags.pop(physical_id, None)


HANDLERS = {
    "AWS::EC2::EIP": Handler(create_address, update_address, delete_address, tags="Tags"),
    "AWS::EC2::NatGateway": Handler(
        create_nat_gateway, update_nat_gateway, delete_nat_gateway, tags="Tags"
    ),
}
