"""docs/reference/resources.md: what each kind compiles to, and what of it runs locally."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from fairway.cloud.control.coverage import PARTLY, REAL, list_limits
from fairway.compile import compile_app
from fairway.define import App, define_app
from fairway.define.spec import KINDS
from pages.file import COMPLETE
from pages.markdown import write_table

INTRO = """# Resources

What becomes of each part of the file on AWS, found by compiling the
[complete example](file.md#complete-example); a part that the file leaves out is left out of
the stacks too. `fairway compile` shows the templates of your own application.

The last column says what the local cloud makes of it. What *runs* has its effect: requests
are routed, functions run, rows are stored. What *runs in part* leaves something out. What is
*recorded* is accepted, kept and shown by the AWS APIs, and has no effect there.
[The limits](#limits-of-the-local-cloud) are told below, and by `fairway plan`.

"""
WHOLE = "the application itself"


def make_page() -> str:
    found: dict[str, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    with tempfile.TemporaryDirectory() as directory:
        app = _define_complete(Path(directory))
        for part, stack, kind in _list_resources(app):
            found[part][stack, kind] += 1
    parts = [INTRO]
    for part in (*KINDS, "network", WHOLE):
        rows = [[f"`{kind}`", stack, _say_local(kind)] for stack, kind in sorted(found[part])]
        parts += [
            f"## {part}\n",
            write_table(["CloudFormation type", "stack", "local cloud"], rows),
        ]
    kinds = {kind for part in found.values() for _, kind in part}
    limits = "".join(f"- {sentence}\n" for sentence in list_limits(kinds))
    return "\n".join([*parts, "## Limits of the local cloud\n", limits])


def _define_complete(directory: Path) -> App:
    (directory / "fairway.yml").write_text(COMPLETE.read_text())
    return define_app(directory, "poc").require_app()


def _list_resources(app: App) -> Iterator[tuple[str, str, str]]:
    """Part of the file, stack and type of every resource, raw ones left out."""
    for stack in compile_app(app).stacks:
        for logical_id, resource in stack.template["Resources"].items():
            origin = stack.origins[logical_id]
            if origin.path[0] == "resources":
                continue
            component = app.components.get(origin.component)
            part = component.kind if component else origin.component
            known = part in KINDS or (part == "network" and not logical_id.startswith("Key"))
            yield (part if known else WHOLE), stack.layer, resource["Type"]


def _say_local(kind: str) -> str:
    if kind not in REAL:
        return "recorded"
    return "runs in part" if kind in PARTLY else "runs"
