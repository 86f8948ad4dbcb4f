"""cfn-lint finds the same whichever way it is run: anew for each template, or loaded once.

The one way is what `fairway check` did at first: all of cfn-lint's rules made anew for each
template. The templates are the golden ones and those of the examples, as they are and with faults.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fairway.check import lint_all
from fairway.check.kept import KeptResults, Surroundings
from fairway.check.lint_worker import lint_jobs
from fairway.check.linter import Job, Linter, Match
from fairway.cli.selection import select
from fairway.compile import Templates, compile_app
from fairway.define import App, define_app, define_service

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "templates"
NOWHERE = {"Ref": "Nowhere"}
FAULTS: tuple[dict[str, Any], ...] = (
    {"Properties": {"Nonsense": 1}},
    {"Properties": {"Tags": "none", "Description": ["a list"]}},
    {"DependsOn": "Nowhere"},
    {"Properties": {"Name": NOWHERE, "Runtime": "python2.7", "MemorySize": "many"}},
    {"Condition": "Never"},
    {"Properties": {"Tags": [{"Key": {"Fn::GetAtt": ["Nowhere", "Arn"]}}]}},
    {"DeletionPolicy": "Perhaps", "Properties": {"CidrBlock": "10.0.0.0/8"}},
    {"Type": "AWS::No::Such"},
)


def read_golden() -> list[str]:
    """Different templates, in the order of their names."""
    texts = [file.read_text() for file in sorted(GOLDEN.rglob("*.json"))]
    return list(dict.fromkeys(texts))


def spoil(text: str) -> str:
    """A template with a fault in each resource; which one depends on where it stands."""
    template = json.loads(text)
    faults = itertools.cycle(FAULTS)
    for resource, fault in zip(template["Resources"].values(), faults, strict=False):
        properties = {**resource.get("Properties", {}), **fault.get("Properties", {})}
        if "DependsOn" not in fault and len(properties) > 2:
            del properties[next(iter(properties))]  # it may be a required one
        resource |= {**fault, "Properties": properties}
    template["Outputs"] = {"Url": {"Value": {"Fn::Sub": "https://${Nowhere}.${AWS::Region}"}}}
    return json.dumps(template, indent=1)


def lint_anew(job: Job) -> list[Match]:
    """The one way."""
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    config = ManualArgs(regions=[job.region], include_checks=[])
    return [
        Match(m.rule.id, m.rule.severity == "error", m.rule.shortdesc, m.message, _path(m))
        for m in lint(job.text, config=config)
    ]


def _path(match: Any) -> tuple[str | int, ...]:
    path = getattr(match, "path", None) or ()
    return tuple(step if isinstance(step, int) else str(step) for step in path)


@pytest.fixture(scope="module")
def faulty() -> list[tuple[Job, list[Match]]]:
    """Every fourth of the golden templates with faults, and what is found in them the one way."""
    jobs = [Job("eu-west-1", spoil(text)) for text in read_golden()[::4]]
    jobs += [Job("us-gov-west-1", jobs[0].text), Job("eu-west-1", "[1]"), Job("eu-west-1", "{]")]
    return [(job, lint_anew(job)) for job in jobs]


def test_faults_are_found(faulty: list[tuple[Job, list[Match]]]) -> None:
    rules = {match.rule for _, found in faulty for match in found}
    assert {"E0000", "E1010", "E1020", "E3002", "E3006", "E3012"} <= rules
    assert all(found for _, found in faulty)


def test_one_load_for_all(faulty: list[tuple[Job, list[Match]]]) -> None:
    """In both orders, with sound templates between: nothing of one is left for the next."""
    linter = Linter()
    sound = [Job("eu-west-1", text) for text in read_golden()]
    order = itertools.cycle([*faulty, *faulty[::-1]])
    for clean, (job, found) in zip(sound, order, strict=False):
        assert list(linter.lint(job)) == found
        assert linter.lint(clean) == ()


def test_processes(faulty: list[tuple[Job, list[Match]]]) -> None:
    """The same; cfn-lint walks through sets, whose order is a process's own, in each run too."""
    for (_, wanted), found in zip(faulty, lint_jobs([job for job, _ in faulty], 2), strict=True):
        assert Counter(map(settle, found)) == Counter(map(settle, wanted))


def settle(match: Match) -> Match:
    """Without the order of what a message lists."""
    return replace(match, message=" ".join(sorted(re.findall(r"[^\s,\[\]]+", match.message))))


def test_a_root_of_services_is_clean() -> None:
    services = select(ROOT / "examples" / "storefront", ()).services
    apps = [
        define_service(one, name).require_app() for one in services for name in ("local", "poc")
    ]
    assert lint_all([(app, compile_app(app)) for app in apps], processors=1) == []


TEXT = """app: shop
components:
  rows: {{type: table, partition_key: id}}
resources:
  Topic: {{Type: AWS::SNS::Topic, Properties: {{{fault}: x}}}}
  Queue: {{Type: AWS::SQS::Queue, Properties: {{VisibilityTimeout: long, DelaySecond: 1}}}}
"""


def compile_text(directory: Path, fault: str) -> tuple[App, Templates]:
    directory.mkdir(exist_ok=True)
    (directory / "fairway.yml").write_text(TEXT.format(fault=fault))
    app = define_app(directory).require_app()
    return app, compile_app(app)


def test_what_was_found_is_told_again_in_its_order(tmp_path: Path) -> None:
    """Kept results give the same diagnostics at the places that the file has now."""
    around = Surroundings(tmp_path, tmp_path, (tmp_path,), date(2026, 11, 21))
    compiled = compile_text(tmp_path / "app", "TopicNam")
    first = lint_all([compiled], KeptResults(tmp_path / "lint.json", around), processors=1)
    told: list[Any] = []
    again = lint_all([compiled], KeptResults(tmp_path / "lint.json", around), told.append)
    assert first == again
    assert len([d for d in first if d.is_error]) == 3
    assert [event.detail for event in told if hasattr(event, "detail")] == ["3 templates, 0 new"]
    edited = compile_text(tmp_path / "app", "TopicNaam")
    found = lint_all([edited], KeptResults(tmp_path / "lint.json", around), processors=1)
    assert "'TopicNaam' was unexpected" in str([d.summary for d in found])
    assert "'TopicNam'" not in str([d.summary for d in found])
