"""What is there: the application's stacks, read and never written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from fairway.aws import Aws
from fairway.aws.stacks import (
    EMPTY_STATES,
    describe_stack,
    list_stacks,
    list_summaries,
    tell_change,
)
from fairway.compile.artifacts import STACK_NAME as ARTIFACTS_STACK
from fairway.compile.draft import match_stack, name_stacks
from fairway.define import App
from fairway.plan.given_code import list_notes
from fairway.plan.model import ObservedStack

_AT_ONCE = 4  # stacks that are looked at side by side


@dataclass(frozen=True)
class Survey:
    """All stacks of an account and region at one moment, for many applications at once.

    states: name to status. changes: name to what `tell_change` says. notes: keys of the notes on
    code that functions were given directly.
    """

    states: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, str] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()

    def knows(self, stack: ObservedStack) -> bool:
        """Whether a stack is at rest and still as it was when it was observed."""
        return (
            bool(stack.changed_at)
            and self.changes.get(stack.name) == stack.changed_at
            and self.states[stack.name] == stack.status
            and not stack.status.endswith("_IN_PROGRESS")
        )


def survey_stacks(aws: Aws) -> Survey:
    """Ask once for all stacks, and for what stands in notes."""
    found = list_summaries(aws)
    stack = describe_stack(aws, ARTIFACTS_STACK) if ARTIFACTS_STACK in found else None
    outputs = stack.get("Outputs", []) if stack else []
    bucket = next((o["OutputValue"] for o in outputs if o["OutputKey"] == "BucketName"), None)
    return Survey(
        {name: stack["StackStatus"] for name, stack in found.items()},
        {name: tell_change(stack) for name, stack in found.items()},
        frozenset(list_notes(aws, bucket)) if bucket else frozenset(),
    )


def observe_stacks(aws: Aws, names: Iterable[str]) -> dict[str, ObservedStack]:
    """The stacks of these names that exist and hold something."""
    asked = list(names)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda name: _observe(aws, name), asked)
        return {name: one for name, one in zip(asked, found, strict=True) if one is not None}


def observe_surveyed(
    aws: Aws, names: Iterable[str], survey: Survey, remembered: Mapping[str, ObservedStack]
) -> dict[str, ObservedStack]:
    """The stacks of these names that the survey has; only those that changed are asked for.

    remembered: stacks as they were observed before, by name.
    """
    wanted = [n for n in names if survey.states.get(n, "") not in ("", *EMPTY_STATES)]
    known = {n: remembered[n] for n in wanted if n in remembered and survey.knows(remembered[n])}
    asked = [n for n in wanted if n not in known]
    fresh = observe_stacks(aws, asked) if asked else {}
    return {n: found for n in wanted if (found := known.get(n) or fresh.get(n)) is not None}


def find_stacks(aws: Aws, app: App, survey: Survey | None = None) -> list[str]:
    """The names to look for: the first stack of each layer, and the numbered ones that exist."""
    first = name_stacks(app)
    if survey is not None:
        return [*first, *sorted(n for n in survey.states if match_stack(app, n) and n not in first)]
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
