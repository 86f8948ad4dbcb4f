"""What is there: the application's stacks, read and never written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from fairway.aws import Aws
from fairway.aws.stacks import EMPTY_STATES, describe_stack
from fairway.plan.model import ObservedStack


def observe_stacks(aws: Aws, names: Iterable[str]) -> dict[str, ObservedStack]:
    """The stacks of these names that exist and hold something."""
    found: dict[str, ObservedStack] = {}
    for name in names:
        stack = describe_stack(aws, name)
        if stack is not None and stack["StackStatus"] not in EMPTY_STATES:
            found[name] = _observe(aws, name, stack)
    return found


def find_kept_tables(aws: Aws, stack: str) -> list[str]:
    """Tables that a removed stack of this name left behind, by the names CloudFormation makes."""
    # Names come in order and after the start: the first page holds ours, or there are none.
    answer = aws.dynamodb.list_tables(ExclusiveStartTableName=f"{stack}-", Limit=100)
    return [name for name in answer["TableNames"] if name.startswith(f"{stack}-")]


def _observe(aws: Aws, name: str, stack: dict[str, Any]) -> ObservedStack:
    body = aws.cloudformation.get_template(StackName=name, TemplateStage="Original")
    template: Any = body["TemplateBody"]
    if isinstance(template, str):
        template = json.loads(template)
    pages = aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    resources = [item for page in pages for item in page["StackResourceSummaries"]]
    return ObservedStack(
        name,
        stack["StackStatus"],
        template,
        {p["ParameterKey"]: p.get("ParameterValue", "") for p in stack.get("Parameters", [])},
        {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])},
        {r["LogicalResourceId"]: r.get("PhysicalResourceId", "") for r in resources},
    )
