"""The vocabulary of fairway.yml: every key of a component, its type, default and meaning.

`file.py` has the keys around components. Field descriptions are the reference:
`docs/reference/file.md` and the JSON Schema for editors are made from them.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
)

from fairway.define.values import (
    Issuer,
    Megabytes,
    Name,
    OneOrMore,
    RouteKey,
    Seconds,
    VariableName,
    refuse,
    show_duration,
)

# "Log retention" values that CloudWatch Logs takes, in days: API reference, PutRetentionPolicy.
RETENTION_DAYS = (
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
)  # fmt: skip
DAY = 86400

Runtime = Literal["python3.11", "python3.12", "python3.13", "nodejs20.x", "nodejs22.x"]
AttributeType = Literal["string", "number", "binary"]


def no_entries() -> dict[str, Any]:
    """An empty mapping; pydantic needs 2 ms to find out that `dict` takes no argument."""
    return {}


def no_items() -> list[Any]:
    """An empty list, likewise."""
    return []


def _check_log_retention(seconds: int) -> int:
    """Accept only durations that CloudWatch Logs can keep lines for."""
    days, rest = divmod(seconds, DAY)
    if rest or days not in RETENTION_DAYS:
        near = min(RETENTION_DAYS, key=lambda d: abs(d * DAY - seconds))
        raise refuse(
            "bad-retention",
            f"logs cannot be kept for {show_duration(seconds)}",
            f"CloudWatch Logs offers fixed terms; the nearest is {near}d",
        )
    return seconds


def _check_object_retention(seconds: int) -> int:
    """Accept only what lifecycle rules of S3 can count: whole days, from one on."""
    if seconds < DAY or seconds % DAY:
        raise refuse(
            "bad-retention",
            f"access logs cannot be kept for {show_duration(seconds)}",
            "write whole days, like 90d",
        )
    return seconds


LogRetention = Annotated[Seconds, AfterValidator(_check_log_retention)]
ObjectRetention = Annotated[Seconds, AfterValidator(_check_object_retention)]


class Spec(BaseModel):
    """A part of the file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Component(Spec):
    """What every kind of component has."""

    type: str
    kind: ClassVar[str] = ""


class KeyAttribute(Spec):
    """A key attribute with a type other than string."""

    name: str = Field(description="Name of the attribute.", min_length=1, max_length=255)
    type: AttributeType = Field("string", description="Type of the attribute.")


def _choose_branch(value: Any) -> str:
    return BRANCHES[1 if isinstance(value, dict | KeyAttribute) else 0]


# The two ways to write a key; pydantic names the one that was meant in its findings.
BRANCHES = ("<text>", "<attribute>")
Key = Annotated[
    Annotated[str, Field(min_length=1, max_length=255), Tag(BRANCHES[0])]
    | Annotated[KeyAttribute, Tag(BRANCHES[1])],
    Discriminator(_choose_branch),
]


class Index(Spec):
    """A second way to look rows up (a global secondary index, all attributes projected)."""

    partition_key: Key = Field(description="Attribute that rows are spread by.")
    sort_key: Key | None = Field(None, description="Attribute that rows sort by.")


class Table(Component):
    """A DynamoDB table, paid per request, encrypted, with point-in-time recovery."""

    kind: ClassVar[str] = "table"
    type: Literal["table"]
    partition_key: Key = Field(description="Attribute that rows are spread by.")
    sort_key: Key | None = Field(None, description="Attribute that rows sort by.")
    indexes: dict[str, Index] = Field(
        default_factory=no_entries, description="Further ways to look rows up, by index name."
    )
    expire: str | None = Field(
        None, description="Attribute with the epoch second at which a row may be removed."
    )
    on_delete: Literal["keep", "delete"] = Field(
        "keep", description="What becomes of the rows when the table leaves the application."
    )


class Function(Component):
    """Code on AWS Lambda, in a log group and under a role of its own."""

    kind: ClassVar[str] = "function"
    type: Literal["function"]
    handler: str = Field(
        description="`module.function` below the source directory.",
        pattern=r"^[A-Za-z_][\w/-]*(\.[A-Za-z_]\w*)+$",
    )
    source: str = Field("src", description="Directory of the code, with its requirements.")
    runtime: Runtime = Field("python3.12", description="Lambda runtime.")
    architecture: Literal["arm64", "x86_64"] = Field(
        "arm64", description="Processor; arm64 costs a fifth less per second."
    )
    memory: Megabytes = Field(256, description="Memory, 128MB to 10240MB; CPU grows with it.")
    timeout: Seconds = Field(10, description="Longest run, 1s to 15m.")
    concurrency: int | None = Field(
        None, description="Most runs at once, reserved out of the account's limit.", ge=0
    )
    variables: dict[VariableName, str] = Field(
        default_factory=no_entries, description="Environment variables; never secrets."
    )
    uses: dict[str, str] = Field(
        default_factory=no_entries,
        description="Links: component name to access. Each link gives the permission, "
        "the environment variable and the network path, and nothing else does.",
    )
    logs: LogRetention = Field(30 * DAY, description="How long log lines are kept, in days.")

    @field_validator("memory")
    @classmethod
    def _check_memory(cls, value: int) -> int:
        # Lambda quotas: 128 MB to 10,240 MB, in 1-MB increments.
        if not 128 <= value <= 10240:
            raise refuse("bad-memory", f"a function cannot have {value}MB", "use 128MB to 10240MB")
        return value

    @field_validator("timeout")
    @classmethod
    def _check_timeout(cls, value: int) -> int:
        # Lambda quotas: function timeout 900 seconds.
        if not 1 <= value <= 900:
            raise refuse(
                "bad-timeout", f"a function cannot run for {show_duration(value)}", "use 1s to 15m"
            )
        return value


class LoadBalancer(Component):
    """An internet-facing application load balancer in the public subnets."""

    kind: ClassVar[str] = "load-balancer"
    type: Literal["load-balancer"]
    routes: dict[RouteKey, Name] = Field(
        description="`METHOD /path` to component; `*` and `?` are wildcards, ANY is every "
        "method. What no route names is answered 404.",
        min_length=1,
    )
    health_check: str | None = Field(
        None, description="Path of the health check, sent to every target.", pattern=r"^/\S*$"
    )
    certificate: str | None = Field(
        None,
        description="ARN of the certificate for HTTPS; HTTP is then redirected.",
        pattern=r"^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[\w-]+$",
    )
    redirect_http: bool = Field(
        True,
        description="With a certificate: whether port 80 is open, to redirect to HTTPS. Without, "
        "browsers that try HTTP first get no answer.",
    )
    multi_value_headers: bool = Field(
        False, description="Send and take headers and query parameters as lists."
    )
    logs: ObjectRetention = Field(90 * DAY, description="How long access logs are kept, in days.")


# RFC 6749, section 3.3: the characters of a scope.
Scope = Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$", max_length=64)]


class Auth(Spec):
    """Tokens that an HTTP API demands: JSON Web Tokens of an OpenID Connect issuer."""

    issuer: Issuer = Field(
        description="Who issues the tokens: an https URL, letter by letter that of their claim "
        "`iss`. An http URL on localhost works in the local cloud only."
    )
    # "Quotas for configuring and running an HTTP API": 50 audiences, 10 scopes a route.
    audience: OneOrMore = Field(
        description="For whom tokens are issued, one or several: the claim `aud` or `client_id`.",
        min_length=1,
        max_length=50,
    )
    scopes: list[Scope] = Field(
        default_factory=no_items,
        description="Scopes of which a token needs at least one.",
        max_length=10,
    )
    public: list[RouteKey] = Field(
        default_factory=no_items, description="Routes that need no token; every other one does."
    )


class HttpApi(Component):
    """An API Gateway HTTP API."""

    kind: ClassVar[str] = "http-api"
    type: Literal["http-api"]
    routes: dict[RouteKey, Name] = Field(
        description="`METHOD /path` to component; `{id}` is a parameter, `{rest+}` takes the "
        "rest of the path, ANY is every method.",
        min_length=1,
    )
    payload: Literal["2.0", "1.0"] = Field("2.0", description="Format of the function's event.")
    cors: list[str] = Field(
        default_factory=no_items, description="Origins that browsers may call from."
    )
    auth: Auth | None = Field(None, description="Tokens that requests must bring; none without.")
    logs: LogRetention = Field(30 * DAY, description="How long access logs are kept, in days.")


KINDS: dict[str, type[Component]] = {
    model.kind: model for model in (Table, Function, LoadBalancer, HttpApi)
}
