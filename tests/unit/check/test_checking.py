"""Check: all rules on one application, handlers of any form, lint at the user's lines."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fairway.check import check_definition, lint_templates, require_valid
from fairway.compile import compile_app
from fairway.define import define_app
from fairway.define.definition import define_text
from fairway.diagnostics import Diagnostic, Severity
from fairway.errors import InvalidApplication

ONE = "app: shop\ncomponents:\n  api: {type: function, handler: app.handler}\n"


def check_code(directory: Path, code: str | bytes, text: str = ONE) -> list[Diagnostic]:
    (directory / "fairway.yml").write_text(text)
    (directory / "src").mkdir(exist_ok=True)
    (directory / "src" / "app.py").write_bytes(code if isinstance(code, bytes) else code.encode())
    return check_definition(define_app(directory))


@pytest.mark.parametrize(
    "code",
    [
        "def handler(event, context): ...",
        "async def handler(event, context): ...",
        "class handler: ...",
        "handler = print",
        "handler: object = print",
        "(first, (handler, *rest)) = 1, (2, 3)",
        "from other import handler",
        "from other import run as handler",
        "from other import *",
        "import handler",
        "if True:\n    pass\nelse:\n    def handler(event, context): ...",
        "try:\n    import fast as handler\nexcept ImportError:\n    import slow as handler",
        "try:\n    pass\nfinally:\n    handler = 1",
        "with open('x') as f:\n    handler = 1",
        "for i in []:\n    handler = i",
        "# -*- coding: latin-1 -*-\n# \xe9\nhandler = 1".encode("latin-1"),
        b"\xef\xbb\xbfhandler = 1",
        r"handler = '\d'",
    ],
)
def test_handlers_of_any_form_are_found(
    tmp_path: Path, code: str | bytes, recwarn: pytest.WarningsRecorder
) -> None:
    assert check_code(tmp_path, code) == []
    assert list(recwarn) == []


@pytest.mark.parametrize(
    "code",
    ["", "def other(): ...", "def other():\n    handler = 1", "x.handler = 1", "print(handler)"],
)
def test_what_binds_no_handler_is_told(tmp_path: Path, code: str) -> None:
    assert [d.code for d in check_code(tmp_path, code)] == ["no-handler"]


def test_a_package_may_hold_the_handler(tmp_path: Path) -> None:
    (tmp_path / "src" / "app").mkdir(parents=True)
    (tmp_path / "src" / "app" / "__init__.py").write_text("handler = 1")
    (tmp_path / "fairway.yml").write_text(ONE)
    assert check_definition(define_app(tmp_path)) == []


def test_code_is_read_and_never_run(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\nhandler = 1"
    assert check_code(tmp_path, code) == []
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="no newer runtime to write code for")
@pytest.mark.parametrize(
    ("environment", "severity"), [("local", Severity.ERROR), ("prod", Severity.WARNING)]
)
def test_code_for_a_newer_python_may_go_where_it_runs(
    tmp_path: Path, environment: str, severity: Severity
) -> None:
    text = ONE.replace("app.handler", "app.handler, runtime: python3.13")
    check_code(tmp_path, "def handler[T = int](event: T, context): ...", text)
    (tmp_path / "fairway.yml").write_text(text + "environments: {prod: {}}\n")
    found = check_definition(define_app(tmp_path, environment))
    assert [(d.code, d.severity) for d in found] == [("python-syntax", severity)]


def test_what_only_compiling_tells_is_told_by_check(tmp_path: Path) -> None:
    text = ONE + "resources:\n  Api: {Type: AWS::SNS::Topic}\n"
    found = check_code(tmp_path, "handler = 1", text)
    assert [(d.code, str(d.place).rsplit("/", 1)[-1]) for d in found] == [
        ("resource-clash", "fairway.yml:5:15")
    ]
    with pytest.raises(InvalidApplication):
        require_valid(define_app(tmp_path))


def test_warnings_do_not_stop_the_route(tmp_path: Path) -> None:
    text = (
        ONE.replace("app.handler", "app.handler, timeout: 1m")
        + '  http: {type: http-api, routes: {"GET /": api}}\n'
    )
    found = check_code(tmp_path, "handler = 1", text)
    assert [d.severity for d in found] == [Severity.WARNING]
    assert require_valid(define_app(tmp_path)).name == "shop"


EXISTING = "network: {existing: {vpc: vpc-0a, private_subnets: [subnet-0a]}}\n"


@pytest.mark.parametrize(
    ("network", "codes"), [("", []), ("network: {}\n", []), (EXISTING, ["unreachable-link"])]
)
def test_a_call_out_of_an_existing_network_is_told(
    tmp_path: Path, network: str, codes: list[str]
) -> None:
    text = ONE.replace("app.handler}", "app.handler, uses: {worker: invoke}}")
    text += "  worker: {type: function, handler: app.handler}\n" + network
    found = check_code(tmp_path, "handler = 1", text)
    assert [d.code for d in found] == codes
    assert not any(d.is_error for d in found)


def test_a_reference_to_a_broken_component_is_no_error_of_its_own(tmp_path: Path) -> None:
    text = ONE.replace("app.handler}", "app.handler, uses: {rows: read}}")
    found = check_code(tmp_path, "handler = 1", text + "  rows: {type: table}\n")
    assert [d.code for d in found] == ["missing-key"]


@pytest.mark.slow
def test_lint_tells_the_line_of_the_file() -> None:
    text = ONE + (
        "resources:\n"
        "  Topic:\n"
        "    Type: AWS::SNS::Topic\n"
        "    Properties: {TopicNam: x}\n"
        "  Api: {Properties: {MemorySize: many}}\n"
    )
    app = define_text(text, Path("/application")).require_app()
    found = list(lint_templates(app, compile_app(app)))
    places = {(d.code, d.place.line if d.place else 0) for d in found if d.is_error}
    assert places == {("cfn-E3002", 7), ("cfn-E3012", 8)}
