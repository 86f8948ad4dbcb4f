"""Installed packages, kept as ready zip members that an edit of code splices in unread.

A layer depends on what is asked for and on the platform, never on the source
that asks: sources that ask for the same share it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import BinaryIO

from fairway.bundle.archive import Member, measure_local, measure_member, read_chunks, write_local
from fairway.bundle.artifact import Platform
from fairway.bundle.requirements import Requirements
from fairway.bundle.resolve import RunUv, install_requirements, name_wheel_platform
from fairway.bundle.store import Store, mark_used
from fairway.events import Notice, Report

LAYER_FORMAT = 1
# Written by the installer about this machine and this run; no package reads them at run time.
DROPPED_METADATA = frozenset({"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"})
IN_EVERY_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath")
WORTH_A_NOTICE = 10_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Layer:
    """Packages as zip members: `data` holds their local headers and bytes one after another."""

    key: str
    data: Path
    members: tuple[Member, ...]


def name_layer(requirements: Requirements, platform: Platform) -> str:
    """Name the layer that holds what is asked for on a platform (sha256, hex)."""
    identity = [
        LAYER_FORMAT,
        requirements.kind,
        requirements.fingerprint,
        platform.version,
        name_wheel_platform(platform),
    ]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


def load_layer(store: Store, key: str) -> Layer | None:
    """Load a layer that was built before; None when it is not there or not whole."""
    index = store.layer(key)
    data = index.with_suffix(".data")
    try:
        members = tuple(Member(*fields) for fields in json.loads(index.read_bytes()))
        whole = data.stat().st_size == sum(map(measure_local, members))
    except (OSError, ValueError, TypeError):
        return None
    if not whole:
        return None
    mark_used(index, data)
    return Layer(key, data, members)


def build_layer(
    store: Store, key: str, requirements: Requirements, platform: Platform, run: RunUv
) -> Layer:
    """Install what is asked for and keep it. Raises BundleFailed when that is impossible."""
    index = store.layer(key)
    data = index.with_suffix(".data")
    with store.scratch() as scratch:
        target = scratch / "packages"
        target.mkdir()
        install_requirements(requirements, platform, target, run)
        contents = list(read_packages(target))
        members = tuple(
            measure_member(name, executable, _chunks(content))
            for name, executable, content in contents
        )

        def fill(out: BinaryIO) -> None:
            for member, (_, _, content) in zip(members, contents, strict=True):
                write_local(out, member, _chunks(content))

        store.write(data, fill)
    text = json.dumps([astuple(member) for member in members]).encode()
    store.write(index, lambda out: out.write(text))
    return Layer(key, data, members)


def suggest_leaving_out(layer: Layer, requirements: Requirements, report: Report) -> None:
    """Tell the user about packages that every Python runtime of Lambda brings itself.

    "Building Lambda functions with Python", "Runtime-included SDK versions":
    they are kept, because only an own copy has a version that does not change.
    """
    size = sum(m.size for m in layer.members if m.name.split("/")[0] in IN_EVERY_RUNTIME)
    if size > WORTH_A_NOTICE:
        report(
            Notice(
                f"boto3 and what it needs take {size / 1e6:.0f} MB of the archive that "
                f"{requirements.file} asks for; Lambda's runtime has its own copy, so leave it "
                "out if you do not need this version"
            )
        )


def read_packages(target: Path) -> Iterator[tuple[str, bool, Path | bytes]]:
    """Yield (name, executable, content) of every installed file that is not of this machine."""
    found = dict(sorted(_walk(target)))
    for name, path in found.items():
        parts = name.split("/")
        if parts[-1] == "RECORD" and parts[0].endswith(".dist-info") and len(parts) == 2:
            yield name, False, normalise_record(path.read_text("utf-8"), found)
        else:
            yield name, bool(path.stat().st_mode & 0o100), path


def normalise_record(text: str, kept: Iterable[str]) -> bytes:
    """Sort a package's list of files and drop from it what is not in the archive.

    The columns are those of "Recording installed projects", The RECORD file.
    """
    import csv

    names = set(kept)
    rows = sorted(row for row in csv.reader(io.StringIO(text)) if row and row[0] in names)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode("utf-8")


def _walk(target: Path) -> Iterator[tuple[str, Path]]:
    for directory, folders, files in os.walk(target):
        folders[:] = [folder for folder in folders if folder != "__pycache__"]
        for file in files:
            path = Path(directory) / file
            name = path.relative_to(target).as_posix()
            if not _is_of_this_machine(name, path):
                yield name, path


def _is_of_this_machine(name: str, path: Path) -> bool:
    parts = name.split("/")
    if parts[0].endswith(".dist-info") and parts[-1] in DROPPED_METADATA and len(parts) == 2:
        return True
    if parts[0] == "bin" and len(parts) == 2:
        # Entry points begin with the path of the interpreter that installed them.
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    return name == ".lock" or name.endswith(".pyc")


def _chunks(content: Path | bytes) -> Iterable[bytes]:
    return (content,) if isinstance(content, bytes) else read_chunks(str(content))
