"""One look at all stacks: what did not change since it was recorded is not asked for again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fairway.aws import Aws
from fairway.plan import ObservedStack
from fairway.plan.observe import Survey, observe_surveyed, survey_stacks

NAMES = ["shop-orders-poc-data", "shop-orders-poc-app"]


@dataclass
class Cloud:
    """CloudFormation and S3 as far as they are read, with a list of what was asked."""

    stacks: dict[str, dict[str, Any]]
    notes: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def list_pages(self, operation: str) -> Any:
        def paginate(**arguments: Any) -> Iterator[dict[str, Any]]:
            self.asked.append(" ".join([operation, *map(str, arguments.values())]))
            match operation:
                case "list_stacks":
                    for stack in self.stacks.values():
                        yield {"StackSummaries": [stack]}
                case "list_stack_resources":
                    yield {"StackResourceSummaries": []}
                case "list_objects_v2":
                    yield {"Contents": [{"Key": key} for key in self.notes]}

        return SimpleNamespace(paginate=paginate)

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        self.asked.append(f"describe_stacks {StackName}")
        return {"Stacks": [self.stacks[StackName]]}

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, Any]:
        self.asked.append(f"get_template {StackName}")
        return {"TemplateBody": {"Resources": {"Fresh": {}}}}

    def as_aws(self) -> Aws:
        client = SimpleNamespace(
            get_paginator=self.list_pages,
            describe_stacks=self.describe_stacks,
            get_template=self.get_template,
        )
        return cast("Aws", SimpleNamespace(cloudformation=client, s3=client))


def make_stack(name: str, at: str = "1", status: str = "CREATE_COMPLETE") -> dict[str, Any]:
    return {
        "StackName": name, "StackId": f"arn:{name}", "StackStatus": status, "CreationTime": "0",
        "LastUpdatedTime": at,
    }  # fmt: skip


def remember(name: str, at: str = "1", status: str = "CREATE_COMPLETE") -> ObservedStack:
    template = {"Resources": {"Remembered": {}}}
    return ObservedStack(name, status, template, {}, {}, {}, f"arn:{name} {at}")


def observe(cloud: Cloud, remembered: list[ObservedStack]) -> dict[str, ObservedStack]:
    survey = survey_stacks(cloud.as_aws())
    cloud.asked.clear()
    known = {stack.name: stack for stack in remembered}
    return observe_surveyed(cloud.as_aws(), NAMES, survey, known)


def test_what_did_not_change_is_not_asked_for() -> None:
    cloud = Cloud({name: make_stack(name) for name in NAMES})
    found = observe(cloud, [remember(name) for name in NAMES])
    assert {name: list(stack.template["Resources"]) for name, stack in found.items()} == {
        name: ["Remembered"] for name in NAMES
    }
    assert cloud.asked == []


@pytest.mark.parametrize(
    ("there", "remembered"),
    [
        (make_stack(NAMES[1], at="2"), remember(NAMES[1])),
        (make_stack(NAMES[1], status="UPDATE_ROLLBACK_COMPLETE"), remember(NAMES[1])),
        (
            make_stack(NAMES[1], status="UPDATE_IN_PROGRESS"),
            remember(NAMES[1], status="UPDATE_IN_PROGRESS"),
        ),
        ({**make_stack(NAMES[1]), "StackId": "arn:made anew"}, remember(NAMES[1])),
    ],
    ids=["updated", "rolled back", "moving", "made anew"],
)
def test_what_moved_is_asked_for(there: dict[str, Any], remembered: ObservedStack) -> None:
    cloud = Cloud({NAMES[0]: make_stack(NAMES[0]), NAMES[1]: there})
    found = observe(cloud, [remember(NAMES[0]), remembered])
    assert list(found[NAMES[0]].template["Resources"]) == ["Remembered"]
    assert list(found[NAMES[1]].template["Resources"]) == ["Fresh"]
    assert [asked for asked in cloud.asked if NAMES[0] in asked] == []


def test_what_is_gone_or_empty_is_neither_asked_for_nor_there() -> None:
    cloud = Cloud({NAMES[0]: make_stack(NAMES[0], status="ROLLBACK_COMPLETE")})
    assert observe(cloud, [remember(name) for name in NAMES]) == {}
    assert cloud.asked == []


def test_a_survey_is_a_few_questions_however_many_stacks() -> None:
    names = [*(f"shop-s{n}-poc-app" for n in range(300)), "fairway-artifacts"]
    cloud = Cloud({name: make_stack(name) for name in names}, notes=["code/shop-s1/poc.json"])
    bucket = {"OutputKey": "BucketName", "OutputValue": "bucket"}
    cloud.stacks["fairway-artifacts"]["Outputs"] = [bucket]
    survey = survey_stacks(cloud.as_aws())
    assert cloud.asked == [
        "list_stacks", "describe_stacks fairway-artifacts", "list_objects_v2 bucket code/",
    ]  # fmt: skip
    assert set(survey.states) == set(names)
    assert survey.notes == {"code/shop-s1/poc.json"}


def test_a_survey_of_nothing() -> None:
    assert survey_stacks(Cloud({}).as_aws()) == Survey()
