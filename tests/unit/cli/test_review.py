"""The review in words: never more than ten lines, no question left out, the same in Markdown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.plan.reviewing import allow, make_plan, resource, role
from tests.unit.plan.test_cases import CASES, plan_case

from fairway.cli.render.human import show_plan
from fairway.cli.render.markdown import LONGEST, write_plan
from fairway.cli.render.review import list_costs, summarise_review
from fairway.define.file import Expect
from fairway.plan import Plan, review_plan
from fairway.plan.cost import compare_costs
from fairway.plan.model import Drift

QUESTIONS = ["data", "permissions", "internet", "interruption", "cost"]


def summarise(plan: Plan) -> dict[str, list[str]]:
    return dict(summarise_review(plan, review_plan(plan)))


def a_busy_plan(count: int) -> Plan:
    after: dict[str, Any] = {}
    for n in range(count):
        after[f"R{n}Role"] = role(
            allow(["a:B", "a:C", "a:D", "a:E"], f"x{n}"), allow("a:*", "y"), allow("b:C", "z")
        )
        after[f"U{n}"] = resource("Lambda::Url", AuthType="NONE")
    before = {f"T{n}": resource("DynamoDB::Table") for n in range(count)}
    before |= {f"Api{n}": resource("ApiGatewayV2::Api", Name="x") for n in range(count)}
    return make_plan(before, after)


@pytest.mark.parametrize("file", CASES, ids=[case.stem for case in CASES])
def test_ten_lines_answer_every_question(file: Path) -> None:
    answers = summarise(plan_case(yaml.safe_load(file.read_text())))
    assert list(answers) == QUESTIONS
    assert sum(len(lines) for lines in answers.values()) <= 10
    assert all(lines and all(lines) for lines in answers.values())


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_ten_lines_hold_for_large_plans_and_count_the_rest(count: int) -> None:
    plan = replace(
        a_busy_plan(count), drift=(Drift("s", "A", "T", True), Drift("s", "B", "T", True))
    )
    answers = summarise(plan)
    assert list(answers) == [*QUESTIONS, "drift"]
    assert sum(len(lines) for lines in answers.values()) <= 10
    assert answers["drift"] == ["A was removed; 1 more below"]
    if count == 40:
        assert answers["data"][-1] == "lost: T1 is deleted with its rows; 38 more in --json"
        assert "more below" in answers["permissions"][-1]
        assert "more in --json" in answers["internet"][-1]


def test_nothing_to_tell_is_told() -> None:
    answers = summarise(make_plan({"Q": resource("SNS::Topic")}, {"Q": resource("SNS::Topic")}))
    assert answers["data"] == ["nothing is lost"]
    assert answers["permissions"] == ["nobody gains or loses any"]
    assert answers["internet"] == ["nothing opens or closes"]
    assert answers["interruption"] == ["none is expected"]


def test_wildcards_are_never_folded_away() -> None:
    statements = [allow("a:B", f"x{n}") for n in range(9)]
    plan = make_plan({}, {"ApiRole": role(*statements, allow("s3:Get", "*"))},
                     components={"ApiRole": "api"})  # fmt: skip
    assert summarise(plan)["permissions"] == [
        "+ api: s3:Get on * (wildcard)",
        "+ api: 9 permissions on x0, x1, x2 (+6)",
    ]


def test_the_bill_tells_what_each_figure_rests_on() -> None:
    expect = Expect(requests="1M per month", duration="100ms")
    plan = make_plan({}, {"F": resource("Lambda::Function", MemorySize=1024)}, expect=expect)
    lines = list(list_costs(compare_costs(plan)))
    assert lines[0].startswith("F  $0.00 -> $0.20")
    assert lines[0].endswith("1 x 1M requests: expect.requests")
    assert "100,000 x GB-second: expect.requests x 100 ms (expect.duration) x 1024 MB" in lines[1]
    assert lines[2] == "total  $0.00 -> $1.87"
    assert lines[-1].startswith("price from: AWS Lambda Pricing, https://aws.amazon.com/lambda/")


TRANSCRIPT = """\
shop in poc (eu-west-1): 1 to create, 2 to update, 1 to replace, 1 to delete
no AWS credentials: compared with release 3

  data          lost: Rows is replaced; the old one is deleted with its rows
                lost: Old is deleted with its messages
  permissions   + api: s3:Get on * (wildcard)
                - api: s3:Get on b
  internet      + Url: function URL
  interruption  Rows is empty from then on
  cost          $0.00 a month as before; 3 things not counted; --cost tells

s  stack changes, 5 of 6 resources
  ~ ApiRole  AWS::IAM::Role
      + api: s3:Get on * (wildcard)
      - api: s3:Get on b
  ~ Api      AWS::Lambda::Function
      Environment.Variables.STRIPE_KEY: (secret) -> (secret)
      MemorySize: 128 -> 256
  ± Rows     AWS::DynamoDB::Table
      TableName: a -> b  replaces the resource
      a new one is made; the old one is deleted
  + Url      AWS::Lambda::Url
  - Old      AWS::SQS::Queue
"""


def test_the_whole_of_a_plan_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def api(memory: int, key: str) -> dict[str, Any]:
        variables = {"Variables": {"STRIPE_KEY": key}}
        return resource("Lambda::Function", MemorySize=memory, Environment=variables)

    before = {
        "ApiRole": role(allow("s3:Get")),
        "Api": api(128, "a"),
        "Rows": resource("DynamoDB::Table", TableName="a"),
        "Same": resource("IAM::Role"),
        "Old": resource("SQS::Queue"),
    }
    after = {
        "ApiRole": role(allow("s3:Get", "*")),
        "Api": api(256, "b"),
        "Rows": resource("DynamoDB::Table", TableName="b"),
        "Same": resource("IAM::Role"),
        "Url": resource("Lambda::Url", AuthType="NONE"),
    }
    plan = make_plan(before, after, components={"ApiRole": "api"})
    show_plan(replace(plan, compared=False, against="release 3"))
    assert capsys.readouterr().out == TRANSCRIPT


def test_markdown_has_the_answers_the_list_and_the_digest() -> None:
    plan = make_plan(
        {"F": resource("Lambda::Function", MemorySize=128)},
        {"F": resource("Lambda::Function", MemorySize=256)},
    )
    text = write_plan(plan, "abc")
    assert "### shop in poc (eu-west-1): 1 to update" in text
    for question in QUESTIONS:
        assert f"| **{question}** | " in text
    assert "```diff\n! update F  AWS::Lambda::Function\n    MemorySize: 128 -> 256\n```" in text
    assert text.endswith("Digest of the saved plan: `abc`")


def test_nothing_in_a_plan_can_end_markdown_s_blocks() -> None:
    before = {"F": resource("Lambda::Function", Description="a")}
    after = {"F": resource("Lambda::Function", Description="```\n<script>|")}
    text = write_plan(make_plan(before, after))
    (line,) = [line for line in text.splitlines() if "Description:" in line]
    assert line == r"    Description: a -> ```\n<script>|"
    assert "````diff\n" in text


def test_markdown_of_nothing() -> None:
    same = {"Q": resource("SNS::Topic")}
    assert write_plan(make_plan(same, same)) == "### shop in poc (eu-west-1): nothing to change"


def test_markdown_fits_into_a_comment() -> None:
    text = write_plan(a_busy_plan(600))
    assert len(text) <= LONGEST + 100
    assert "(cut: `fairway plan` shows all of it)" in text
