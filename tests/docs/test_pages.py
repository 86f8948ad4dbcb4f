"""Hand-written pages: links lead somewhere, examples are valid, nothing strays in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fairway.check import check_definition
from fairway.cli.main import cli
from fairway.define import define_app, list_environments, read_root
from fairway.define.spec import Function

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# In two halves, so that this file does not hold what it forbids.
REGISTRIES = [
    "".join(halves)
    for halves in (
        ("pypi", ".org"), ("pythonhosted", ".org"), ("npmjs", ".org"), ("npmjs", ".com"),
        ("crates", ".io"), ("rubygems", ".org"), ("proxy.golang", ".org"),
    )
]  # fmt: skip
LONGEST_PAGE = 300
MADE_BY_PROGRAMS = {"conformance.md"}


def test_relative_links_resolve(pages: list[Path]) -> None:
    broken = []
    for page in pages:
        for link in LINK.findall(FENCE.sub("", page.read_text())):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            if not target.exists() or (anchor and anchor not in list_anchors(target)):
                broken.append(f"{page}: {link}")
    assert not broken


def list_anchors(page: Path) -> set[str]:
    """The anchors that a reader's tool makes of headings."""
    heads = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_examples_of_the_file_are_valid(pages: list[Path], tmp_path: Path) -> None:
    checked = 0
    for page in pages:
        for language, text in FENCE.findall(page.read_text()):
            if language != "yaml" or not text.startswith("app:"):
                continue
            directory = tmp_path / str(checked)
            checked += 1
            assert not list(check_example(directory, text)), f"{page}:\n{text}"
    assert checked > 2


def check_example(directory: Path, text: str) -> list[str]:
    """What `fairway check` says of a file whose handlers exist."""
    directory.mkdir()
    (directory / "fairway.yml").write_text(text)
    workspace = read_root(directory)
    if workspace is not None:  # of its services the page has only some
        return [f"{finding.code}: {finding.summary}" for finding in workspace.diagnostics]
    write_handlers(directory)
    return [
        f"{finding.code}: {finding.summary}"
        for environment in list_environments(directory)
        for finding in check_definition(define_app(directory, environment))
    ]


def write_handlers(directory: Path) -> None:
    app = define_app(directory).app
    for function in app.of_kind(Function).values() if app else ():
        module, name = function.handler.rsplit(".", 1)
        file = directory / function.source / f"{module.replace('.', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as code:
            code.write(f"def {name}(event, context): ...\n")


@pytest.mark.parametrize("wrong", ["app: shop\nparts: {}\n", "app: shop\ncomponents: {a: {}}\n"])
def test_an_invalid_example_is_found(wrong: str, tmp_path: Path) -> None:
    assert check_example(tmp_path / "wrong", wrong)


def test_no_registry_is_named(tracked_files: list[Path]) -> None:
    naming = []
    for file in tracked_files:
        text = file.read_bytes().lower()
        naming += [f"{file}: {host}" for host in REGISTRIES if host.encode() in text]
    assert not naming


def test_hand_written_pages_stay_short(root: Path) -> None:
    long = {
        page.name: lines
        for page in (root / "docs").glob("*.md")
        if page.name not in MADE_BY_PROGRAMS
        and (lines := len(page.read_text().splitlines())) > LONGEST_PAGE
    }
    assert not long


def test_every_page_is_in_the_index(root: Path) -> None:
    docs = root / "docs"
    linked = {(docs / link).resolve() for link in LINK.findall((docs / "README.md").read_text())}
    written = {*docs.glob("*.md"), *docs.glob("reference/*.md")} - {docs / "README.md"}
    assert {page.resolve() for page in written} <= linked


def test_commands_that_are_shown_exist(pages: list[Path]) -> None:
    shown = [line for page in pages for line in list_commands(page.read_text())]
    assert len(shown) > 20
    wrong = [f"{' '.join(line)}: {problem}" for line in shown if (problem := try_command(line))]
    assert not wrong


def list_commands(text: str) -> Iterator[list[str]]:
    """The arguments of every `fairway` that a block of shell text runs."""
    for language, block in FENCE.findall(text):
        if language not in ("console", "sh"):
            continue
        for line in block.splitlines():
            if language == "sh" or line.startswith("$ "):
                for part in re.split(r"&&|\||\$\(|;", line.removeprefix("$ ")):
                    words = part.partition(" #")[0].partition(">")[0].rstrip(')" ').split()
                    if words[:1] == ["fairway"]:
                        yield words[1:]


def try_command(arguments: list[str]) -> str | None:
    """What the command line's own parser objects to, if anything."""
    if arguments[:1] in (["--help"], ["--version"]):
        return None
    command = cli.get_command(click.Context(cli), arguments[0]) if arguments else None
    if command is None:
        return "no such command"
    try:
        command.make_parser(click.Context(command)).parse_args(arguments[1:])
    except click.UsageError as error:
        return error.format_message()
    return None


@pytest.mark.parametrize("wrong", ["aply -e poc", "apply --enviroment poc", "up now --now"])
def test_a_wrong_command_is_found(wrong: str) -> None:
    assert try_command(wrong.split())


@pytest.mark.parametrize(
    "text", ["```sh\nA=$(fairway up -d)\n```\n", "```console\n$ fairway up -d && x\n```\n"]
)
def test_commands_are_found_in_shell_text(text: str) -> None:
    assert list(list_commands(text)) == [["up", "-d"]]
