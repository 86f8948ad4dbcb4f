"""Broken applications: the exact words, place and exit code, and that nothing is touched.

Each file of `cases/` is one case: a sentence, then sections.

    why this is broken
    -- fairway.yml --            a file, as it stands
    -- fairway.yml (escaped) --  a file with Python's escapes, for bytes that are not text
    -- fairway.yml (repeat 9) -- a file, so many times over
    -- link (symlink) --         a symbolic link to the section's one line
    -- folder (directory) --     an empty directory
    -- pipe (fifo) --            a named pipe
    -- src (none) --             leave out what every case has: src/app.py with a handler
    -- run check --fast --       a command line, and below it what it must answer:
    exit 1
    stdout:
    | each line of standard output
    stderr:
    | each line of standard error

Where the command has --json, it is run with that too: the document says what the words say.

A new case needs only its run lines; `pytest tests/cli/bad_input --update-golden` writes the
answers below them. Read them before you keep them.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from fairway.cli.main import VERBS, cli, run
from fairway.cli.render.human import show_place, show_plainly
from fairway.diagnostics import Place

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
HANDLER = "def handler(event, context):\n    return {'statusCode': 200}\n"
_SECTION = re.compile(r"^-- (.+?)(?: \((\w+)(?: (\d+))?\))? --\n", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """A file to make, or a command line and its expected answer."""

    name: str
    form: str
    times: int
    body: str


def read_case(text: str) -> list[Section]:
    """The sections of a case, in order."""
    heads = list(_SECTION.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [
        Section(head[1], head[2] or "", int(head[3] or 1), text[head.end() : end])
        for head, end in zip(heads, ends, strict=True)
    ]


def make_files(root: Path, sections: list[Section]) -> None:
    """Make the application of a case."""
    files = {s.name: s for s in sections if not s.name.startswith("run ")}
    if "src" not in files:
        (root / "src").mkdir(parents=True)
        (root / "src" / "app.py").write_text(HANDLER)
    for name, section in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match section.form:
            case "":
                path.write_bytes(section.body.encode())
            case "escaped":
                text = section.body.rstrip("\n").encode()
                path.write_bytes(text.decode("unicode_escape").encode("latin-1"))
            case "repeat":
                path.write_bytes(section.body.encode() * section.times)
            case "symlink":
                path.symlink_to(section.body.strip())
            case "directory":
                path.mkdir()
            case "fifo":
                os.mkfifo(path)
            case other:
                assert other == "none", f"{other} is not a form of a section"


def take_snapshot(*roots: Path) -> dict[str, tuple[object, ...]]:
    """Every path below, with all that a change would move."""
    found: dict[str, tuple[object, ...]] = {}
    for root in roots:
        for path in [root, *sorted(root.rglob("*"))]:
            state = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (state.st_mode, state.st_size, state.st_mtime_ns, content)
    return found


def list_children() -> set[str]:
    """Processes that this one has started."""
    tasks = Path("/proc/self/task")
    return {pid for file in tasks.glob("*/children") for pid in file.read_text().split()}


def write_answer(exit_code: int, stdout: str, stderr: str) -> str:
    """An answer as a case holds it."""
    lines = [f"exit {exit_code}"]
    for name, text in (("stdout", stdout), ("stderr", stderr)):
        if text:
            lines += [f"{name}:", *(f"| {line}".rstrip() for line in text.splitlines())]
    return "\n".join(lines) + "\n"


def list_verbs_with_json() -> set[str]:
    """The verbs that print JSON when they are asked to."""
    commands = {verb: cli.get_command(click.Context(cli), verb) for verb in VERBS}
    return {v for v, c in commands.items() if c and any(p.name == "as_json" for p in c.params)}


def ask_json(words: list[str]) -> list[str] | None:
    """The same command line with --json; None where the command has none, or it has been said."""
    if words[0] not in list_verbs_with_json() or "--json" in words:
        return None
    return [words[0], "--json", *words[1:]]


def speak_finding(finding: dict[str, Any]) -> list[str]:
    """A finding of a document in words."""
    found = finding["place"]
    place = Place(Path(found["file"]), found["line"], found["column"]) if found else None
    where = f"{show_place(place)}: " if place else ""
    lines = [f"{where}{finding['severity']}: {finding['summary']} [{finding['code']}]"]
    return [*lines, *([f"  hint: {finding['hint']}"] if finding["hint"] else [])]


def speak(document: Any) -> list[str]:
    """What a document says, in words: findings, or an error."""
    if isinstance(document, list):
        return [show_plainly(line) for finding in document for line in speak_finding(finding)]
    assert document.keys() == {"error"}
    error = document["error"]
    lines = [*speak(error["findings"]), f"error: {error['summary']}"]
    if error["hint"] and error["code"] != "usage":
        lines.append(f"  hint: {error['hint']}")
    return [*lines, *(f"  {line}" for line in (error["detail"] or "").splitlines())]


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An application's directory to stand in and a home, both empty; no way to AWS."""
    app, home = tmp_path / "app", tmp_path / "home"
    app.mkdir()
    home.mkdir()
    for name in [n for n in os.environ if n.startswith(("AWS_", "FAIRWAY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(app)
    return app, home


@pytest.mark.parametrize("file", CASES, ids=[case.stem for case in CASES])
def test_broken_application(
    file: Path,
    surroundings: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    update_golden: bool,
) -> None:
    text = file.read_text()
    sections = read_case(text)
    make_files(surroundings[0], sections)
    runs = [s for s in sections if s.name.startswith("run ")]
    assert runs, "the case runs nothing"
    before, children = take_snapshot(*surroundings), list_children()
    answers = {}
    for section in runs:
        exit_code = run(shlex.split(section.name.removeprefix("run ")))
        output = capsys.readouterr()
        assert "Traceback" not in output.out + output.err
        assert exit_code == 1
        answers[section.name] = write_answer(exit_code, output.out, output.err)
        if words := ask_json(shlex.split(section.name.removeprefix("run "))):
            assert run(words) == exit_code
            check_document(capsys.readouterr(), output)
    assert take_snapshot(*surroundings) == before
    assert list_children() == children
    if update_golden:
        head = text[: text.index("-- run ")]
        file.write_text(head + "".join(f"-- {run} --\n{answers[run]}" for run in answers))
        return
    for section in runs:
        assert answers[section.name] == section.body


def check_document(told: Any, words: Any) -> None:
    """One document on standard output that says what the words say; they stay on stderr."""
    document = json.loads(told.out)
    assert told.err == words.err
    if words.out:  # findings are the data of `check`, and below them is their number
        *spoken, _ = words.out.splitlines()
        assert speak(document) == spoken
    else:
        assert document["error"]["exit_code"] == 1
        _, _, spoken = f"\n{words.err}".rpartition("for help.\n\n")
        assert speak(document) == spoken.strip("\n").splitlines()


def test_table_is_large() -> None:
    assert len(CASES) >= 45


def test_every_case_says_why() -> None:
    assert [f.stem for f in CASES if f.read_text().startswith("-- ")] == []


def test_no_finding_lacks_a_fix() -> None:
    """Each finding is followed by a hint."""
    lacking = []
    for file in CASES:
        lines = [line for s in read_case(file.read_text()) for line in s.body.splitlines()]
        for line, following in zip(lines, [*lines[1:], ""], strict=True):
            is_finding = re.match(r"\| .*(error|warning): .* \[[\w-]+\]$", line)
            if is_finding and not following.startswith("|   hint: "):
                lacking.append(f"{file.stem}: {line}")
    assert lacking == []
