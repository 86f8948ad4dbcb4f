"""What an application costs a month: fixed parts by its resources, the rest by `expect`.

List prices, first tier, no free tier. Nothing is guessed: what `expect` does not say is not
counted, and said to be so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fairway.define.file import Expect
from fairway.plan.model import Action, Change, Plan, Unknown
from fairway.plan.naming import name_value
from fairway.plan.prices import PriceTable, list_priced_regions, load_prices
from fairway.plan.reading import read_list, read_mapping, read_number, read_properties

HOURS = 730  # of a month, as AWS's pricing calculator has it
_GB = 1024**3
# "Elastic Load Balancing pricing", LCU: 25 new connections a second, or 0.4 GB an hour through
# Lambda targets, whichever is more.
_CONNECTIONS_PER_LCU = 25
_GB_PER_LCU = 0.4
# Gateway endpoints are free: "Gateway endpoints", pricing.
_INTERFACE = "Interface"


@dataclass(frozen=True, slots=True)
class CostItem:
    """One line of the bill.

    what: logical id of the resource. quantity: units a month, in millions where the unit says
    so. amount: US dollars a month. fixed: whether it is due without any use. rests_on: where
    the quantity comes from. source: the pricing page and the date of its price.
    """

    component: str
    what: str
    quantity: float
    unit: str
    amount: float
    fixed: bool
    rests_on: str
    source: str


@dataclass(frozen=True)
class Estimate:
    """All of it, US dollars a month; not_counted: what is to be paid besides, by name."""

    items: tuple[CostItem, ...] = ()
    not_counted: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """The sum."""
        return sum(item.amount for item in self.items)

    @property
    def fixed(self) -> float:
        """What is due without any use."""
        return sum(item.amount for item in self.items if item.fixed)


@dataclass(frozen=True)
class CostChange:
    """The estimates of what is there and of what will be; both by the same use.

    as_of: date of the prices. missing: why there are no estimates, when there are none.
    """

    before: Estimate
    after: Estimate
    as_of: str = ""
    missing: str = ""


@dataclass(frozen=True)
class _Bill:
    """What pricing a resource may look at: prices, use, and the application's other resources."""

    table: PriceTable
    expect: Expect
    resources: Sequence[tuple[Change, Mapping[str, Any]]]
    lists: Mapping[str, int]

    def item(
        self, change: Change, price: str, quantity: float, rests_on: str, *, fixed: bool = False
    ) -> CostItem:
        row = self.table.prices[price]
        amount = quantity / row.size * row.dollars
        return CostItem(
            change.component or change.logical_id,
            change.logical_id,
            quantity / row.size,
            row.unit,
            amount,
            fixed,
            rests_on,
            row.source,
        )

    @cached_property
    def _by_type(self) -> Mapping[str, list[tuple[Change, Mapping[str, Any]]]]:
        found: dict[str, list[tuple[Change, Mapping[str, Any]]]] = {}
        for change, properties in self.resources:
            found.setdefault(change.resource_type, []).append((change, properties))
        return found

    def of_type(self, *kinds: str) -> list[tuple[Change, Mapping[str, Any]]]:
        return [pair for kind in kinds for pair in self._by_type.get(kind, ())]

    @cached_property
    def answering(self) -> set[str]:
        """Logical ids of the functions that a front calls."""
        fronts = ("apigateway.amazonaws.com", "elasticloadbalancing.amazonaws.com")
        return {
            name_value(properties.get("FunctionName"))
            for _, properties in self.of_type("AWS::Lambda::Permission")
            if properties.get("Principal") in fronts
        }

    @cached_property
    def functions(self) -> set[str]:
        """The components that are functions."""
        return {change.component for change, _ in self.of_type("AWS::Lambda::Function")}

    def split(self, *kinds: str) -> tuple[float, str]:
        """The requests that one resource of these types gets, and how that is known."""
        count = max(1, len(self.of_type(*kinds)))
        share = "" if count == 1 else f" / {count}"
        return (self.expect.requests or 0) / count, f"expect.requests{share}"


def compare_costs(plan: Plan) -> CostChange:
    """What the application costs before and after the plan, by the use the file expects."""
    table = load_prices(plan.region)
    if table is None:
        known = ", ".join(list_priced_regions())
        return CostChange(Estimate(), Estimate(), missing=f"prices are known for {known} only")
    lists = _count_lists(plan)
    before = [(c, c.before) for _, c in plan.changes() if c.before]
    stays = (Action.KEEP,)
    after = [(c, c.after) for _, c in plan.changes() if c.after]
    after += [(c, c.before) for _, c in plan.changes() if c.action in stays and c.before]
    expect = plan.expect or Expect()
    return CostChange(
        _estimate(before, table, expect, lists),
        _estimate(after, table, expect, lists),
        table.as_of,
    )


def _estimate(
    bodies: Sequence[tuple[Change, Mapping[str, Any]]],
    table: PriceTable,
    expect: Expect,
    lists: Mapping[str, int],
) -> Estimate:
    resources = [(change, read_properties(body)) for change, body in bodies]
    bill = _Bill(table, expect, resources, lists)
    items: list[CostItem] = []
    missing: dict[str, None] = {}
    for change, properties in resources:
        if change.resource_type in FREE:
            continue
        find_price = PRICED.get(change.resource_type)
        if find_price is None:
            missing[f"{change.logical_id} ({change.resource_type}): no price is known"] = None
            continue
        for found in find_price(change, properties, bill):
            if isinstance(found, CostItem):
                items.append(found)
            else:
                missing[found] = None
    return Estimate(tuple(items), tuple(missing))


Priced = Iterator[CostItem | str]


def _price_function(change: Change, properties: Mapping[str, Any], bill: _Bill) -> Priced:
    if bill.answering and change.logical_id not in bill.answering:
        yield f"runs of {change.logical_id}, which no route leads to"
        return
    if bill.expect.requests is None:
        yield "runs of functions: expect.requests"
        return
    share = max(1, len(bill.answering) or len(bill.of_type(change.resource_type)))
    runs = bill.expect.requests / share
    basis = "expect.requests" + (f" / {share} functions" if share > 1 else "")
    yield bill.item(change, "lambda-request", runs, basis)
    if bill.expect.duration is None:
        yield "time that functions run: expect.duration"
        return
    memory = read_number(properties.get("MemorySize"), 128)
    arm = "arm64" in read_list(properties.get("Architectures"))
    architecture = "arm64" if arm else "x86_64"
    seconds = runs * bill.expect.duration / 1000 * memory / 1024
    basis += f" x {bill.expect.duration} ms (expect.duration) x {memory} MB"
    yield bill.item(change, f"lambda-second-{architecture}", seconds, basis)


def _price_http_api(change: Change, properties: Mapping[str, Any], bill: _Bill) -> Priced:
    if bill.expect.requests is None:
        yield "requests of HTTP APIs: expect.requests"
        return
    requests, basis = bill.split(*_FRONTS)
    yield bill.item(change, "http-api-request", requests, basis)
    yield from _price_transfer(change, bill)


def _price_load_balancer(change: Change, properties: Mapping[str, Any], bill: _Bill) -> Priced:
    always = f"{HOURS} hours"
    yield bill.item(change, "load-balancer-hour", HOURS, always, fixed=True)
    if properties.get("Scheme", "internet-facing") != "internal":
        count = _count(properties.get("Subnets", []), bill.lists, 2)
        basis = f"{count} public subnets x {HOURS} hours"
        yield bill.item(change, "public-address", count * HOURS, basis, fixed=True)
    if bill.expect.requests is None:
        yield "capacity of load balancers: expect.requests"
        return
    requests, basis = bill.split(*_FRONTS)
    units = requests / (HOURS * 3600) / _CONNECTIONS_PER_LCU
    basis = f"{basis}, each its own connection"
    if bill.expect.response is not None:
        by_size = requests * bill.expect.response / _GB / HOURS / _GB_PER_LCU
        if by_size > units:
            units, basis = by_size, f"{bill.split(*_FRONTS)[1]} x expect.response"
    yield bill.item(change, "load-balancer-capacity", units * HOURS, basis)
    yield from _price_transfer(change, bill)


def _price_transfer(change: Change, bill: _Bill) -> Priced:
    if bill.expect.response is None:
        yield "transfer to the internet: expect.response"
        return
    requests, basis = bill.split(*_FRONTS)
    size = requests * bill.expect.response / _GB
    yield bill.item(change, "transfer-out", size, f"{basis} x expect.response")


def _price_table(change: Change, properties: Mapping[str, Any], bill: _Bill) -> Priced:
    requests, basis = bill.split(change.resource_type)
    indexes = len(read_list(properties.get("GlobalSecondaryIndexes")))
    if properties.get("BillingMode") != "PAY_PER_REQUEST":
        yield f"provisioned capacity of {change.logical_id}: no price is known"
        return
    for key, price, factor in (("reads", "table-read", 1), ("writes", "table-write", 1 + indexes)):
        each = getattr(bill.expect, key)
        if each is None or bill.expect.requests is None:
            yield f"{key} of tables: expect.{key} and expect.requests"
            continue
        more = f" x {factor} ({indexes} indexes)" if factor > 1 else ""
        units = requests * each * factor
        yield bill.item(change, price, units, f"{basis} x {each} (expect.{key}){more}")
    if bill.expect.stored is None:
        yield "data in tables: expect.stored"
        return
    count = len(bill.of_type(change.resource_type))
    stored = bill.expect.stored / _GB / count
    basis = "expect.stored" + (f" / {count} tables" if count > 1 else "")
    yield bill.item(change, "table-stored", stored * (1 + indexes), basis)
    recovery = read_mapping(properties.get("PointInTimeRecoverySpecification"))
    if recovery.get("PointInTimeRecoveryEnabled"):
        yield bill.item(change, "table-backup", stored, f"{basis}, point-in-time recovery")


def _price_key(change: Change, properties: Mapping[str, Any], bill: _Bill) -> Priced:
    yield bill.item(change, "key-month", 1, "1 key; calls of it not counted", fixed=True)


def _price_logs(change: Change, properties: Mapping[str, Any], bill: _Bill) -> Priced:
    functions = bill.functions
    if change.component not in functions:
        yield f"log lines of {change.component}"
        return
    if bill.expect.logs is None or bill.expect.requests is None:
        yield "log lines of functions: expect.logs and expect.requests"
        return
    count = len(functions)
    size = bill.expect.requests * bill.expect.logs / _GB / count
    basis = "expect.requests x expect.logs" + (f" / {count} functions" if count > 1 else "")
    yield bill.item(change, "logs-taken", size, basis)
    days = read_number(properties.get("RetentionInDays"), 0)
    if not days:
        yield f"log lines that {change.logical_id} keeps for ever"
        return
    kept = size * days / (HOURS / 24)
    yield bill.item(change, "logs-stored", kept, f"{basis}, kept {days} days")


def _price_endpoint(change: Change, properties: Mapping[str, Any], bill: _Bill) -> Priced:
    if properties.get("VpcEndpointType", "Gateway") != _INTERFACE:
        return
    zones = _count(properties.get("SubnetIds", []), bill.lists, 1)
    basis = f"{zones} zones x {HOURS} hours"
    yield bill.item(change, "endpoint-hour", zones * HOURS, basis, fixed=True)
    yield f"data through {change.logical_id}"


def _price_bucket(change: Change, properties: Mapping[str, Any], bill: _Bill) -> Priced:
    yield f"objects in {change.logical_id}"


def _price_queue(change: Change, properties: Mapping[str, Any], bill: _Bill) -> Priced:
    yield f"messages of {change.logical_id}"


_FRONTS = ("AWS::ApiGatewayV2::Api", "AWS::ElasticLoadBalancingV2::LoadBalancer")
PRICED: dict[str, Callable[[Change, Mapping[str, Any], _Bill], Priced]] = {
    "AWS::ApiGatewayV2::Api": _price_http_api,
    "AWS::DynamoDB::Table": _price_table,
    "AWS::EC2::VPCEndpoint": _price_endpoint,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _price_load_balancer,
    "AWS::KMS::Key": _price_key,
    "AWS::Lambda::Function": _price_function,
    "AWS::Logs::LogGroup": _price_logs,
    "AWS::S3::Bucket": _price_bucket,
    "AWS::SQS::Queue": _price_queue,
}
# Nothing is due for having these; flow logs are paid for as what their log group takes.
FREE = frozenset(
    {
        "AWS::ApiGatewayV2::Authorizer", "AWS::ApiGatewayV2::Integration",
        "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Stage", "AWS::EC2::FlowLog",
        "AWS::EC2::InternetGateway", "AWS::EC2::NetworkAcl", "AWS::EC2::NetworkAclEntry",
        "AWS::EC2::Route", "AWS::EC2::RouteTable", "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress", "AWS::EC2::SecurityGroupIngress", "AWS::EC2::Subnet",
        "AWS::EC2::SubnetNetworkAclAssociation", "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPC", "AWS::EC2::VPCGatewayAttachment",
        "AWS::ElasticLoadBalancingV2::Listener", "AWS::ElasticLoadBalancingV2::ListenerRule",
        "AWS::ElasticLoadBalancingV2::TargetGroup", "AWS::IAM::Policy", "AWS::IAM::Role",
        "AWS::KMS::Alias", "AWS::Lambda::EventInvokeConfig", "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Permission", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy",
    }
)  # fmt: skip


def _count_lists(plan: Plan) -> dict[str, int]:
    """How many values each list holds that one stack hands on to another."""
    found: dict[str, int] = {}
    for stack in plan.stacks:
        outputs = stack.template.template.get("Outputs", {}) if stack.template else {}
        for name, output in outputs.items():
            match read_mapping(output).get("Value"):
                case {"Fn::Join": [_, list(items)]}:
                    found[name] = len(items)
    return found


def _count(value: Any, lists: Mapping[str, int], least: int) -> int:
    """How many items a list has, whether it stands there, came as text or is to be known."""
    if isinstance(value, list):
        return len(value)
    if isinstance(value, Unknown):
        return lists.get(value.name, least)
    return len(value.split(",")) if isinstance(value, str) else least
