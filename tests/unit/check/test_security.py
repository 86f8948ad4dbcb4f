"""The scan: checkov's report in our words, what a file accepts, SARIF, and our own rule."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fairway.bundle.resolve import Finished
from fairway.check import check_definition
from fairway.check.accepted import RULES
from fairway.check.policies import check_policies
from fairway.check.scanner import ScanFailed
from fairway.check.security import SecurityReport, check_security
from fairway.cli.render.sarif import make_sarif
from fairway.compile import compile_app
from fairway.define import App
from fairway.define.definition import define_text

TEXT = """app: shop
accept:
  plain-http: there is no domain yet
  CKV_AWS_115: one function, one user
components:
  api: {type: function, handler: app.handler}
  web:
    type: load-balancer
    routes: {GET /: api}
"""


def read(text: str, root: Path = Path("/app")) -> App:
    app = define_text(text, root).app
    assert app is not None
    return app


class Checkov:
    """Answers as checkov does, for given failures; looks at the files that it is given."""

    def __init__(self, *failed: tuple[str, str, str]) -> None:
        self.failed = failed
        self.files: list[str] = []

    def __call__(self, arguments: Sequence[str], directory: Path) -> Finished:
        assert "--soft-fail" in arguments
        self.files = sorted(str(f.relative_to(directory)) for f in directory.rglob("*.json"))
        results = {
            "failed_checks": [
                {"check_id": check, "check_name": f"Name of {check}", "file_path": f"/{file}",
                 "resource": resource}
                for check, file, resource in self.failed
            ],
            "passed_checks": [{"file_path": f"/{self.files[0]}", "resource": "A::B.C"}],
            "skipped_checks": [],
        }  # fmt: skip
        report = {"results": results, "summary": {"parsing_errors": 0}}
        return Finished(0, "a warning\n" + json.dumps(report), "")


def scan(text: str, run: Any) -> SecurityReport:
    app = read(text)
    (report,) = check_security({"local": (app, compile_app(app))}, run)
    return report


def test_findings_have_our_place_and_name_and_the_way_out() -> None:
    app_file = "local/shop-local-app.json"
    checkov = Checkov(("CKV_AWS_117", app_file, "AWS::Lambda::Function.Api"))
    report = scan(TEXT.replace("accept:", "owner: me\nregion: eu-west-1\naccept:"), checkov)
    assert app_file in checkov.files
    assert "local/fairway-artifacts.json" in checkov.files
    (found,) = (d for d in report.findings if d.is_error)
    assert found.code == "checkov-CKV_AWS_117"
    assert "Name of CKV_AWS_117 (Api in shop-local-app)" in found.summary
    assert found.place is not None
    assert (found.place.line, found.place.column) == (8, 3)
    assert found.hint is not None
    assert "`accept: {no-network: why}`" in found.hint
    assert report.passed == 1


def test_what_the_file_accepts_is_told_with_its_reason() -> None:
    file = "local/shop-local-app.json"
    checkov = Checkov(
        ("CKV_AWS_2", file, "AWS::ElasticLoadBalancingV2::Listener.WebListener"),
        ("CKV_AWS_115", file, "AWS::Lambda::Function.Api"),
    )
    report = scan(TEXT, checkov)
    assert report.findings == ()
    reasons = {a.finding.code: a.reason for a in report.accepted}
    assert reasons == {
        "checkov-CKV_AWS_2": "there is no domain yet",
        "checkov-CKV_AWS_115": "one function, one user",
    }


def test_a_reason_for_what_is_not_found_is_told() -> None:
    report = scan(TEXT, Checkov())
    assert [(d.code, d.is_error) for d in report.findings] == [("accepts-nothing", False)] * 2
    assert {d.place.line for d in report.findings if d.place} == {3, 4}


def test_a_reason_is_demanded_and_a_name_must_stand_for_something() -> None:
    found = check_definition(define_text(TEXT.replace("plain-http", "plain-htp"), Path("/app")))
    (unknown,) = (d for d in found if d.code == "unknown-finding")
    assert unknown.hint == "did you mean 'plain-http'?"
    assert unknown.place is not None
    assert unknown.place.line == 3
    short = check_definition(define_text(TEXT.replace("there is no domain yet", "no"), Path("/")))
    assert any(d.place and d.place.line == 3 for d in short)


def test_an_environment_accepts_for_itself() -> None:
    text = TEXT + "environments:\n  poc: {accept: {no-network: nothing to protect}}\n"
    assert "no-network" not in read(text).accept
    app = define_text(text, Path("/app"), "poc").app
    assert app is not None
    assert app.accept.keys() == {"plain-http", "CKV_AWS_115", "no-network"}


@pytest.mark.parametrize("done", [
    Finished(2, "", "error: no network"),
    Finished(0, "", ""),
    Finished(0, "{broken", ""),
    Finished(0, json.dumps({"results": {}, "summary": {"parsing_errors": 1}}), ""),
])  # fmt: skip
def test_a_scan_that_did_not_happen_is_no_clean_scan(done: Finished) -> None:
    with pytest.raises(ScanFailed) as caught:
        scan(TEXT, lambda arguments, directory: done)
    assert caught.value.hint is not None
    assert (caught.value.detail or "") == done.errors


def test_each_name_stands_for_checks_of_its_own() -> None:
    checks = [check for rule in RULES.values() for check in rule.checks]
    assert len(checks) == len(set(checks))


def test_wildcards_in_a_users_own_policies_are_found_at_their_line() -> None:
    text = (
        TEXT
        + """resources:
  Reader:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: read
      Roles: [{Ref: ApiRole}]
      PolicyDocument:
        Statement:
          - {Effect: Allow, Action: "s3:*", Resource: "arn:aws:s3:::b"}
          - {Effect: Allow, Action: [s3:GetObject, ec2:DescribeSubnets], Resource: "*"}
          - {Effect: Deny, Action: "*", Resource: "*"}
"""
    )
    app = read(text)
    found = list(check_policies(app, compile_app(app)))
    assert [d.code for d in found] == ["wildcard-action", "wildcard-resource"]
    assert all(d.place and 11 <= d.place.line <= 18 for d in found)
    assert "s3:GetObject" in found[1].summary
    assert "DescribeSubnets" not in found[1].summary


def test_sarif_names_rules_places_and_suppressions() -> None:
    file = "local/shop-local-app.json"
    report = scan(TEXT, Checkov(
        ("CKV_AWS_2", file, "AWS::ElasticLoadBalancingV2::Listener.WebListener"),
        ("CKV_AWS_117", file, "AWS::Lambda::Function.Api"),
        ("CKV_AWS_18", "local/fairway-artifacts.json", "AWS::S3::Bucket.Bucket"),
    ))  # fmt: skip
    log = json.loads(json.dumps(make_sarif(report.findings, report.accepted, Path("/app"))))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note", "none")
        assert result["message"]["text"]
        for location in result["locations"]:
            place = location["physicalLocation"]
            assert place["artifactLocation"] == {"uri": "fairway.yml", "uriBaseId": "%SRCROOT%"}
            assert place["region"]["startLine"] >= 1
            assert place["region"]["startColumn"] >= 1
    assert "%SRCROOT%" in run["originalUriBaseIds"]
    by_rule = {result["ruleId"]: result for result in run["results"]}
    assert "suppressions" not in by_rule["checkov-CKV_AWS_117"]
    assert by_rule["checkov-CKV_AWS_2"]["suppressions"] == [
        {"kind": "inSource", "status": "accepted", "justification": "there is no domain yet"}
    ]
