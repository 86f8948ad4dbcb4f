"""The examples' templates pass checkov; what a file accepts is told with its reason.

checkov pins its dependencies, so it runs in an environment of its own.
"""

from pathlib import Path

import pytest

from fairway.check.security import check_security
from fairway.compile import compile_app
from fairway.define import list_environments
from fairway.route import load_app

EXAMPLES = Path(__file__).parents[2] / "examples"
TEST = {"local", "poc"}
PLAIN_HTTP = {"checkov-CKV_AWS_2", "checkov-CKV_AWS_103", "checkov-CKV_AWS_260"}
ACCEPTED = {
    "timestamps": PLAIN_HTTP,
    "notes": {"checkov-CKV_AWS_115", "checkov-CKV_AWS_117"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_nothing_fails_and_only_what_the_file_accepts_is_accepted(name: str) -> None:
    environments = list_environments(EXAMPLES / name)
    assert set(environments) == {*TEST, "prod"}
    apps = {env: load_app(EXAMPLES / name, env) for env in environments}
    reports = check_security({env: (app, compile_app(app)) for env, app in apps.items()})
    assert [report.environment for report in reports] == environments
    for report in reports:
        assert report.findings == ()
        assert report.skipped == 0
        assert report.passed > 55
        found = {accepted.finding.code for accepted in report.accepted}
        assert found == (ACCEPTED[name] if report.environment in TEST else set())
        assert all(accepted.finding.place and accepted.reason for accepted in report.accepted)
