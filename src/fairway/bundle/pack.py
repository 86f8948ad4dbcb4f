"""One archive from the files of a source and the packages it asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fairway.bundle.archive import (
    MAX_MEMBERS,
    Member,
    Part,
    digest_members,
    measure_archive,
    measure_local,
    read_chunks,
    write_archive,
    write_local,
)
from fairway.bundle.artifact import Source
from fairway.bundle.layers import Layer
from fairway.bundle.records import (
    Record,
    identify_source,
    list_stats,
    read_members,
    read_record,
    write_record,
)
from fairway.bundle.requirements import Requirements
from fairway.bundle.scan import Entry
from fairway.bundle.store import Store, mark_used
from fairway.errors import BundleFailed
from fairway.events import Notice, Report

MAX_UNZIPPED = 250 * 1024 * 1024
"""Bytes: "Lambda quotas", deployment package (.zip file archive) size, unzipped."""


@dataclass(frozen=True, slots=True)
class Job:
    """One archive to make; several sources may share it."""

    source: Source
    entries: tuple[Entry, ...]
    requirements: Requirements | None
    layer_key: str | None


@dataclass(frozen=True, slots=True)
class Packed:
    """An archive that is there. size: bytes of the zip file."""

    digest: str
    path: Path
    size: int


def find_packed(store: Store, job: Job) -> Packed | None:
    """Find the archive of a job of which nothing has changed since it was last packed."""
    path = store.record(identify_source(job.source))
    before = read_record(path)
    if before is None or not before.is_current(job.entries, job.layer_key):
        return None
    return _find_archive(store, before.digest, before.size)


def pack_job(store: Store, job: Job, layer: Layer | None, report: Report) -> Packed:
    """Write the archive of a job, unless there is one of the same contents."""
    check_size(job, layer)
    path = store.record(identify_source(job.source))
    members = read_members(job.entries, read_record(path))
    packages = _leave_out_shadowed(job, members, layer, report)
    everything = [*members, *(member for member, _ in packages)]
    digest, size = digest_members(everything), measure_archive(everything)
    packed = _find_archive(store, digest, size)
    if packed is None:
        packed = Packed(digest, store.archive(digest), size)
        with _open_layer(layer) as data:
            parts = [
                *(_part_of_file(e, m) for e, m in zip(job.entries, members, strict=True)),
                *(_part_of_layer(data, member, offset) for member, offset in packages),
            ]
            parts.sort(key=lambda part: part.member.name)
            store.write(packed.path, lambda out: write_archive(out, parts))
    files = {e.name: (list_stats(e), m) for e, m in zip(job.entries, members, strict=True)}
    write_record(store, path, Record(job.layer_key, digest, size, files))
    return packed


def check_size(job: Job, layer: Layer | None) -> None:
    """Refuse what Lambda would refuse, naming what takes the room."""
    sizes: Counter[str] = Counter()
    for entry in job.entries:
        sizes[entry.path] += entry.size
    members = layer.members if layer else ()
    for member in members:
        sizes[f"package {member.name.split('/')[0]}"] += member.size
    total = sizes.total()
    if total > MAX_UNZIPPED:
        largest = ", ".join(f"{name} ({size / 1e6:.1f} MB)" for name, size in sizes.most_common(3))
        raise BundleFailed(
            f"{job.source.path} has {total / 1e6:.1f} MB to archive; Lambda takes "
            f"{MAX_UNZIPPED / 1e6:.1f} MB unzipped",
            hint=f"leave out or make smaller the largest: {largest}",
        )
    count = len(job.entries) + len(members)
    if count > MAX_MEMBERS:
        raise BundleFailed(
            f"{job.source.path} has {count} files to archive, more than {MAX_MEMBERS}",
            hint="leave out what is not needed at run time with a .fairwayignore file",
        )


def _find_archive(store: Store, digest: str, size: int) -> Packed | None:
    path = store.archive(digest)
    if not path.is_file() or path.stat().st_size != size:
        return None
    mark_used(path)
    return Packed(digest, path, size)


def _leave_out_shadowed(
    job: Job, members: Sequence[Member], layer: Layer | None, report: Report
) -> list[tuple[Member, int]]:
    """List the packages' files and where they are in the layer; the source's own files win."""
    own = {member.name for member in members}
    shadowed, packages, offset = [], [], 0
    for member in layer.members if layer else ():
        if member.name in own:
            shadowed.append(member.name)
        else:
            packages.append((member, offset))
        offset += measure_local(member)
    _check_clashes(job, own, packages)
    if shadowed:
        names = ", ".join(shadowed[:3]) + (", ..." if len(shadowed) > 3 else "")
        report(Notice(f"{job.source.path} replaces files of its packages: {names}"))
    return packages


def _check_clashes(job: Job, own: set[str], packages: Sequence[tuple[Member, int]]) -> None:
    """Refuse a file of the source where a package has a directory, or the other way round."""
    folders = {name.rsplit("/", 1)[0] for name in own if "/" in name}
    for folder in tuple(folders):
        parts = folder.split("/")
        folders.update("/".join(parts[:n]) for n in range(1, len(parts)))
    for member, _ in packages:
        parts = member.name.split("/")
        above = {"/".join(parts[:n]) for n in range(1, len(parts))} & own
        if above or member.name in folders:
            clash = above.pop() if above else member.name
            raise BundleFailed(
                f"{job.source.path / clash} has the name of an installed package's {member.name}",
                hint="rename it",
            )


@contextmanager
def _open_layer(layer: Layer | None) -> Iterator[memoryview]:
    if layer is None or not layer.members:
        yield memoryview(b"")
        return
    import mmap

    with (
        layer.data.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        yield view


def _part_of_file(entry: Entry, member: Member) -> Part:
    return Part(member, lambda out: write_local(out, member, read_chunks(entry.path)))


def _part_of_layer(data: memoryview, member: Member, offset: int) -> Part:
    def write(out: BinaryIO) -> None:
        with data[offset : offset + measure_local(member)] as ready:
            out.write(ready)

    return Part(member, write)
