"""Golden templates: what each application compiles to, byte for byte.

`apps/<name>/fairway.yml` compiles to `templates/<name>/<stack>.json`, in the form that
`fairway compile --out` writes. After a change that is meant, rewrite them with
`pytest tests/golden --update-golden` and read the diff: it is what users' next plan shows.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fairway.check import lint_templates
from fairway.compile import compile_app
from fairway.define import App, define_app
from fairway.define.spec import KINDS

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
APPS = {path.name: (path, "local") for path in sorted((HERE / "apps").iterdir())} | {
    f"example-{name}-{environment}": (EXAMPLES / name, environment)
    for name in ("timestamps", "notes")
    for environment in ("local", "poc", "prod")
}


def read_app(name: str) -> App:
    directory, environment = APPS[name]
    return define_app(directory, environment).require_app()


def compile_texts(name: str) -> dict[str, str]:
    """File name to text, as `fairway compile --out` writes it."""
    templates = compile_app(read_app(name))
    return {f"{s.name}.json": s.to_json(indent=1) + "\n" for s in templates.stacks}


@pytest.mark.parametrize("name", APPS)
def test_compiles_to_golden_templates(name: str, update_golden: bool) -> None:
    texts = compile_texts(name)
    directory = HERE / "templates" / name
    if update_golden:
        directory.mkdir(parents=True, exist_ok=True)
        for stale in directory.glob("*.json"):
            stale.unlink()
        for file, text in texts.items():
            (directory / file).write_text(text)
    golden = {file.name: file.read_text() for file in directory.glob("*.json")}
    assert texts.keys() == golden.keys()
    for file, text in texts.items():
        assert text == golden[file], f"{file} changed; see the top of {Path(__file__).name}"


def test_every_kind_has_a_golden_application() -> None:
    assert [kind for kind in (*KINDS, "network") if kind not in APPS] == []


def test_no_golden_directory_is_left_over() -> None:
    assert {path.name for path in (HERE / "templates").iterdir()} == APPS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", APPS)
def test_cfn_lint_finds_nothing(name: str) -> None:
    app = read_app(name)
    findings = list(lint_templates(app, compile_app(app)))
    assert [f"{finding.code} {finding.summary}" for finding in findings] == []
