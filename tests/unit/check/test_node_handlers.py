"""Handlers of Node.js functions: the file and the exported name, from the text alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.check import check_definition
from fairway.check.node_handlers import list_exports
from fairway.define import define_app
from fairway.diagnostics import Diagnostic

ONE = """\
app: shop
components:
  api: {type: function, handler: app.handler, runtime: nodejs22.x}
"""


def check_code(directory: Path, code: str, file: str = "app.js") -> list[Diagnostic]:
    (directory / "fairway.yml").write_text(ONE)
    (directory / "src").mkdir()
    (directory / "src" / file).write_text(code)
    return check_definition(define_app(directory))


@pytest.mark.parametrize(
    "code",
    [
        "exports.handler = async () => 1;",
        "module.exports.handler = 1",
        "exports['handler'] = 1",
        "module.exports = { handler };",
        "module.exports = {\n  other: 1,\n  handler: async () => 1,\n};",
        "module.exports = { handler() { return 1 } };",
        "module.exports = require('./other');",
        "module.exports = { ...other };",
        "Object.assign(exports, other);",
        "Object.defineProperty(exports, 'handler', { get });",
        "export const handler = async () => 1;",
        "export async function handler() {}",
        "export function* handler() {}",
        "export { other, run as handler };",
        "export * from './other.js';",
        "export default { handler };",
        "__exportStar(require('./other'), exports);",
    ],
)
def test_handlers_of_any_form_are_found(tmp_path: Path, code: str) -> None:
    assert check_code(tmp_path, code) == []


@pytest.mark.parametrize("file", ["app.mjs", "app.cjs", "app.js"])
def test_every_ending_is_found(tmp_path: Path, file: str) -> None:
    assert check_code(tmp_path, "export const handler = 1", file) == []


def test_a_wrong_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    (found,) = check_code(tmp_path, "exports.handle = 1; exports.main = 2;")
    assert found.code == "no-handler"
    assert found.summary == "src/app.js does not export 'handler', the handler of 'api'"
    assert found.hint == "did you mean 'app.handle'?"


def test_a_missing_file_is_told_with_the_nearest(tmp_path: Path) -> None:
    (found,) = check_code(tmp_path, "exports.handler = 1", "apps.mjs")
    assert "needs a file app.js, .mjs or .cjs in src/" in found.summary
    assert found.hint == "did you mean 'apps.handler'?"


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "fairway.yml").write_text(ONE)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.js").write_bytes(b"\xff\xfe")
    (found,) = check_definition(define_app(tmp_path))
    assert found.code == "not-text"


def test_exports_are_listed_and_unknown_ones_marked() -> None:
    assert list_exports("exports.a = 1; export let b = 2; export { c as d };") == {"a", "b", "d"}
    assert list_exports("") == set()
    assert "*" in list_exports("use(exports)")
