"""Handlers: the source, the file and the function exist. The code is read, never run."""

from __future__ import annotations

import ast
import os
import sys
import warnings
from collections.abc import Iterator
from importlib.util import decode_source
from pathlib import Path

from fairway.define import LOCAL, App
from fairway.define.definition import nearest
from fairway.define.spec import Function
from fairway.diagnostics import Diagnostic, Place, Severity


def check_handlers(app: App) -> Iterator[Diagnostic]:
    """Every function's source and handler."""
    functions = app.of_kind(Function)
    # Many functions share a source, and following its links costs more than all the rest.
    inside = {s: _is_inside(app.root / s, app.root) for s in {f.source for f in functions.values()}}
    for name, function in functions.items():
        yield from _check_handler(app, name, function, inside=inside[function.source])


def _check_handler(
    app: App, name: str, function: Function, *, inside: bool
) -> Iterator[Diagnostic]:
    source = app.root / function.source
    place = app.place("components", name, "source", of_key=False)
    if not inside:
        yield Diagnostic(
            "source-outside",
            f"the source '{function.source}' of '{name}' is outside the application",
            place,
            "move the code below the directory of fairway.yml",
        )
        return
    if not source.is_dir():
        there = os.path.lexists(source)
        what = "is not a directory" if there else "does not exist"
        hint = "name the directory of the code with `source:`"
        yield Diagnostic(
            "no-source",
            f"the source '{function.source}' of '{name}' {what}",
            place,
            hint if there else f"create {function.source}/, or {hint}",
        )
        return
    if function.runtime.startswith("nodejs"):
        yield from _check_node_handler(app, name, function, source)
        return
    module, wanted = function.handler.rsplit(".", 1)
    relative = module.replace(".", "/")
    file = next((f for f in _candidates(source, relative) if f.is_file()), None)
    if file is None:
        yield _explain_no_file(app, name, function, source)
        return
    place = app.place("components", name, "handler")
    yield from _check_file(app, function, name, file, wanted, place)


def _explain_no_file(app: App, name: str, function: Function, source: Path) -> Diagnostic:
    module, wanted = function.handler.rsplit(".", 1)
    place = app.place("components", name, "handler")
    if wanted == "py":
        return Diagnostic(
            "no-handler",
            f"the handler '{function.handler}' of '{name}' names a file, not a function",
            place,
            f"write it like {Path(module).name}.handler, relative to {function.source}/",
        )
    relative = module.replace(".", "/")
    files = sorted(str(f.relative_to(source).with_suffix("")) for f in source.rglob("*.py"))
    near = nearest(relative, files)
    return Diagnostic(
        "no-handler",
        f"the handler '{function.handler}' of '{name}' needs a file {relative}.py in "
        f"{function.source}/, and there is none",
        place,
        f"did you mean '{near.replace('/', '.')}.{wanted}'?" if near else "create it",
    )


def _check_node_handler(
    app: App, name: str, function: Function, source: Path
) -> Iterator[Diagnostic]:
    from fairway.check.node_handlers import find_file, list_exports, list_files

    relative, _, wanted = function.handler.partition(".")
    place = app.place("components", name, "handler")
    file = find_file(source, relative)
    if file is None:
        near = nearest(relative, list_files(source))
        yield Diagnostic(
            "no-handler",
            f"the handler '{function.handler}' of '{name}' needs a file {relative}.js, .mjs or "
            f".cjs in {function.source}/, and there is none",
            place,
            f"did you mean '{near}.{wanted}'?" if near else "create it",
        )
        return
    shown = file.relative_to(app.root)
    try:
        exports = list_exports(file.read_text(encoding="utf-8"))
    except ValueError:
        yield Diagnostic(
            "not-text",
            f"{shown} is not a text file in UTF-8",
            Place(file, 1, 1),
            "save it as UTF-8",
        )
        return
    except OSError as error:
        summary = f"{shown} cannot be read: {error.strerror or error}"
        yield Diagnostic("unreadable-file", summary, place, "make it a file that you may read")
        return
    if wanted.partition(".")[0] not in exports and "*" not in exports:
        near = nearest(wanted, exports)
        yield Diagnostic(
            "no-handler",
            f"{shown} does not export '{wanted}', the handler of '{name}'",
            place,
            f"did you mean '{relative}.{near}'?" if near else f"export `{wanted}` from {shown}",
        )


def _check_file(
    app: App, function: Function, name: str, file: Path, wanted: str, place: Place
) -> Iterator[Diagnostic]:
    shown = file.relative_to(app.root)
    try:
        with warnings.catch_warnings(action="ignore"):  # about the user's code, to nobody's use
            tree = ast.parse(_read_python(file), filename=str(file))
    except SyntaxError as error:
        yield _explain_syntax(app, function, file, error)
        return
    except (RecursionError, MemoryError):
        summary = f"{shown} nests too deeply to be read"
        yield Diagnostic("python-syntax", summary, Place(file, 1, 1), "flatten its expressions")
        return
    except ValueError:
        summary = f"{shown} is not a text file in the encoding that it declares"
        yield Diagnostic("not-text", summary, Place(file, 1, 1), "save it as UTF-8")
        return
    except OSError as error:
        summary = f"{shown} cannot be read: {error.strerror or error}"
        yield Diagnostic("unreadable-file", summary, place, "make it a file that you may read")
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


def _read_python(file: Path) -> str:
    """The text in the encoding that the file declares. Raises ValueError when it is not text."""
    text = decode_source(file.read_bytes())
    if "\0" in text:
        raise ValueError("NUL")
    return text


def _explain_syntax(app: App, function: Function, file: Path, error: SyntaxError) -> Diagnostic:
    """An error, unless the code is for a newer Python than this one and runs elsewhere."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = tuple(int(part) for part in function.runtime.removeprefix("python").split("."))
    newer = wanted > sys.version_info[:2] and app.environment != LOCAL
    shown = file.relative_to(app.root)
    return Diagnostic(
        "python-syntax",
        f"{shown} is not valid Python{f' {here}' if newer else ''}: {error.msg}",
        Place(file, error.lineno or 1, error.offset or 1),
        f"check it with {function.runtime}" if newer else "mend the code",
        Severity.WARNING if newer else Severity.ERROR,
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
            case ast.If() | ast.Try() | ast.TryStar() | ast.With() | ast.For() | ast.While():
                yield from _list_names(node.body)
                yield from _list_names(getattr(node, "orelse", []))
                yield from _list_names(getattr(node, "finalbody", []))
                for handler in getattr(node, "handlers", []):
                    yield from _list_names(handler.body)


def _candidates(source: Path, relative: str) -> tuple[Path, Path]:
    return source / f"{relative}.py", source / relative / "__init__.py"


def _is_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root.resolve())
    except RuntimeError:  # a link to itself: inside as far as it goes, and no directory
        return True
