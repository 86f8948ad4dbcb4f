"""Function archives stay in their folder."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from fairway.cloud.control import archives
from fairway.cloud.control.archives import UnsafeArchive, sweep_archives, unpack_archive


def make_zip(files: dict[str, bytes], mode: int = 0o644, kind: int = stat.S_IFREG) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (kind | mode) << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def test_unpacks_once_per_digest(tmp_path: Path) -> None:
    archive = make_zip({"a/b.py": b"x = 1"})
    folder = unpack_archive(archive, tmp_path)
    assert (folder / "a" / "b.py").read_bytes() == b"x = 1"
    (folder / "mark").touch()
    assert unpack_archive(archive, tmp_path) == folder
    assert (folder / "mark").exists()
    assert unpack_archive(make_zip({"a/b.py": b"x = 2"}), tmp_path) != folder


def test_keeps_the_executable_bit(tmp_path: Path) -> None:
    folder = unpack_archive(make_zip({"run": b"#!"}, mode=0o755), tmp_path)
    assert (folder / "run").stat().st_mode & 0o111


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..\\x"])
def test_paths_outside_are_refused(tmp_path: Path, name: str) -> None:
    store = tmp_path / "store"
    with pytest.raises(UnsafeArchive, match="outside"):
        unpack_archive(make_zip({name: b"x"}), store)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
    assert list(store.iterdir()) == []


def test_links_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsafeArchive, match="symbolic link"):
        unpack_archive(make_zip({"l": b"/etc/passwd"}, kind=stat.S_IFLNK), tmp_path)


@pytest.mark.parametrize("archive", [b"", b"junk", make_zip({"a": b"x" * 99})[:-30]])
def test_damaged_archives_are_refused(tmp_path: Path, archive: bytes) -> None:
    with pytest.raises(UnsafeArchive):
        unpack_archive(archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    piece = b"\0" * (archives.UNZIPPED_LIMIT // 4 + 1)
    archive = make_zip({str(i): piece for i in range(4)})
    with pytest.raises(UnsafeArchive, match="Unzipped size"):
        unpack_archive(archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sweep_removes_what_nobody_uses(tmp_path: Path) -> None:
    kept = unpack_archive(make_zip({"a": b"1"}), tmp_path)
    unpack_archive(make_zip({"a": b"2"}), tmp_path)
    sweep_archives(tmp_path, {kept})
    assert list(tmp_path.iterdir()) == [kept]
