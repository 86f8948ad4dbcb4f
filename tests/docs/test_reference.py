"""The reference is what the code says, and leaves nothing out."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import click
import pytest

from fairway.check import check_definition
from fairway.cli.main import VERBS, cli
from fairway.compile import compile_app
from fairway.define import define_app, source
from fairway.define.file import Environment, ExistingNetwork, Expect, File, Network
from fairway.define.spec import KINDS, Auth, Index, KeyAttribute

MODELS = [
    File, Environment, Network, ExistingNetwork, Expect, Auth, Index, KeyAttribute, *KINDS.values()
]  # fmt: skip


def test_pages_are_fresh(generate: ModuleType) -> None:
    stale = [path.name for path in generate.find_stale(generate.make_pages())]
    assert not stale, f"run: python docs/generate.py (stale: {stale})"


def test_a_stale_page_is_found(generate: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "same.md").write_text("same")
    (tmp_path / "old.md").write_text("old")
    pages = {tmp_path / "same.md": "same", tmp_path / "old.md": "new", tmp_path / "none.md": ""}
    assert generate.find_stale(pages) == [tmp_path / "old.md", tmp_path / "none.md"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_key_is_documented(root: Path, model: type) -> None:
    page = (root / "docs/reference/file.md").read_text()
    for key in model.model_fields:
        assert f"| `{key}` |" in page, key


@pytest.mark.parametrize("verb", VERBS)
def test_every_command_and_option_is_documented(root: Path, verb: str) -> None:
    page = (root / "docs/reference/commands.md").read_text()
    section = page.partition(f"\n## fairway {verb}\n")[2].partition("\n## ")[0]
    command = cli.get_command(click.Context(cli), verb)
    assert section
    assert command is not None
    for parameter in command.params:
        for name in parameter.opts:
            metavar = parameter.make_metavar(click.Context(command)).replace("|", "\\|")
            assert f"`{name if name.startswith('-') else metavar}`" in section, name


def test_every_diagnostic_has_an_entry(generate: ModuleType) -> None:
    examples = importlib.import_module("pages.diagnostic_examples")
    codes = importlib.import_module("pages.diagnostics").list_codes()
    assert "unknown-key" in codes
    assert codes == {*examples.EXAMPLES, *examples.TOLD}


def test_the_complete_example_is_valid_and_complete(root: Path, tmp_path: Path) -> None:
    text = (root / "docs/reference/complete.yml").read_text()
    (tmp_path / "fairway.yml").write_text(text)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/orders.py").write_text("def handler(event, context): ...\n")
    for environment in ("local", "poc", "prod"):
        definition = define_app(tmp_path, environment)
        assert check_definition(definition) == []
        assert compile_app(definition.require_app()).stacks
    tree, _ = source.read_text(text, tmp_path / "fairway.yml")
    assert tree is not None
    # A file has either components or services: docs/services.md has one with those.
    written = set(list_keys(tree)) | {"existing", *ExistingNetwork.model_fields, "services"}
    assert {key for model in MODELS for key in model.model_fields} <= written


def list_keys(node: source.Node) -> list[str]:
    match node:
        case source.Mapping():
            below = [key for entry in node.entries.values() for key in list_keys(entry.value)]
            return [*node.entries, *below]
        case source.Sequence():
            return [key for item in node.items for key in list_keys(item)]
        case _:
            return []
