"""References, properties and stack policies: pure readings of a template."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fairway.cloud.control.properties import find_problems, word_problems
from fairway.cloud.control.references import find_fault
from fairway.cloud.control.schemas import load_schema
from fairway.cloud.control.stack_policy import Action, find_denial

QUEUE: dict[str, Any] = {"Type": "AWS::SQS::Queue"}


def know_nothing(kind: str) -> None:
    return None


@pytest.mark.parametrize(
    "template",
    [
        {"Resources": {"Q": QUEUE}},
        {"Resources": {"Q": {**QUEUE, "Properties": {"QueueName": {"Ref": "AWS::StackName"}}}}},
        {"Resources": {"Q": {**QUEUE, "Properties": {"QueueName": {"Fn::Sub": "${!literal}"}}}}},
        {
            "Resources": {
                "Q": {
                    **QUEUE,
                    "Properties": {"QueueName": {"Fn::Sub": ["${Own}", {"Own": "x"}]}},
                }
            }
        },
        {"Transform": "x", "Resources": {"Q": {"Type": "M", "Properties": {"a": {"Ref": "X"}}}}},
        {
            "Parameters": {"P": {"Type": "String"}},
            "Resources": {"Q": {**QUEUE, "Properties": {"QueueName": {"Ref": "P"}}}},
            "Outputs": {"O": {"Value": {"Fn::GetAtt": "Q.Arn"}}},
        },
        {"Resources": {"C": {"Type": "Custom::X"}, "Q": {**QUEUE, "DependsOn": ["C"]}},
         "Outputs": {"O": {"Value": {"Fn::GetAtt": ["C", "Anything"]}}}},
    ],
)  # fmt: skip
def test_good_templates_pass(template: dict[str, Any]) -> None:
    assert find_fault(template, know_nothing) == ""


def test_a_circle_is_named_without_what_hangs_on_it() -> None:
    resources = {
        "Free": QUEUE,
        "A": {**QUEUE, "DependsOn": "B"},
        "B": {**QUEUE, "DependsOn": ["A", "Free"]},
        "Hanging": {**QUEUE, "DependsOn": "A"},
    }
    found = find_fault({"Resources": resources}, know_nothing)
    assert found == "Circular dependency between resources: [A, B]"


def test_attributes_are_asked_of_the_type() -> None:
    template = {
        "Resources": {"Q": QUEUE},
        "Outputs": {"O": {"Value": {"Fn::Sub": "x-${Q.Size}"}}},
    }
    found = find_fault(template, lambda kind: frozenset({"Arn"}))
    assert found == "Template error: resource Q does not support attribute type Size in Fn::GetAtt"


SCHEMA = {
    "properties": {
        "Name": {"type": "string"},
        "Count": {"type": "integer", "minimum": 1, "maximum": 3},
        "On": {"type": "boolean"},
        "Kind": {"enum": ["a", "b"], "type": "string"},
        "Part": {"$ref": "#/definitions/Part"},
        "Map": {"type": "object", "patternProperties": {"^[a-z]+$": {"type": "string"}},
                "additionalProperties": False},
        "Document": {"type": ["object", "string"]},
    },
    "definitions": {
        "Part": {"type": "object", "required": ["X"], "additionalProperties": False,
                 "properties": {"X": {"type": "array", "items": {"type": "number"}}}},
    },
    "required": ["Name"],
    "additionalProperties": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "problems"),
    [
        ({"Name": "n", "Count": "2", "On": "TRUE", "Kind": "b"}, []),
        ({"Name": 7, "Part": {"X": [1, "2.5", {"Ref": "P"}]}}, []),
        ({"Name": {"Fn::Sub": "x"}, "Part": {"Fn::If": ["c", {}, {}]}}, []),
        ({"Name": "n", "Map": {"ok": "x"}, "Document": {"any": ["thing"]}}, []),
        ({"Name": "n", "Kind": {"Ref": "AWS::NoValue"}}, []),
        ({}, [("#", "required key [Name] not found")]),
        ({"Name": "n", "Count": 4}, [("#/Count", "4 is not less or equal to 3")]),
        ({"Name": "n", "Count": 1.5}, [("#/Count", "expected type: Integer, found: Double")]),
        ({"Name": "n", "Count": True}, [("#/Count", "expected type: Integer, found: Boolean")]),
        ({"Name": "n", "Part": {"X": ["a"]}},
         [("#/Part/X/0", "expected type: Number, found: String")]),
        ({"Name": "n", "Map": {"UP": "x"}},
         [("#/Map", "extraneous key [UP] is not permitted")]),
        ({"Name": "n", "Document": []},
         [("#/Document", "expected type: JSONObject, found: JSONArray")]),
    ],
)  # fmt: skip
def test_properties(properties: Any, problems: list[tuple[str, str]]) -> None:
    assert find_problems(SCHEMA, properties) == problems


def test_the_reason_names_the_resource() -> None:
    told = word_problems("Q", [("#", "a"), ("#/X", "b")])
    assert told == "Properties validation failed for resource Q with message:\n#: a\n#/X: b"


def test_published_schemas_are_found() -> None:
    schema = load_schema("AWS::SQS::Queue", "eu-west-1")
    assert schema is not None
    assert "QueueName" in schema["properties"]
    assert load_schema("AWS::SQS::Queue", "nowhere-1") is not None
    assert load_schema("Custom::Thing", "eu-west-1") is None


ALLOW = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
DENY_TABLES = {
    "Effect": "Deny", "Action": ["Update:Replace", "Update:Delete"], "Principal": "*",
    "Resource": "*",
    "Condition": {"StringEquals": {"ResourceType": ["AWS::DynamoDB::Table"]}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "kind", "action", "denied"),
    [
        ([ALLOW], "AWS::SQS::Queue", "Update:Delete", ""),
        ([], "AWS::SQS::Queue", "Update:Modify", "no statement allows [Update:Modify]"),
        ([ALLOW, DENY_TABLES], "AWS::DynamoDB::Table", "Update:Replace",
         "Statement [#2] explicitly denies [Update:Replace]"),
        ([ALLOW, DENY_TABLES], "AWS::DynamoDB::Table", "Update:Modify", ""),
        ([ALLOW, DENY_TABLES], "AWS::SQS::Queue", "Update:Replace", ""),
        ([{**ALLOW, "NotAction": "Update:Delete"} | {"Action": None}], "AWS::SQS::Queue",
         "Update:Delete", "no statement allows"),
        ([{"Effect": "Allow", "Action": "Update:*", "NotResource": "LogicalResourceId/Q"}],
         "AWS::SQS::Queue", "Update:Modify", "no statement allows"),
    ],
)  # fmt: skip
def test_stack_policies(statements: Any, kind: str, action: Action, denied: str) -> None:
    found = find_denial(json.dumps({"Statement": statements}), "Q", kind, action)
    if denied:
        assert found is not None
        assert found.startswith("Action denied by stack policy: ")
        assert denied in found
    else:
        assert found is None


def test_no_policy_denies_nothing() -> None:
    assert find_denial("", "Q", "AWS::SQS::Queue", "Update:Delete") is None
