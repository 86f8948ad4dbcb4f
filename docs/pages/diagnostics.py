"""docs/reference/diagnostics.md: every code that stands in the source, with a real message.

The example files of diagnostic_examples.py are given to `define`, `check` and `compile`; the
messages on the page are what these answer.
"""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fairway
from fairway.check import check_definition
from fairway.compile import compile_app
from fairway.define import define_app, define_service, list_services, read_root
from fairway.diagnostics import Diagnostic
from fairway.errors import InvalidApplication
from pages.diagnostic_examples import CODE, EXAMPLES, TOLD
from pages.markdown import write_fence

INTRO = """# Diagnostics

Everything that `fairway check` can find, by code. All findings are told at once, each with its
place and, as a hint, the fix. An error stops `up`, `plan` and `apply`; a warning does not. The
messages below are what the example beside them gets; the line and column are left out.

"""


def make_page() -> str:
    return INTRO + "\n".join(_describe(code) for code in sorted({*EXAMPLES, *TOLD}))


def list_codes() -> set[str]:
    """The codes in Fairway's source: first arguments of Diagnostic and refuse."""
    root = Path(fairway.__file__).parent
    stages = [file for file in root.rglob("*.py") if root / "cloud" not in file.parents]
    return {code for file in stages for code in _read_codes(ast.parse(file.read_text()))}


def _read_codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Diagnostic" | "refuse"), args=[first, *_]):
                yield from _read_code(first)


def _read_code(argument: ast.expr) -> Iterator[str]:
    match argument:
        case ast.Constant(value=str(code)):
            yield code
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
            yield f"{start}*"
        case ast.Subscript(value=ast.Name(id="code")):
            return  # a code of `refuse`, found where it is raised
        case _:
            raise ValueError(f"a code that cannot be read: {ast.unparse(argument)}")


def find_diagnostic(code: str) -> Diagnostic:
    """What an example gets; an error when it does not get its code."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name, text in (CODE | EXAMPLES[code].files).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        if EXAMPLES[code].text:
            (root / "fairway.yml").write_text(EXAMPLES[code].text)
        found = {d.code: d for d in _find_all(root, EXAMPLES[code].environment)}
        assert code in found, f"the example of {code} gets {list(found)}"
        return _without(found[code], f"{directory}/")


def _find_all(root: Path, environment: str) -> list[Diagnostic]:
    definition = define_app(root, environment)
    found = check_definition(definition)
    if definition.app is not None and not any(d.is_error for d in found):
        try:
            compile_app(definition.app)
        except InvalidApplication as error:
            found += error.diagnostics
    workspace = read_root(root)
    if workspace is None:
        return found
    services, problems = list_services(workspace)
    of_services = (d for service in services for d in define_service(service).diagnostics)
    return [*found, *workspace.diagnostics, *problems, *of_services]


def _without(found: Diagnostic, directory: str) -> Diagnostic:
    summary = found.summary.replace(directory, "")
    return Diagnostic(found.code, summary, None, found.hint, found.severity)


def _describe(code: str) -> str:
    if code in TOLD:
        return f"## {code}\n\n{TOLD[code]}\n"
    example, found = EXAMPLES[code], find_diagnostic(code)
    message = f"{found.severity}: {found.summary} [{code}]"
    message += f"\n  hint: {found.hint}" if found.hint else ""
    shown = write_fence("text", example.text) + "\n" if example.shown else ""
    return f"## {code}\n\n{example.meaning}\n\n{shown}{write_fence('', message)}"
