"""Comparing: paths, references, replacements that spread, and what the schemas say."""

from __future__ import annotations

from typing import Any

import pytest

from fairway.compile.template import StackTemplate, dump_canonical
from fairway.plan import Action, ObservedStack, Unknown
from fairway.plan.compare import compare_stack, diff_values, fill_parameters, find_references
from fairway.plan.planning import order_removals
from fairway.plan.schemas import list_create_only, load_schema, replaces


def compare(
    before: dict[str, Any], after: dict[str, Any], values: dict[str, str | Unknown] | None = None
) -> dict[str, Action]:
    template = StackTemplate("s", "app", {"Resources": after}, {}, {}, {})
    there = ObservedStack("s", "CREATE_COMPLETE", {"Resources": before}, {"P": "1"}, {}, {})
    changes = compare_stack(None, template, there, values or {"P": "1"}, "eu-west-1")
    return {change.logical_id: change.action for change in changes}


def topic(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Topic", "Properties": properties}


def subscription(target: Any) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Subscription", "Properties": {"Protocol": "sqs", "TopicArn": target}}


@pytest.mark.parametrize(
    ("value", "references"),
    [
        ({"Ref": "A"}, {"A"}),
        ({"Fn::GetAtt": ["A", "Arn"]}, {"A"}),
        ({"Fn::GetAtt": "A.Arn"}, {"A"}),
        ({"Fn::Sub": "x ${A} ${B.Arn} ${AWS::Region}"}, {"A", "B", "AWS::Region"}),
        ({"Fn::Sub": ["${C}", {"C": {"Ref": "D"}}]}, {"C", "D"}),
        ({"Fn::Join": [",", [{"Ref": "A"}, "text"]]}, {"A"}),
        ("A", set()),
    ],
)
def test_references(value: Any, references: set[str]) -> None:
    assert find_references(value) == references


def test_differences_are_told_at_their_paths() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "gone": 1, "list": [1]}
    new = {"a": {"b": 2, "c": [1, 3]}, "come": 2, "list": [1, 2]}
    assert list(diff_values(old, new)) == [
        (("a", "b"), 1, 2),
        (("a", "c", "1"), 2, 3),
        (("come",), None, 2),
        (("gone",), 1, None),
        (("list",), None, 2),
    ]


@pytest.mark.parametrize(
    ("old", "new", "differences"),
    [
        ([1, 2, 3], [1, 3], [(2, None)]),
        ([1, 2], [0, 1, 2], [(None, 0)]),
        ([1], [1, 1], [([1], [1, 1])]),
        ([], [1], [(None, 1)]),
    ],
)
def test_lists_of_other_length_tell_what_left_and_came(
    old: list[int], new: list[int], differences: list[tuple[object, object]]
) -> None:
    assert [(a, b) for _, a, b in diff_values(old, new)] == differences


@pytest.mark.parametrize(
    ("attribute", "old", "new", "action"),
    [
        ("Condition", "IsProd", "IsPoc", Action.UPDATE),
        ("Condition", None, "IsProd", Action.UPDATE),
        ("UpdatePolicy", {"A": {"Pause": "PT1M"}}, {"A": {"Pause": "PT2M"}}, Action.UPDATE),
        ("CreationPolicy", None, {"ResourceSignal": {"Count": 1}}, Action.UPDATE),
        ("Metadata", {"Text": "one"}, {"Text": "two"}, Action.UPDATE),
        ("DeletionPolicy", "Retain", None, Action.UPDATE),
        ("DependsOn", "B", ["B", "C"], Action.NONE),
    ],
)
def test_what_stands_beside_properties_is_compared(
    attribute: str, old: Any, new: Any, action: Action
) -> None:
    before, after = ({**topic(), attribute: value} if value else topic() for value in (old, new))
    assert compare({"T": before}, {"T": after}) == {"T": action}
    assert compare({"T": after}, {"T": after}) == {"T": Action.NONE}


def test_parameters_are_filled_in_at_any_depth() -> None:
    value = {"a": [{"Ref": "P"}, {"Ref": "Other"}]}
    assert fill_parameters(value, {"P": "1"}) == {"a": ["1", {"Ref": "Other"}]}


def test_a_parameter_of_another_value_is_a_change() -> None:
    same = {"T": topic(DisplayName={"Ref": "P"})}
    assert compare(same, same) == {"T": Action.NONE}
    assert compare(same, same, {"P": "2"}) == {"T": Action.UPDATE}
    assert compare(same, same, {"P": Unknown("apply")}) == {"T": Action.UPDATE}


def test_a_replacement_spreads_to_what_refers_to_it() -> None:
    before = {"T": topic(TopicName="a"), "S": subscription({"Ref": "T"})}
    after = {"T": topic(TopicName="b"), "S": subscription({"Ref": "T"})}
    assert compare(before, after) == {"T": Action.REPLACE, "S": Action.REPLACE}


def test_another_type_is_another_resource() -> None:
    after = {"T": {"Type": "AWS::SQS::Queue"}}
    assert compare({"T": topic()}, after) == {"T": Action.REPLACE}


@pytest.mark.parametrize(
    ("policy", "action"),
    [("Retain", Action.KEEP), ("RetainExceptOnCreate", Action.KEEP), ("Delete", Action.DELETE)],
)
def test_what_leaves_the_file_goes_or_stays(policy: str, action: Action) -> None:
    assert compare({"T": {**topic(), "DeletionPolicy": policy}}, {}) == {"T": action}


@pytest.mark.parametrize(
    ("kind", "path", "expected"),
    [
        ("AWS::DynamoDB::Table", ("TableName",), True),
        ("AWS::DynamoDB::Table", ("KeySchema", "0", "AttributeName"), True),
        ("AWS::DynamoDB::Table", ("BillingMode",), False),
        ("AWS::EC2::VPC", ("CidrBlock",), True),
        ("AWS::Lambda::Function", ("FunctionName",), True),
        ("AWS::Lambda::Function", ("MemorySize",), False),
        ("Custom::Unpublished", ("Anything",), False),
    ],
)
def test_replacements_are_those_of_the_schemas(
    kind: str, path: tuple[str, ...], expected: bool
) -> None:
    assert replaces(kind, "eu-west-1", path) is expected


def test_an_unknown_region_has_the_schemas_of_the_first() -> None:
    kind = "AWS::EC2::VPC"
    assert load_schema(kind, "xx-nowhere-9") == load_schema(kind, "us-east-1")
    assert list_create_only(kind, "xx-nowhere-9")


def test_stacks_are_removed_before_those_they_need() -> None:
    names = ["a-network", "a-data", "a-app", "other"]
    stacks = [ObservedStack(name, "", {}, {}, {}, {}) for name in names]
    assert [s.name for s in order_removals(stacks)] == ["a-app", "other", "a-data", "a-network"]


def test_unknown_values_have_no_place_in_templates() -> None:
    with pytest.raises(TypeError):
        dump_canonical({"a": Unknown("apply")})
