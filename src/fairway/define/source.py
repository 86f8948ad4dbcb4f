"""YAML 1.2 text -> a tree of nodes that know their place.

Strict: duplicate keys, tabs, tags, merge keys and more than one document are
errors. Scalars are read by the core schema of YAML 1.2 (yaml.org/spec/1.2.2,
section 10.3), so `on` is text and `12:30` is text.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fairway.define.scalars import read_scalar
from fairway.define.syntax import explain_yaml_error
from fairway.diagnostics import Diagnostic, Place

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_NODES = 200_000  # bounds what aliases can expand to

_Parser: Any = getattr(yaml, "CLoader", yaml.Loader)

# CloudFormation's short forms are YAML tags; its long forms are plain keys.
_LONG_FORMS = {
    "!Ref": "write {Ref: Name}",
    "!GetAtt": "write {Fn::GetAtt: [Name, Attribute]}",
    "!Sub": 'write {Fn::Sub: "text"}',
    "!Join": 'write {Fn::Join: [",", [...]]}',
    "!Select": "write {Fn::Select: [0, [...]]}",
    "!ImportValue": "write {Fn::ImportValue: name}",
}

Key = str | int
Path_ = tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value."""

    value: str | int | float | bool | None
    place: Place


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping: where it stands, and its value.

    only_above: it came with an overlay, and nothing stood below it.
    """

    place: Place
    value: Node
    only_above: bool = False


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys in the order of the file."""

    entries: dict[str, Entry]
    place: Place


Node = Scalar | Sequence | Mapping


@dataclass(slots=True)
class _Reading:
    file: Path
    events: Iterator[Any]
    problems: list[Diagnostic] = field(default_factory=list)
    anchors: dict[str, Node | None] = field(default_factory=dict)
    nodes: int = 0

    def place(self, mark: Any) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)


class _Unreadable(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic


def read_source(file: Path) -> tuple[Mapping | None, list[Diagnostic]]:
    """Read a file into a mapping, or say everything that is wrong with its form."""
    try:
        raw, size = _read_bytes(file)
    except FileNotFoundError:
        return None, [
            Diagnostic(
                "no-file",
                f"there is no {file}",
                hint="run `fairway init timestamps my-app`, or go to your application's directory",
            )
        ]
    except OSError as error:
        return None, [
            Diagnostic(
                "unreadable-file",
                f"{file} cannot be read: {error.strerror or error}",
                hint="make it a plain file that you may read",
            )
        ]
    if size > MAX_BYTES:
        return None, [
            Diagnostic(
                "file-too-large",
                f"the file is {size / 1024 / 1024:.1f} MiB, more than the limit of 1 MiB",
                Place(file, 1, 1),
                "split the application into services, one directory each",
            )
        ]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        return None, [
            Diagnostic(
                "not-text",
                f"the file is not UTF-8 text (byte 0x{raw[error.start]:02x})",
                Place(file, line, column),
                "save the file as UTF-8",
            )
        ]
    return read_text(text, file)


def _read_bytes(file: Path) -> tuple[bytes, int]:
    """What a plain file holds, as far as the limit, and its size; a pipe is never opened."""
    mode = file.stat().st_mode
    if not stat.S_ISREG(mode):
        code = errno.EISDIR if stat.S_ISDIR(mode) else None
        raise OSError(code, "it is a directory" if code else "it is not a plain file")
    with file.open("rb") as stream:
        raw = stream.read(MAX_BYTES + 1)
        return raw, max(len(raw), os.fstat(stream.fileno()).st_size)


def read_text(text: str, file: Path) -> tuple[Mapping | None, list[Diagnostic]]:
    """Read YAML text; `file` is only named in places."""
    reading = _Reading(file, iter(()))
    try:
        reading.events = _events(text)
        root = _read_document(reading)
    except yaml.YAMLError as error:
        reading.problems.append(explain_yaml_error(error, file, text))
        return None, reading.problems
    except _Unreadable as stop:
        reading.problems.append(stop.diagnostic)
        return None, reading.problems
    if root is None or (isinstance(root, Scalar) and root.value is None):
        reading.problems.append(
            Diagnostic(
                "empty-file", "the file is empty", Place(file, 1, 1), "start with `app: my-app`"
            )
        )
        return None, reading.problems
    if not isinstance(root, Mapping):
        reading.problems.append(
            Diagnostic(
                "not-a-mapping",
                "the file must hold keys and values",
                root.place,
                "start with `app: my-app`",
            )
        )
        return None, reading.problems
    return root, reading.problems


def to_plain(node: Node) -> Any:
    """The node's value in Python's own types."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [to_plain(item) for item in node.items]
        case Mapping():
            return {key: to_plain(entry.value) for key, entry in node.entries.items()}


def find_place(root: Node, path: Path_, *, of_key: bool = False) -> Place:
    """Where a path stands; the nearest existing ancestor's place when it does not.

    of_key: the place of the last key itself rather than of its value.
    """
    node, place = root, root.place
    for depth, step in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
            entry = node.entries[step]
            node = entry.value
            container = isinstance(node, Mapping | Sequence)
            place = entry.place if (of_key or container or not last) else node.place
        elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            place = node.place
        else:
            break
    return place


def overlay(below: Mapping, above: Mapping) -> Mapping:
    """`above` merged over `below`, key by key; each value keeps its own place."""
    entries = dict(below.entries)
    for key, entry in above.entries.items():
        old = entries.get(key)
        if old and isinstance(old.value, Mapping) and isinstance(entry.value, Mapping):
            entries[key] = Entry(old.place, overlay(old.value, entry.value))
        else:
            entries[key] = Entry(entry.place, entry.value, only_above=old is None)
    return Mapping(entries, below.place)


def _events(text: str) -> Iterator[Any]:
    loader = _Parser(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _read_document(reading: _Reading) -> Node | None:
    root: Node | None = None
    documents = 0
    for event in reading.events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _Unreadable(
                    Diagnostic(
                        "several-documents",
                        "the file holds more than one YAML document",
                        reading.place(event.start_mark),
                        "keep one document and remove the `---` line",
                    )
                )
        elif isinstance(event, yaml.NodeEvent):
            root = _read_node(reading, event, 0)
    return root


def _read_node(reading: _Reading, event: Any, depth: int) -> Node:
    place = reading.place(event.start_mark)
    reading.nodes += 1
    if depth > MAX_DEPTH:
        raise _too_deep(place)
    if reading.nodes > MAX_NODES:
        raise _Unreadable(
            Diagnostic(
                "too-many-values",
                f"the file holds more than {MAX_NODES:,} values, with those that aliases repeat",
                place,
                "shorten it",
            )
        )
    if isinstance(event, yaml.AliasEvent):
        return _resolve_alias(reading, event, place, depth)
    if event.tag is not None:
        hint = _LONG_FORMS.get(event.tag, "remove the tag")
        reading.problems.append(
            Diagnostic("tag", f"the tag {event.tag} has no meaning here", place, hint)
        )
    if event.anchor:
        reading.anchors[event.anchor] = None
    node: Node
    if isinstance(event, yaml.ScalarEvent):
        quoted = event.style not in (None, "")  # quoted or a block: text as it stands
        node = Scalar(event.value if quoted else read_scalar(event.value), place)
    elif isinstance(event, yaml.SequenceStartEvent):
        node = Sequence(tuple(_read_items(reading, depth)), place)
    else:
        node = Mapping(_read_entries(reading, depth), place)
    if event.anchor:
        reading.anchors[event.anchor] = node
    return node


def _too_deep(place: Place) -> _Unreadable:
    summary = f"the file nests deeper than {MAX_DEPTH} levels"
    return _Unreadable(Diagnostic("too-deep", summary, place, "flatten it"))


def _resolve_alias(reading: _Reading, event: Any, place: Place, depth: int) -> Node:
    node = reading.anchors.get(event.anchor)
    if node is None:
        known = event.anchor in reading.anchors
        summary = (
            f"the alias *{event.anchor} contains itself"
            if known
            else f"no anchor &{event.anchor} stands before this alias"
        )
        raise _Unreadable(Diagnostic("alias", summary, place, "write the value out"))
    count, height = _measure(node)
    reading.nodes += count
    # Aliases can build a depth that no bracket shows, and later stages recurse.
    if depth + height > MAX_DEPTH:
        raise _too_deep(place)
    return node


def _measure(node: Node) -> tuple[int, int]:
    """How many nodes there are from here on, and how many levels below this one."""
    inner: list[Node] = []
    if isinstance(node, Sequence):
        inner = list(node.items)
    elif isinstance(node, Mapping):
        inner = [entry.value for entry in node.entries.values()]
    measured = [_measure(item) for item in inner]
    return 1 + sum(m[0] for m in measured), max((1 + m[1] for m in measured), default=0)


def _read_items(reading: _Reading, depth: int) -> Iterator[Node]:
    for event in reading.events:
        if isinstance(event, yaml.SequenceEndEvent):
            return
        yield _read_node(reading, event, depth + 1)


def _read_entries(reading: _Reading, depth: int) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    merged: dict[str, Entry] = {}
    for event in reading.events:
        if isinstance(event, yaml.MappingEndEvent):
            break
        place = reading.place(event.start_mark)
        key = _read_key(reading, event, place, depth)
        value_event = next(reading.events)
        value = _read_node(reading, value_event, depth + 1)
        if key is None:
            if _is_merge(event) and isinstance(value, Mapping):
                merged |= value.entries  # has been told; what lacks it would be told too
            continue
        if key in entries:
            reading.problems.append(
                Diagnostic(
                    "duplicate-key",
                    f"the key '{key}' stands here a second time",
                    place,
                    f"remove one; the first is on line {entries[key].place.line}",
                )
            )
            continue
        entries[key] = Entry(place, value)
    return merged | entries


def _read_key(reading: _Reading, event: Any, place: Place, depth: int) -> str | None:
    if not isinstance(event, yaml.ScalarEvent):
        _read_node(reading, event, depth + 1)
        reading.problems.append(
            Diagnostic("bad-key", "a key must be plain text", place, "write the key as one word")
        )
        return None
    if _is_merge(event):
        reading.problems.append(
            Diagnostic(
                "merge-key",
                "merge keys (<<) are not part of YAML 1.2",
                place,
                "repeat the values, or put shared ones under `environments`",
            )
        )
        return None
    return str(event.value)


def _is_merge(event: Any) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and not event.style
