"""Whatever a handler does, its caller gets AWS's answer and the next request works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lifecycle.applications import Application, ask, wait_until

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).with_name("faulty.py").read_text()
DEFINITION = """
app: faults
owner: platform
region: eu-west-1
components:
  api:
    type: function
    handler: app.handler
    timeout: 1s
  absent:
    type: function
    handler: broken.handler
    timeout: 5s
  web:
    type: load-balancer
    health_check: /health
    routes: {GET /: api, GET /health: api, GET /absent: absent}
  http:
    type: http-api
    routes: {GET /: api, GET /absent: absent}
"""
# Fault: what the load balancer answers, what the HTTP API answers.
# Pages "Troubleshoot your Application Load Balancers" (502) and "Working with AWS Lambda
# proxy integrations for HTTP APIs" (500; any JSON without a statusCode is the body of a 200).
ANSWERS: dict[str, tuple[set[int], set[int]]] = {
    "none": ({200}, {200}),
    "megabyte": ({200}, {200}),
    "raise": ({502}, {500}),
    "list": ({502}, {200}),
    "string": ({502}, {200}),
    "nothing": ({502}, {200}),
    "no-status": ({502}, {200}),
    "bad-status": ({502}, {500}),
    "no-json": ({502}, {500}),
    "large": ({502}, {200}),
    "larger": ({502}, {500}),
    "exit": ({502}, {500}),
    "exit-well": ({502}, {500}),
    "kill": ({502}, {500}),
    "segfault": ({502}, {500}),
    # 503 when the integration's own timeout, as long as the function's, passes first.
    "timeout": ({502}, {500, 503}),
}


@pytest.fixture(scope="module")
def app(write_app: Callable[[str, str], Application]) -> Application:
    application = write_app(DEFINITION, SOURCE)
    broken = application.directory / "src" / "broken.py"
    broken.write_text("import a_module_that_is_not_there\n\n\ndef handler(event, context): ...\n")
    application.apply()
    return application


@pytest.fixture(scope="module")
def urls(app: Application) -> dict[str, str]:
    found: dict[str, str] = app.status()["urls"]
    return found


@pytest.mark.parametrize("fault", ANSWERS)
def test_behind_a_load_balancer(urls: dict[str, str], fault: str) -> None:
    answer = ask("GET", f"{urls['web']}/?fault={fault}")
    assert answer.status in ANSWERS[fault][0]
    if answer.status == 502:
        assert "<title>502 Bad Gateway</title>" in answer.text
        assert answer.headers["server"] == "awselb/2.0"
    following = ask("GET", f"{urls['web']}/")
    assert (following.status, following.text[:5]) == (200, "fine ")


@pytest.mark.parametrize("fault", ANSWERS)
def test_behind_an_http_api(urls: dict[str, str], fault: str) -> None:
    answer = ask("GET", f"{urls['http']}/?fault={fault}")
    assert answer.status in ANSWERS[fault][1]
    if answer.status == 500:
        assert answer.json() == {"message": "Internal Server Error"}
    following = ask("GET", f"{urls['http']}/")
    assert (following.status, following.text[:5]) == (200, "fine ")


def test_import_error(app: Application, urls: dict[str, str]) -> None:
    for _ in range(2):
        assert ask("GET", f"{urls['web']}/absent").status == 502
        assert ask("GET", f"{urls['http']}/absent").status == 500
    assert ask("GET", f"{urls['web']}/").status == 200
    wait_until(
        lambda: any("a_module_that_is_not_there" in line for line in app.list_lines("absent")),
        "the reason in the log",
    )


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("raise", "as asked"),
        ("timeout", "Task timed out after 1.00 seconds"),
        ("exit", "Runtime.ExitError"),
        ("kill", "signal: killed"),
    ],
)
def test_reason_is_in_the_log(
    app: Application, urls: dict[str, str], fault: str, text: str
) -> None:
    assert ask("GET", f"{urls['web']}/?fault={fault}").status == 502
    wait_until(lambda: any(text in line for line in app.list_lines("api")), text)


def test_large_output_does_not_hide_the_report(app: Application, urls: dict[str, str]) -> None:
    assert ask("GET", f"{urls['web']}/?fault=megabyte").text == "printed"
    lines = app.list_lines("api")
    assert sum(len(line) for line in lines if line.startswith("xxxx")) >= 1_048_576
    assert lines[-1].startswith("REPORT ")
