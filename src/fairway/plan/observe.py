"""What is there: the application's stacks, read and never written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fairway.aws import Aws
from fairway.aws.stacks import EMPTY_STATES, describe_stack, list_stacks, tell_change
from fairway.compile.draft import match_stack, name_stacks
from fairway.define import App
from fairway.plan.model import ObservedStack

_AT_ONCE = 4  # stacks that are looked at side by side


def observe_stacks(aws: Aws, names: Iterable[str]) -> dict[str, ObservedStack]:
    """The stacks of these names that exist and hold something."""
    asked = list(names)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda name: _observe(aws, name), asked)
        return {name: one for name, one in zip(asked, found, strict=True) if one is not None}


def find_stacks(aws: Aws, app: App) -> list[str]:
    """The names to look for: the first stack of each layer, and the numbered ones that exist."""
    first = name_stacks(app)
    numbered = [n for n in list_stacks(aws) if match_stack(app, n) and n not in first]
    return [*first, *sorted(numbered)]


def find_kept_tables(aws: Aws, stack: str) -> list[str]:
    """Tables that a removed stack of this name left behind, by the names CloudFormation makes."""
    # Names come in order and after the start: the first page holds ours, or there are none.
    answer = aws.dynamodb.list_tables(ExclusiveStartTableName=f"{stack}-", Limit=100)
    return [name for name in answer["TableNames"] if name.startswith(f"{stack}-")]


def _observe(aws: Aws, name: str) -> ObservedStack | None:
    stack = describe_stack(aws, name)
    if stack is None or stack["StackStatus"] in EMPTY_STATES:
        return None
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
        tell_change(stack),
    )
