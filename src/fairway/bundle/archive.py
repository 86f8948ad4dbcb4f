"""The zip file itself: members stored, sorted, with fixed times and normal modes.

Written here and not with `zipfile` because its bytes must not depend on the
Python that writes them, and because members whose checksums are already known
are spliced in without being read again (docs/decisions/0003-archives.md). The
layout is that of PKWARE's "APPNOTE.TXT", sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from fairway.bundle.scan import explain_read_error
from fairway.errors import BundleFailed

MAX_MEMBERS = 65_534  # above it a zip file needs the ZIP64 extension
CHUNK = 1 << 20
FIRST_OF_1980 = 0x0021  # the earliest date that the format can hold, at 00:00:00
UTF8_NAMES = 0x0800
MADE_BY_UNIX = (3 << 8) | 20
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: everything about it but its bytes. sha256: hex, of the bytes."""

    name: str
    executable: bool
    size: int
    crc: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Part:
    """A member and how to write its local header and bytes."""

    member: Member
    write: Callable[[BinaryIO], None]


def digest_members(members: Iterable[Member]) -> str:
    """Hash what an archive contains (names, modes, bytes), sha256 in hex; order matters not."""
    total = hashlib.sha256()
    for member in sorted(members, key=lambda member: member.name):
        name = member.name.encode("utf-8")
        mode = "755" if member.executable else "644"
        total.update(f"{mode} {member.sha256} {len(name)} ".encode() + name + b"\n")
    return total.hexdigest()


def measure_archive(members: Iterable[Member]) -> int:
    """Tell how many bytes the archive of these members has."""
    return _END.size + sum(
        _LOCAL.size + _CENTRAL.size + 2 * len(member.name.encode("utf-8")) + member.size
        for member in members
    )


def measure_local(member: Member) -> int:
    """Tell how many bytes a member's local header and content have."""
    return _LOCAL.size + len(member.name.encode("utf-8")) + member.size


def write_archive(out: BinaryIO, parts: Sequence[Part]) -> None:
    """Write the parts, which must be sorted by name, and the directory after them."""
    directory = bytearray()
    offset = 0
    for part in parts:
        directory += _central_header(part.member, offset)
        offset += measure_local(part.member)
        part.write(out)
    out.write(directory)
    count = len(parts)
    out.write(_END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), offset, 0))


def write_local(out: BinaryIO, member: Member, chunks: Iterable[bytes]) -> None:
    """Write one member's local header and bytes.

    Raises BundleFailed when the bytes are no longer those that were measured.
    """
    name = member.name.encode("utf-8")
    out.write(
        _LOCAL.pack(
            b"PK\x03\x04",
            20,
            UTF8_NAMES,
            0,
            0,
            FIRST_OF_1980,
            member.crc,
            member.size,
            member.size,
            len(name),
            0,
        )
    )
    out.write(name)
    crc = 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
        out.write(chunk)
    if crc != member.crc:
        raise BundleFailed(
            f"{member.name} changed while it was being archived", hint="run the command again"
        )


def _central_header(member: Member, offset: int) -> bytes:
    name = member.name.encode("utf-8")
    mode = 0o100755 if member.executable else 0o100644
    return (
        _CENTRAL.pack(
            b"PK\x01\x02",
            MADE_BY_UNIX,
            20,
            UTF8_NAMES,
            0,
            0,
            FIRST_OF_1980,
            member.crc,
            member.size,
            member.size,
            len(name),
            0,
            0,
            0,
            0,
            mode << 16,
            offset,
        )
        + name
    )


def read_chunks(path: str) -> Iterable[bytes]:
    """Read a file piece by piece. Raises BundleFailed naming it."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - strings: the hot loop
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise explain_read_error(path, error) from error


def measure_member(name: str, executable: bool, chunks: Iterable[bytes]) -> Member:
    """Compute size and checksums of a member from its bytes."""
    sha256 = hashlib.sha256()
    crc = size = 0
    for chunk in chunks:
        sha256.update(chunk)
        crc = zlib.crc32(chunk, crc)
        size += len(chunk)
    return Member(name, executable, size, crc, sha256.hexdigest())
