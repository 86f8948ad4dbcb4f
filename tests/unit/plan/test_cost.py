"""Cost: fixed parts by resources, use by `expect`, and what is not counted said."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.plan.reviewing import make_plan, resource

from fairway.compile.tags import TAG_FORM
from fairway.define.file import Expect
from fairway.plan import Unknown
from fairway.plan.cost import FREE, PRICED, CostChange, compare_costs
from fairway.plan.prices import list_priced_regions, load_prices

EXPECT = Expect(
    requests="3M per month", duration="120ms", response="8KB", logs="1KB",
    reads=2, writes=1, stored="5GB",
)  # fmt: skip
FUNCTION = resource("Lambda::Function", MemorySize=1024, Architectures=["arm64"])
TABLE = resource(
    "DynamoDB::Table",
    BillingMode="PAY_PER_REQUEST",
    PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
)


def price(
    after: dict[str, Any], expect: Expect | None = EXPECT, before: dict[str, Any] | None = None,
    **more: Any,
) -> CostChange:  # fmt: skip
    return compare_costs(make_plan(before or {}, after, expect=expect, **more))


def amounts(cost: CostChange) -> dict[str, float]:
    return {item.unit: round(item.amount, 4) for item in cost.after.items}


@pytest.mark.parametrize("kind", TAG_FORM)
def test_every_type_that_is_compiled_has_a_price_or_is_free(kind: str) -> None:
    assert (kind in PRICED) is not (kind in FREE)


def test_a_function_costs_its_requests_and_its_gigabyte_seconds() -> None:
    cost = price({"F": FUNCTION})
    # 3 M x 0.20 per million; 3 M x 0.12 s x 1 GB x 0.0000133334.
    assert amounts(cost) == {"1M requests": 0.6, "GB-second": 4.8}
    assert cost.after.items[1].rests_on == ("expect.requests x 120 ms (expect.duration) x 1024 MB")
    assert "AWS Lambda Pricing" in cost.after.items[0].source
    assert cost.after.fixed == 0


def test_a_table_costs_reads_writes_data_and_recovery() -> None:
    units = amounts(price({"T": TABLE}))
    # 6 M reads at 0.1415, 3 M writes at 0.705, 5 GB at 0.283, and once more at 0.22.
    assert units == {
        "1M read request units": 0.849,
        "1M write request units": 2.115,
        "GB-month": 1.1,
    }
    assert round(price({"T": TABLE}).after.total, 4) == 5.479  # and 1.415 for the data


def test_each_index_is_written_and_kept_too() -> None:
    indexed = resource(
        "DynamoDB::Table", BillingMode="PAY_PER_REQUEST", GlobalSecondaryIndexes=[{}]
    )
    units = amounts(price({"T": indexed}))
    assert units["1M write request units"] == 2 * 2.115
    assert units["GB-month"] == 2 * 1.415


@pytest.mark.parametrize(
    ("subnets", "count"),
    [
        (["a", "b"], 2),
        ("a,b,c", 3),
        (Unknown("network stack", "PublicSubnetIds"), 3),
        (Unknown("network stack", "Other"), 2),
    ],
)
def test_a_load_balancer_costs_by_the_hour_and_for_its_addresses(subnets: Any, count: int) -> None:
    balancer = resource("ElasticLoadBalancingV2::LoadBalancer", Subnets={"Ref": "P"})
    handed_on = {"PublicSubnetIds": {"Value": {"Fn::Join": [",", ["a", "b", "c"]]}}}
    if isinstance(subnets, list):
        balancer["Properties"]["Subnets"] = subnets
    if isinstance(subnets, Unknown):
        balancer["Properties"]["Subnets"] = {"Ref": subnets.name}
        parameters: dict[str, Any] = {subnets.name: subnets}
    else:
        parameters = {"P": subnets}
    cost = price({"W": balancer}, None, parameters=parameters, outputs=handed_on)
    fixed = [round(item.amount, 3) for item in cost.after.items]
    assert fixed == [730 * 0.0252, round(730 * 0.005 * count, 3)]
    assert cost.after.fixed == cost.after.total


def test_an_internal_load_balancer_has_no_public_addresses() -> None:
    balancer = resource(
        "ElasticLoadBalancingV2::LoadBalancer", Scheme="internal", Subnets=["a", "b"]
    )
    assert len(price({"W": balancer}, None).after.items) == 1


def test_an_interface_endpoint_costs_in_each_zone_and_a_gateway_nothing() -> None:
    endpoint = resource("EC2::VPCEndpoint", VpcEndpointType="Interface", SubnetIds=["a", "b"])
    assert [i.amount for i in price({"E": endpoint}).after.items] == [2 * 730 * 0.011]
    gateway = resource("EC2::VPCEndpoint", VpcEndpointType="Gateway")
    assert price({"E": gateway}).after.items == ()


def test_nothing_is_guessed() -> None:
    cost = price({"F": FUNCTION, "T": TABLE}, None)
    assert cost.after.items == ()
    assert cost.after.not_counted == (
        "runs of functions: expect.requests",
        "reads of tables: expect.reads and expect.requests",
        "writes of tables: expect.writes and expect.requests",
        "data in tables: expect.stored",
    )


def test_an_unknown_type_is_named() -> None:
    cost = price({"X": resource("SageMaker::Endpoint")})
    assert cost.after.not_counted == ("X (AWS::SageMaker::Endpoint): no price is known",)


def test_before_and_after_are_priced_by_the_same_use() -> None:
    cost = price({"F": FUNCTION, "K": resource("KMS::Key")}, before={"F": FUNCTION})
    assert round(cost.after.total - cost.before.total, 6) == 1.0


def test_what_is_kept_costs_on() -> None:
    key = resource("KMS::Key") | {"DeletionPolicy": "Retain"}
    cost = price({}, before={"K": key, "L": resource("KMS::Key")})
    assert (cost.before.total, cost.after.total) == (2.0, 1.0)


def test_functions_that_no_route_leads_to_are_not_charged_for_requests() -> None:
    permission = resource(
        "Lambda::Permission",
        Principal="apigateway.amazonaws.com",
        FunctionName={"Fn::GetAtt": ["F", "Arn"]},
    )
    cost = price({"F": FUNCTION, "Worker": FUNCTION, "P": permission})
    assert {item.what for item in cost.after.items} == {"F"}
    assert cost.after.not_counted == ("runs of Worker, which no route leads to",)


def test_a_region_without_prices_says_so() -> None:
    cost = price({"F": FUNCTION}, region="eu-north-1")
    assert cost.missing == "prices are known for us-east-1, eu-west-1, ap-southeast-2 only"


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-southeast-2"])
def test_every_price_of_a_region_says_what_it_rests_on(region: str) -> None:
    table = load_prices(region)
    assert table is not None
    assert region in list_priced_regions()
    for name, row in table.prices.items():
        assert row.dollars > 0, name
        assert "https://aws.amazon.com/" in row.source
        when = row.source.rpartition("(")[2].removesuffix(")")
        assert ("not checked" in when) is (row.checked is None), name
        assert when == "undated" or when[:10] >= table.as_of


def test_the_prices_that_nothing_was_found_for_are_these() -> None:
    tables = [table for region in list_priced_regions() if (table := load_prices(region))]
    unchecked = {(t.region, n) for t in tables for n, row in t.prices.items() if not row.checked}
    assert unchecked == {
        ("ap-southeast-2", "endpoint-hour"),
        ("ap-southeast-2", "http-api-request"),
        ("eu-west-1", "key-month"),
    }
