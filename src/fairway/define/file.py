"""The vocabulary of fairway.yml around its components, which `spec.py` has.

Field descriptions are the reference here too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from fairway.define.spec import DAY, LogRetention, Spec, no_entries, no_items
from fairway.define.values import (
    Account,
    Bytes,
    Cidr,
    Milliseconds,
    MonthlyCount,
    Name,
    Region,
    ServicePattern,
    refuse,
)

# "IAM identifiers": role names and paths.
RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$")]
SubnetId = Annotated[str, Field(pattern=r"^subnet-[0-9a-f]+$")]
Reason = Annotated[str, Field(min_length=10, max_length=300)]


class ExistingNetwork(Spec):
    """A network that somebody else made; Fairway adds nothing to it."""

    vpc: str = Field(description="Id of the VPC.", pattern=r"^vpc-[0-9a-f]+$")
    private_subnets: list[SubnetId] = Field(description="Ids of the private subnets.", min_length=1)
    public_subnets: list[SubnetId] = Field(
        default_factory=no_items, description="Ids of the public subnets, for load balancers."
    )


class Network(Spec):
    """The network of an environment: public and private subnets in several zones."""

    cidr: Cidr = Field("10.0.0.0/16", description="Addresses of the VPC, /16 to /24.")
    zones: Literal[2, 3] = Field(2, description="Availability zones.")
    flow_logs: LogRetention = Field(14 * DAY, description="How long flow logs are kept, in days.")
    existing: ExistingNetwork | None = Field(None, description="Use this network instead.")

    @field_validator("cidr")
    @classmethod
    def _check_cidr(cls, value: str) -> str:
        # Amazon VPC, "VPC CIDR blocks": /16 to /28; below /24 the subnets would be under /28.
        size = int(value.rsplit("/", 1)[1])
        if not 16 <= size <= 24:
            raise refuse(
                "bad-cidr", f"a network of /{size} cannot hold the subnets", "use /16 to /24"
            )
        return value


class Expect(Spec):
    """The use that the plan's cost is computed for; what is left out is not counted."""

    requests: MonthlyCount | None = Field(
        None, description="Requests from outside; each runs one function."
    )
    duration: Milliseconds | None = Field(
        None, description="How long a function runs for one request."
    )
    response: Bytes | None = Field(None, description="Size of a request and its answer.")
    logs: Bytes | None = Field(None, description="Log lines written for one request.")
    reads: int | None = Field(None, description="Rows read for one request, up to 4 KB each.", ge=0)
    writes: int | None = Field(
        None, description="Rows written for one request, up to 1 KB each.", ge=0
    )
    stored: Bytes | None = Field(None, description="Data kept in tables.")


class Environment(Spec):
    """What one environment says otherwise; mappings merge by key."""

    account: Account | None = Field(None, description="The AWS account, checked before apply.")
    profile: str | None = Field(
        None,
        description="Profile of your AWS configuration that reaches it. Credentials in variables, "
        "as a pipeline has them, go before it.",
        min_length=1,
    )
    role: RoleArn | None = Field(
        None, description="ARN of the role to work as there, taken on with the credentials at hand."
    )
    region: Region | None = Field(None, description="Region, when not the application's.")
    approve: bool = Field(
        False,
        description="Apply only a plan whose digest was consented to, by `--approve` or "
        "`--consent`; `--yes` alone does not do, also in a pipeline.",
    )
    accept: dict[str, Reason] = Field(
        default_factory=no_entries, description="Overlay over `accept`."
    )
    components: dict[str, dict[str, Any]] = Field(
        default_factory=no_entries, description="Overlay over `components`."
    )
    expect: dict[str, Any] = Field(default_factory=no_entries, description="Overlay over `expect`.")
    network: dict[str, Any] = Field(
        default_factory=no_entries, description="Overlay over `network`."
    )
    resources: dict[str, Any] = Field(
        default_factory=no_entries, description="Overlay over `resources`."
    )

    @field_validator("role")
    @classmethod
    def _check_role(cls, value: str | None, info: ValidationInfo) -> str | None:
        account = info.data.get("account")
        own = value.split(":")[4] if value else account
        if account and own != account:
            raise refuse(
                "bad-role",
                f"the role is of account {own}, and the environment belongs to {account}",
                "name a role of the environment's own account",
            )
        return value


class File(Spec):
    """The whole of fairway.yml."""

    app: Name = Field(description="Names stacks, resources and tags.")
    owner: str | None = Field(
        None,
        description="Who pays and answers for it: the tag Owner.",
        max_length=256,
        # "Tag your Amazon EC2 resources", tag restrictions.
        pattern=r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$",
    )
    region: Region = Field("us-east-1", description="AWS region.")
    services: list[ServicePattern] = Field(
        default_factory=no_items,
        description="Folders with a fairway.yml of their own, in a root: a name or `*` for each "
        "level. The root has no components then; its `owner`, `region`, `encryption`, `accept` "
        "and `environments` hold for each service that does not say otherwise.",
        min_length=1,
    )
    environments: dict[Name, Environment | None] = Field(
        default_factory=no_entries, description="Environments beside `local`, which always exists."
    )
    network: Network | None = Field(
        None, description="The network; without it there is one only if a component needs one."
    )
    accept: dict[str, Reason] = Field(
        default_factory=no_entries,
        description="Findings of `fairway check --security` that are meant to be, by name or "
        "checkov's id, each with the reason; the scan prints both.",
    )
    # "AWS Key Management Service Pricing", 2026: 1 USD a month for each key.
    encryption: Literal["customer-key", "aws-key"] = Field(
        "customer-key",
        description="Whose key encrypts data at rest: a key of the application's own "
        "(about 1 USD a month for each of the network and data stacks), or AWS's.",
    )
    components: dict[Name, dict[str, Any]] = Field(
        default_factory=no_entries,
        description="The parts of the application, by name; required but in a root.",
        min_length=1,
    )
    expect: Expect | None = Field(
        None, description="The use to expect, which `fairway plan` computes the cost for."
    )
    resources: dict[str, Any] = Field(
        default_factory=no_entries,
        description="Raw CloudFormation resources by logical id, merged last: new ones are "
        "added to the app stack, known ones are overlaid key by key.",
    )
