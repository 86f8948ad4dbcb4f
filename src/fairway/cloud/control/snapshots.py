"""From ministack's stores to what the edge and the functions speak: pure readings.

HTTP APIs are read in `api_snapshots`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from fairway.cloud.control.durable.touch import peek
from fairway.cloud.control.invocation import versioned_arn
from fairway.cloud.edge.model import (
    Action,
    Condition,
    FixedResponse,
    Forward,
    HealthCheck,
    Listener,
    Redirect,
    Rule,
    TargetGroup,
)
from fairway.cloud.functions.model import Alias, Function

Record = dict[str, Any]
_FIELDS = (
    "path-pattern",
    "host-header",
    "http-request-method",
    "http-header",
    "query-string",
    "source-ip",
)


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores that matter, each as (account, region, key) or (account, key) to record."""

    functions: Mapping[tuple[str, ...], Record]
    load_balancers: Mapping[tuple[str, ...], Record]
    listeners: Mapping[tuple[str, ...], Record]
    rules: Mapping[tuple[str, ...], Record]
    target_groups: Mapping[tuple[str, ...], Record]
    targets: Mapping[tuple[str, ...], list[Record]]
    target_group_attributes: Mapping[tuple[str, ...], list[Record]]
    load_balancer_attributes: Mapping[tuple[str, ...], list[Record]]
    apis: Mapping[tuple[str, ...], Record]
    routes: Mapping[tuple[str, ...], dict[str, Record]]
    integrations: Mapping[tuple[str, ...], dict[str, Record]]
    stages: Mapping[tuple[str, ...], dict[str, Record]]
    authorizers: Mapping[tuple[str, ...], dict[str, Record]]


def peek_stores(stores: Stores) -> Stores:
    """The same content, for reading only: what is read so, nobody takes for changed."""
    return Stores(**{part.name: peek(getattr(stores, part.name)) for part in fields(stores)})


# --- functions ---------------------------------------------------------------


def iterate_packages(stores: Stores) -> Iterator[tuple[Record, bytes, Record]]:
    """Every function version that has code: (its configuration, its archive, its record)."""
    for record in list(stores.functions.values()):
        for version in (record, *record.get("versions", {}).values()):
            config, archive = version.get("config"), version.get("code_zip")
            if config and archive:
                yield config, archive, record


def read_function(config: Record, record: Record, code: Path) -> Function:
    """One version of a function, from its configuration."""
    arn = versioned_arn(config)
    name = str(config["FunctionName"])
    logging = config.get("LoggingConfig") or {}
    reserved = record.get("concurrency")
    return Function(
        arn=arn,
        name=name,
        runtime=str(config.get("Runtime") or ""),
        handler=str(config.get("Handler") or ""),
        timeout=int(config.get("Timeout") or 3),
        memory=int(config.get("MemorySize") or 128),
        code=code,
        code_sha256=str(config.get("CodeSha256") or ""),
        log_group=str(logging.get("LogGroup") or f"/aws/lambda/{name}"),
        region=arn.split(":")[3],
        role_arn=str(config.get("Role") or ""),
        version=str(config.get("Version") or "$LATEST"),
        reserved=None if reserved is None else int(reserved),
        provisioned=_count_provisioned(config, record),
        environment={str(k): str(v) for k, v in _variables(config).items()},
    )


def _variables(config: Record) -> dict[str, Any]:
    return (config.get("Environment") or {}).get("Variables") or {}


def _count_provisioned(config: Record, record: Record) -> int:
    """Provisioned concurrency of a version: its own, and that of aliases that stand for it."""
    version = str(config.get("Version") or "$LATEST")
    names = [version]
    for name, alias in (record.get("aliases") or {}).items():
        if alias.get("FunctionVersion") == version:
            names.append(name)
    settings = record.get("provisioned_concurrency") or {}
    found = [settings[name] for name in names if name in settings]
    return sum(int(s.get("RequestedProvisionedConcurrentExecutions") or 0) for s in found)


def read_aliases(stores: Stores) -> dict[str, Alias]:
    """Aliases, and $LATEST as one, by their qualified ARNs."""
    found: dict[str, Alias] = {}
    for record in list(stores.functions.values()):
        base = str(record["config"]["FunctionArn"])
        found[f"{base}:$LATEST"] = Alias(f"{base}:$LATEST", ((base, 1.0),))
        for name, alias in (record.get("aliases") or {}).items():
            arn = f"{base}:{name}"
            found[arn] = Alias(arn, _read_versions(base, alias))
    return found


def _read_versions(base: str, alias: Record) -> tuple[tuple[str, float], ...]:
    version = str(alias.get("FunctionVersion") or "$LATEST")
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    shares = {str(name): float(weight) for name, weight in weights.items()}
    shares = {version: 1.0 - sum(shares.values()), **shares}
    return tuple(
        (base if name == "$LATEST" else f"{base}:{name}", share) for name, share in shares.items()
    )


# --- load balancers ----------------------------------------------------------


def read_listeners(stores: Stores) -> list[Listener]:
    """Every HTTP and HTTPS listener whose load balancer exists, in order of creation."""
    rules = _group_rules(stores)
    groups = {g.arn: g for g in _read_target_groups(stores)}
    balancers = {str(lb["LoadBalancerArn"]): lb for lb in stores.load_balancers.values()}
    attributes = {
        key[-1]: _attributes(found) for key, found in stores.load_balancer_attributes.items()
    }
    found = []
    for record in stores.listeners.values():
        balancer = balancers.get(record["LoadBalancerArn"])
        if balancer is None or record.get("Protocol") not in ("HTTP", "HTTPS"):
            continue
        own = attributes.get(record["LoadBalancerArn"], {})
        own_rules = tuple(_read_rules(rules.get(record["ListenerArn"], ())))
        default = read_action(record.get("DefaultActions") or [])
        used = _list_groups([default, *(rule.action for rule in own_rules)])
        found.append(
            Listener(
                arn=record["ListenerArn"],
                load_balancer=str(balancer["LoadBalancerName"]),
                protocol=record["Protocol"],
                port=int(record["Port"]),
                rules=own_rules,
                default=default,
                target_groups={arn: groups[arn] for arn in used if arn in groups},
                drop_invalid_headers=own.get("routing.http.drop_invalid_header_fields.enabled")
                == "true",
            )
        )
    return found


def _list_groups(actions: Iterable[Action]) -> list[str]:
    return [arn for a in actions if isinstance(a, Forward) for arn, _ in a.groups]


def _group_rules(stores: Stores) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for rule in stores.rules.values():
        if not rule.get("IsDefault"):
            found.setdefault(rule["ListenerArn"], []).append(rule)
    return found


def _read_rules(records: Iterable[Record]) -> Iterator[Rule]:
    for record in sorted(records, key=lambda r: int(r["Priority"])):
        action = read_action(record.get("Actions") or [])
        for conditions in expand_conditions(record.get("Conditions") or []):
            yield Rule(int(record["Priority"]), conditions, action)


def expand_conditions(records: list[Record]) -> list[tuple[Condition, ...]]:
    """A rule's conditions; query-string pairs with different keys are alternatives.

    All conditions of a rule must match but any value within one, so each key of
    a query-string condition becomes a rule of its own.
    """
    variants: list[tuple[Condition, ...]] = [()]
    for record in records:
        options = _read_condition(record)
        variants = [(*variant, option) for variant in variants for option in options]
    return variants


def _read_condition(record: Record) -> list[Condition]:
    field = record.get("Field")
    if field not in _FIELDS:
        return []
    if field == "http-header":
        header = record.get("HttpHeaderConfig") or {}
        values = tuple(map(str, header.get("Values") or ()))
        return [Condition("http-header", values, str(header.get("HttpHeaderName") or ""))]
    if field == "query-string":
        pairs: dict[str | None, list[str]] = {}
        for value in record.get("Values") or ():
            pair = value if isinstance(value, dict) else {"Value": value}
            pairs.setdefault(pair.get("Key"), []).append(str(pair.get("Value", "")))
        return [Condition("query-string", tuple(v), k) for k, v in pairs.items()]
    return [Condition(cast(Any, field), tuple(map(str, record.get("Values") or ())))]


def read_action(records: list[Record]) -> Action:
    """The action that ends a list of actions; nothing to do is answered as 503."""
    ordered = sorted(records, key=lambda a: int(a.get("Order") or 0))
    for record in reversed(ordered):
        kind = record.get("Type")
        if kind == "fixed-response":
            fixed = record.get("FixedResponseConfig") or {}
            return FixedResponse(
                int(fixed.get("StatusCode") or 503),
                str(fixed.get("ContentType") or "text/plain"),
                str(fixed.get("MessageBody") or ""),
            )
        if kind == "redirect":
            return _read_redirect(record.get("RedirectConfig") or {})
        if kind == "forward":
            return Forward(_read_forward(record), _read_stickiness(record))
    return FixedResponse(503)


def _read_redirect(config: Record) -> Redirect:
    return Redirect(
        302 if config.get("StatusCode") == "HTTP_302" else 301,
        str(config.get("Protocol") or "#{protocol}"),
        str(config.get("Host") or "#{host}"),
        str(config.get("Port") or "#{port}"),
        str(config.get("Path") or "/#{path}"),
        str(config.get("Query") or "#{query}"),
    )


def _read_forward(record: Record) -> tuple[tuple[str, int], ...]:
    groups = (record.get("ForwardConfig") or {}).get("TargetGroups") or []
    if groups:
        return tuple((str(g["TargetGroupArn"]), int(g.get("Weight", 1))) for g in groups)
    return ((str(record.get("TargetGroupArn") or ""), 1),)


def _read_stickiness(record: Record) -> int | None:
    config = (record.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig") or {}
    if str(config.get("Enabled", "")).lower() != "true":
        return None
    return int(config["DurationSeconds"])


def _read_target_groups(stores: Stores) -> Iterator[TargetGroup]:
    targets = {key[-1]: found for key, found in stores.targets.items()}
    attributes = {
        key[-1]: _attributes(found) for key, found in stores.target_group_attributes.items()
    }
    for record in stores.target_groups.values():
        arn = str(record["TargetGroupArn"])
        is_lambda = record.get("TargetType") == "lambda"
        ids = [str(t["Id"]) for t in targets.get(arn, [])] if is_lambda else []
        own = attributes.get(arn, {})
        yield TargetGroup(
            arn=arn,
            functions=tuple(ids),
            multi_value_headers=own.get("lambda.multi_value_headers.enabled") == "true",
            health_check=_read_health_check(record),
        )


def _read_health_check(record: Record) -> HealthCheck | None:
    if not record.get("HealthCheckEnabled"):
        return None
    return HealthCheck(
        path=str(record.get("HealthCheckPath") or "/"),
        interval=int(record.get("HealthCheckIntervalSeconds") or 35),
        timeout=int(record.get("HealthCheckTimeoutSeconds") or 30),
        healthy_threshold=int(record.get("HealthyThresholdCount") or 5),
        unhealthy_threshold=int(record.get("UnhealthyThresholdCount") or 2),
        matcher=str((record.get("Matcher") or {}).get("HttpCode") or "200"),
    )


def _attributes(records: list[Record]) -> dict[str, str]:
    return {str(a["Key"]): str(a.get("Value", "")).lower() for a in records}
