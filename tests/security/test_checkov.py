"""What checkov says of the examples' templates: everything that fails is listed with its reason.

The list may only shrink. checkov pins its dependencies, so it runs in an environment of its own.
"""

import json
import subprocess
from pathlib import Path

import pytest
import uv

from fairway.compile import compile_app
from fairway.route import load_app

EXAMPLES = Path(__file__).parents[2] / "examples"
CHECKOV = "checkov==3.3.30"

PLAIN_HTTP = "the example has no certificate; with `certificate:` the listener is HTTPS"
LOG_BUCKET = "a bucket of access logs has no access logs of its own"
ARTIFACTS = "access to the artifact bucket is not logged to another bucket"

ACCEPTED = {
    "timestamps": {
        ("CKV_AWS_2", "WebListener"): PLAIN_HTTP,
        ("CKV_AWS_103", "WebListener"): PLAIN_HTTP,
        ("CKV_AWS_260", "WebSecurityGroup"): PLAIN_HTTP,
        ("CKV_AWS_18", "WebLogs"): LOG_BUCKET,
        ("CKV_AWS_18", "Bucket"): ARTIFACTS,
    },
    "notes": {
        ("CKV_AWS_115", "Reader"): "no concurrency is reserved out of the account's limit",
        ("CKV_AWS_115", "Writer"): "no concurrency is reserved out of the account's limit",
        ("CKV_AWS_117", "Reader"): "the example has no network",
        ("CKV_AWS_117", "Writer"): "the example has no network",
        ("CKV_AWS_18", "Bucket"): ARTIFACTS,
    },
}


def scan_templates(directory: Path) -> dict:
    """Run checkov on a directory; its JSON report. It asks a server for advice and goes on."""
    command = [uv.find_uv_bin(), "tool", "run", "--from", CHECKOV, "checkov"]
    options = ["--directory", str(directory), "--framework", "cloudformation", "--output", "json"]
    done = subprocess.run(
        [*command, *options, "--quiet", "--compact"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    start = done.stdout.find("{")
    assert start >= 0, done.stderr[-2000:]
    return json.loads(done.stdout[start:])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ACCEPTED))
def test_only_accepted_checks_fail(name: str, tmp_path: Path) -> None:
    app = load_app(EXAMPLES / name, "poc")
    for stack in compile_app(app).stacks:
        (tmp_path / f"{stack.name}.json").write_text(stack.to_json(indent=1))
    report = scan_templates(tmp_path)
    failed = {
        (check["check_id"], check["resource"].rsplit(".", 1)[-1])
        for check in report["results"]["failed_checks"]
    }
    assert failed == set(ACCEPTED[name])
    assert report["summary"]["skipped"] == 0
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 25
