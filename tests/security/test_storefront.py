"""The example with services passes checkov, but for what its root accepts for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.check import check_definition, lint_templates
from fairway.check.security import check_security
from fairway.compile import compile_app
from fairway.define import define_service, list_services, read_root

STOREFRONT = Path(__file__).parents[2] / "examples" / "storefront"
ACCEPTED = {"checkov-CKV_AWS_115", "checkov-CKV_AWS_117"}


@pytest.mark.slow
def test_services_pass_but_for_what_the_root_accepts() -> None:
    workspace = read_root(STOREFRONT)
    assert workspace is not None
    services, problems = list_services(workspace)
    assert [service.name for service in services] == ["catalog", "orders"]
    assert [*workspace.diagnostics, *problems] == []
    compiled = {}
    for service in services:
        definition = define_service(service, "poc")
        assert check_definition(definition) == []
        app = definition.require_app()
        compiled[f"{service.name} in poc"] = app, compile_app(app)
    for app, templates in compiled.values():
        assert list(lint_templates(app, templates)) == []
    for report in check_security(compiled):
        assert report.findings == ()
        assert report.skipped == 0
        assert report.passed > 40
        assert {accepted.finding.code for accepted in report.accepted} == ACCEPTED
