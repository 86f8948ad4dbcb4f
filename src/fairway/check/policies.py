"""Roles hold no `*`: our own rule, which needs no scanner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fairway.check.lint import find_place
from fairway.compile.template import StackTemplate, Templates
from fairway.define import App
from fairway.diagnostics import Diagnostic, Severity

# Actions that no resource can be named for: Service Authorization Reference, the column
# "Resource types" of "Actions, resources, and condition keys" for each service is empty.
WITHOUT_RESOURCE = frozenset(
    {
        "cloudformation:ListStacks",
        "ec2:DescribeManagedPrefixLists",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "logs:DescribeLogGroups",
        "sts:GetCallerIdentity",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }
)
_POLICY_TYPES = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")


def check_policies(app: App, templates: Templates) -> Iterator[Diagnostic]:
    """What the roles of an application may do with everything, or to everything."""
    for stack in templates.stacks:
        for logical_id, path, statement in list_statements(stack):
            yield from _check_statement(app, stack, logical_id, path, statement)


def list_statements(
    stack: StackTemplate,
) -> Iterator[tuple[str, tuple[str | int, ...], Mapping[str, Any]]]:
    """Logical id, path in the resource and statement of every identity policy of a stack."""
    for logical_id, body in stack.resources.items():
        properties = body.get("Properties") or {}
        found: list[tuple[tuple[str | int, ...], Any]] = []
        if body["Type"] == "AWS::IAM::Role":
            for number, inline in enumerate(properties.get("Policies") or []):
                found.append((("Policies", number), inline.get("PolicyDocument")))
        elif body["Type"] in _POLICY_TYPES:
            found.append((("PolicyDocument",), properties.get("PolicyDocument")))
        for path, document in found:
            statements = document.get("Statement", []) if isinstance(document, dict) else []
            for statement in statements if isinstance(statements, list) else [statements]:
                yield logical_id, path, statement


def find_wildcards(statement: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The actions with a `*`, and those that are allowed on `*` though a resource can be named."""
    if statement.get("Effect") != "Allow":
        return [], []
    actions, resources = _list(statement.get("Action")), _list(statement.get("Resource"))
    wild = [action for action in actions if "*" in action]
    if "NotAction" in statement:
        wild.append("all but those of NotAction")
    if "*" not in resources and "NotResource" not in statement:
        return wild, []
    return wild, [a for a in actions if a not in WITHOUT_RESOURCE and a not in wild]


def _check_statement(
    app: App,
    stack: StackTemplate,
    logical_id: str,
    path: tuple[str | int, ...],
    statement: Mapping[str, Any],
) -> Iterator[Diagnostic]:
    wild, unbound = find_wildcards(statement)
    place = find_place(app, stack, logical_id, ("Resources", logical_id, "Properties", *path))
    if wild:
        yield Diagnostic(
            "wildcard-action",
            f"{logical_id} allows {', '.join(wild)}",
            place,
            "name each action that the code needs",
            Severity.ERROR,
        )
    if unbound:
        yield Diagnostic(
            "wildcard-resource",
            f"{logical_id} allows {', '.join(unbound)} on every resource",
            place,
            "name the resources: these actions take ARNs",
            Severity.ERROR,
        )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
