"""What a Python source asks for: which file says so, and a fingerprint of what it says.

In this order: `uv.lock` with `pyproject.toml`, `requirements.txt`,
`pyproject.toml` with `[project] dependencies`; each at the root of the source.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fairway.errors import BundleFailed


@dataclass(frozen=True, slots=True)
class Line:
    """One requirement or option as written, and its place (line counts from 1)."""

    text: str
    file: Path
    number: int


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a source asks for.

    file: the file that was found. lines: what it and those it includes say (for
    a lock file, the dependencies of the project). fingerprint: equal when equal
    packages are asked for, whatever comments and blank lines say.
    """

    kind: Literal["lock", "list", "project"]
    file: Path
    lines: tuple[Line, ...]
    fingerprint: str

    def find_place(self, package: str) -> str | None:
        """Name the ``file:line`` that asks for a package; None when another package does."""
        for line in self.lines:
            if normalise_name(read_name(line.text)) == normalise_name(package):
                return f"{line.file}:{line.number}"
        return None


def find_requirements(source: Path) -> Requirements | None:
    """Find what the source asks for; None when it asks for nothing.

    Raises BundleFailed, with file and line, for what cannot be installed for
    another machine: local projects, editable installs, repositories.
    """
    lock, project, listed = (
        source / name for name in ("uv.lock", "pyproject.toml", "requirements.txt")
    )
    if lock.is_file():
        if not project.is_file():
            raise BundleFailed(
                f"{lock} has no pyproject.toml beside it",
                hint="put the project file it was made from there, or remove it",
            )
        return _read_lock(lock, project)
    if listed.is_file():
        return _read_list(listed)
    if project.is_file():
        return _read_project(project)
    return None


def normalise_name(name: str) -> str:
    """Spell a package's name the one way that compares ("Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_name(text: str) -> str:
    """Take the package's name from a requirement."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", text)
    return found[0] if found else ""


def check_line(line: Line) -> None:
    """Refuse a requirement that is not an archive built for the target."""
    place = f"{line.file}:{line.number}"
    if re.match(r"(-e|--editable)\b", line.text):
        raise BundleFailed(
            f"{place}: {line.text!r} installs a local project in place, which an archive cannot",
            hint="move its code into the source, or build a wheel of it (uv build) and name that",
        )
    text = re.split(r"\s;|\s--", line.text)[0]
    if re.search(r"(^|[\s@])(git|hg|svn|bzr)\+", text):
        raise BundleFailed(
            f"{place}: {text!r} is a repository; packages are installed from wheels only",
            hint="build a wheel of it (uv build), put it into the source and name its path",
        )
    path = local_path(line)
    if path is not None and not path.name.endswith(".whl"):
        raise BundleFailed(
            f"{place}: {text!r} is a local project; packages are installed from wheels only",
            hint="move its code into the source, or build a wheel of it (uv build) and name that",
        )


def local_path(line: Line) -> Path | None:
    """Return the local file or directory that a requirement names, if it does."""
    text = re.split(r"\s;|\s--", line.text)[0].strip()
    if "@" in text and re.match(r"[A-Za-z0-9._-]+\s*(\[.*\])?\s*@", text):
        text = text.split("@", 1)[1].strip()
    elif not re.match(r"[./~]|file:", text) and not text.endswith(".whl") and "/" not in text:
        return None
    if text.startswith("file:"):
        return Path(re.sub(r"^file:(//)?", "", text))
    if "://" in text or text.startswith("-"):
        return None
    return line.file.parent / text


def _read_lock(lock: Path, project: Path) -> Requirements:
    said = _parse_toml(project)
    known = _parse_toml(lock)
    lines = _project_lines(project, said)
    locked = {normalise_name(str(entry.get("name", ""))) for entry in known.get("package", [])}
    for line in lines:
        name = read_name(line.text)
        if normalise_name(name) not in locked:
            raise BundleFailed(
                f"{line.file}:{line.number} asks for {name}, which {lock} does not know",
                hint="run uv lock",
            )
    text = _read_text(lock) + "\n" + _read_text(project)
    return Requirements("lock", lock, lines, hashlib.sha256(text.encode()).hexdigest())


def _read_project(project: Path) -> Requirements | None:
    said = _parse_toml(project)
    if "dependencies" in said.get("project", {}).get("dynamic", []):
        raise BundleFailed(
            f"{project} computes its dependencies when it is built ([project] dynamic)",
            hint="list them under [project] dependencies, or in a requirements.txt",
        )
    lines = _project_lines(project, said)
    if not lines:
        return None
    for line in lines:
        check_line(line)
    tool = said.get("tool", {}).get("uv", {})
    _check_uv_sources(project, lines, tool.get("sources", {}))
    text = json.dumps([[line.text for line in lines], tool], sort_keys=True, default=str)
    return Requirements("project", project, lines, text)


def _check_uv_sources(project: Path, lines: tuple[Line, ...], sources: dict[str, Any]) -> None:
    wanted = {normalise_name(read_name(line.text)) for line in lines}
    for name, where in sources.items():
        refused = isinstance(where, dict) and {"path", "git", "workspace"} & where.keys()
        if refused and normalise_name(name) in wanted:
            raise BundleFailed(
                f"{project}: [tool.uv.sources] takes {name} from a {refused.pop()}; "
                "packages are installed from wheels only",
                hint="publish it to the team's index, or name a built wheel in a requirements.txt",
            )


def _project_lines(project: Path, said: dict[str, Any]) -> tuple[Line, ...]:
    dependencies = said.get("project", {}).get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(d, str) for d in dependencies):
        raise BundleFailed(
            f"{project}: [project] dependencies is not a list of strings",
            hint='write them as dependencies = ["requests>=2"]',
        )
    text = _read_text(project).splitlines()
    return tuple(
        Line(wanted, project, next((n for n, row in enumerate(text, 1) if wanted in row), 1))
        for wanted in dependencies
    )


def _read_list(file: Path) -> Requirements | None:
    lines = tuple(_expand_lines(file, ()))
    if all(line.text.startswith("-") and not _is_editable(line) for line in lines):
        return None
    fingerprint = []
    for line in lines:
        check_line(line)
        fingerprint.append(line.text + _fingerprint_local(line))
    return Requirements("list", file, lines, "\n".join(fingerprint))


def _is_editable(line: Line) -> bool:
    return line.text.startswith(("-e", "--editable"))


def _expand_lines(file: Path, above: tuple[Path, ...]) -> Iterator[Line]:
    """Yield the lines of a requirements file and of the files it includes."""
    for number, text in _logical_lines(_read_text(file)):
        line = Line(text, file, number)
        include = re.match(r"(-r|--requirement|-c|--constraint)(\s+|=)(?P<name>.+)", text)
        if include is None:
            yield line
            continue
        wanted = file.parent / include["name"].strip()
        if "://" in include["name"]:
            raise BundleFailed(
                f"{file}:{number}: {text!r} is read from the network each time",
                hint="keep a copy of the file in the source",
            )
        if wanted in above or wanted == file:
            raise BundleFailed(f"{file}:{number}: {wanted} includes itself", hint="remove a line")
        if not wanted.is_file():
            raise BundleFailed(
                f"{file}:{number}: {wanted} does not exist", hint="create it, or remove the line"
            )
        is_constraint = text.startswith(("-c", "--constraint"))
        for inner in _expand_lines(wanted, (*above, file)):
            # A constraint installs nothing: keep it out of what looks like a requirement.
            yield Line("-c " + inner.text, inner.file, inner.number) if is_constraint else inner


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines and drop comments ("Requirements File Format" of pip)."""
    held, start = "", 0
    for number, row in enumerate(text.splitlines(), 1):
        start = start or number
        row = re.sub(r"(^|\s)#.*$", "", row).rstrip()
        if row.endswith("\\"):
            held += row[:-1].rstrip() + " "
            continue
        joined = re.sub(r"\s+", " ", held + row).strip()
        if joined:
            yield start, joined
        held, start = "", 0
    if held.strip():
        yield start, re.sub(r"\s+", " ", held).strip()


def _fingerprint_local(line: Line) -> str:
    """Hash the local wheels that a line names, so that a rebuilt one is noticed."""
    found = re.match(r"(-f|--find-links)(\s+|=)(?P<name>.+)", line.text)
    if found is not None and "://" not in found["name"]:
        folder = line.file.parent / found["name"]
        wheels = sorted(folder.glob("*.whl")) if folder.is_dir() else []
    else:
        path = None if line.text.startswith("-") else local_path(line)
        wheels = [path] if path is not None else []
    digests = [hashlib.sha256(_read_bytes(wheel)).hexdigest() for wheel in wheels]
    return "".join(f" {digest}" for digest in digests)


def _parse_toml(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(_read_text(file))
    except tomllib.TOMLDecodeError as error:
        raise BundleFailed(
            f"{file} is not TOML: {error}", hint="correct it at that line"
        ) from error


def _read_text(file: Path) -> str:
    try:
        return _read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BundleFailed(f"{file} is not UTF-8 text", hint="save it as UTF-8") from error


def _read_bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BundleFailed(
            f"{file} cannot be read: {(error.strerror or str(error)).lower()}",
            hint="correct the path, or make the file readable",
        ) from error
