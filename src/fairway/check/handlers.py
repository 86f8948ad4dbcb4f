"""Handlers: the source, the file and the function exist. The code is read, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from fairway.define import App
from fairway.define.definition import nearest
from fairway.define.spec import Function
from fairway.diagnostics import Diagnostic, Place


def check_handlers(app: App) -> Iterator[Diagnostic]:
    """Every function's source and handler."""
    for name, function in app.of_kind(Function).items():
        yield from _check_handler(app, name, function)


def _check_handler(app: App, name: str, function: Function) -> Iterator[Diagnostic]:
    source = app.root / function.source
    place = app.place("components", name, "source", of_key=False)
    if not _is_inside(source, app.root):
        yield Diagnostic(
            "source-outside",
            f"the source '{function.source}' of '{name}' is outside the application",
            place,
            "move the code below the directory of fairway.yml",
        )
        return
    if not source.is_dir():
        what = "is not a directory" if source.exists() else "does not exist"
        yield Diagnostic(
            "no-source",
            f"the source '{function.source}' of '{name}' {what}",
            place,
            f"create {function.source}/, or name the directory of the code with `source:`",
        )
        return
    module, wanted = function.handler.rsplit(".", 1)
    relative = module.replace(".", "/")
    file = next((f for f in _candidates(source, relative) if f.is_file()), None)
    handler_place = app.place("components", name, "handler")
    if file is None:
        files = [str(f.relative_to(source).with_suffix("")) for f in source.rglob("*.py")]
        near = nearest(relative, files)
        yield Diagnostic(
            "no-handler",
            f"the handler '{function.handler}' of '{name}' needs a file {relative}.py in "
            f"{function.source}/, and there is none",
            handler_place,
            f"did you mean '{near.replace('/', '.')}.{wanted}'?" if near else "create it",
        )
        return
    yield from _check_file(app, function, name, file, wanted, handler_place)


def _check_file(
    app: App, function: Function, name: str, file: Path, wanted: str, place: Place
) -> Iterator[Diagnostic]:
    shown = file.relative_to(app.root)
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except SyntaxError as error:
        yield Diagnostic(
            "python-syntax",
            f"{shown} is not valid Python: {error.msg}",
            Place(file, error.lineno or 1, error.offset or 1),
            "mend the code",
        )
        return
    except (OSError, ValueError) as error:
        yield Diagnostic("unreadable-file", f"{shown} cannot be read: {error}", place)
        return
    names = set(_list_names(tree.body))
    if wanted not in names and "*" not in names:
        near = nearest(wanted, names)
        module = function.handler.rsplit(".", 1)[0]
        yield Diagnostic(
            "no-handler",
            f"{shown} has no '{wanted}', the handler of '{name}'",
            place,
            f"did you mean '{module}.{near}'?"
            if near
            else f"add `def {wanted}(event, context):` to {shown}",
        )


def _list_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names that a module binds at its top level; "*" when an import hides some."""
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.Assign():
                for target in node.targets:
                    yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name for alias in node.names)
            case ast.If() | ast.Try() | ast.With():
                yield from _list_names(node.body)
                yield from _list_names(getattr(node, "orelse", []))
                for handler in getattr(node, "handlers", []):
                    yield from _list_names(handler.body)


def _candidates(source: Path, relative: str) -> tuple[Path, Path]:
    return source / f"{relative}.py", source / relative / "__init__.py"


def _is_inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())
