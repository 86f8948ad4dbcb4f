"""bundle_sources with an installer that needs no network."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from fairway.bundle import Artifact, Platform, Source, bundle_sources
from fairway.bundle.resolve import Finished
from fairway.errors import BundleFailed
from fairway.events import Event, Notice, StepFinished, StepStarted

PYTHON = Platform("python", "3.12", "arm64")
NODE = Platform("nodejs", "22", "arm64")


class Installer:
    """Stands for uv: puts given files into the target it is told, or fails with given words."""

    def __init__(self, files: dict[str, bytes] | None = None, errors: str = "") -> None:
        self.files = files or {}
        self.errors = errors
        self.calls: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], directory: Path) -> Finished:
        self.calls.append(list(arguments))
        if self.errors:
            return Finished(1, "", self.errors)
        target = Path(arguments[arguments.index("--target") + 1])
        for name, content in self.files.items():
            write(target / name, content)
        return Finished(0, "", "")


def write(path: Path, content: bytes | str = b"x = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def age(folder: Path) -> None:
    """Make files look as if they had been changed long before they are bundled."""
    for path in folder.rglob("*"):
        os.utime(path, ns=(10**18, 10**18), follow_symlinks=False)


def bundle(
    source: Path, cache: Path, run: Installer | None = None, platform: Platform = PYTHON
) -> Artifact:
    return bundle_sources([Source("api", source, platform)], cache, run=run or Installer())[0]


def names(artifact: Artifact) -> list[str]:
    with zipfile.ZipFile(artifact.path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write(tmp_path / "src" / "handler.py", "def handler(event, context): return 'ok'\n")
    write(tmp_path / "src" / "lib" / "b.py")
    write(tmp_path / "src" / "lib" / "a.py", "a = 1\n")
    return tmp_path / "src"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_archive_holds_the_files_sorted_stored_and_undated(source: Path, cache: Path) -> None:
    (source / "lib" / "b.py").chmod(0o700)
    artifact = bundle(source, cache)
    with zipfile.ZipFile(artifact.path) as archive:
        infos = archive.infolist()
        assert [info.filename for info in infos] == ["handler.py", "lib/a.py", "lib/b.py"]
        assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
        assert [oct(info.external_attr >> 16) for info in infos] == [
            "0o100644",
            "0o100644",
            "0o100755",
        ]
        assert archive.read("lib/a.py") == b"a = 1\n"
    assert artifact.size == artifact.path.stat().st_size
    assert artifact.key == f"artifacts/{artifact.digest}.zip"


def test_bytes_are_pinned(tmp_path: Path, cache: Path) -> None:
    write(tmp_path / "s" / "é.py", "x = 'é'\n")
    artifact = bundle(tmp_path / "s", cache)
    assert hashlib.sha256(artifact.path.read_bytes()).hexdigest() == PINNED_BYTES
    assert artifact.digest == PINNED_DIGEST


def test_same_contents_elsewhere_are_the_same_bytes(source: Path, tmp_path: Path) -> None:
    first = bundle(source, tmp_path / "one")
    copy = tmp_path / "elsewhere" / "deep"
    for path in sorted(source.rglob("*"), reverse=True):
        if path.is_file():
            write(copy / path.relative_to(source), path.read_bytes()).chmod(0o664)
    age(copy)
    second = bundle(copy, tmp_path / "two")
    assert second.digest == first.digest
    assert second.path.read_bytes() == first.path.read_bytes()


@pytest.mark.parametrize("change", ["content", "name", "mode", "new", "gone"])
def test_every_change_changes_the_digest(source: Path, cache: Path, change: str) -> None:
    before = bundle(source, cache)
    file = source / "lib" / "a.py"
    if change == "content":
        file.write_text("a = 2\n")  # same size, and perhaps within one tick of the clock
    elif change == "name":
        file.rename(source / "lib" / "c.py")
    elif change == "mode":
        file.chmod(0o755)
    elif change == "new":
        write(source / "new.py")
    else:
        file.unlink()
    after = bundle(source, cache)
    assert after.digest != before.digest
    assert names(after) == sorted(
        path.relative_to(source).as_posix() for path in source.rglob("*.py")
    )


def test_unchanged_archive_is_not_written_again(source: Path, cache: Path) -> None:
    first = bundle(source, cache)
    inode = first.path.stat().st_ino
    assert bundle(source, cache) == first
    age(source)
    assert bundle(source, cache) == first
    assert first.path.stat().st_ino == inode


def test_truncated_archive_is_written_again(source: Path, cache: Path) -> None:
    first = bundle(source, cache)
    whole = first.path.read_bytes()
    first.path.write_bytes(whole[:-5])
    assert bundle(source, cache).path.read_bytes() == whole


@pytest.mark.parametrize("folder", ["sources", "layers"])
def test_damaged_records_are_made_anew(source: Path, cache: Path, folder: str) -> None:
    write(source / "requirements.txt", "idna\n")
    first = bundle(source, cache, Installer({"idna.py": b""}))
    for path in (cache / folder).iterdir():
        path.write_bytes(b'{"format": ')
    first.path.unlink()
    again = bundle(source, cache, Installer({"idna.py": b""}))
    assert again == first
    assert names(again) == ["handler.py", "idna.py", "lib/a.py", "lib/b.py", "requirements.txt"]


def test_what_is_not_code_stays_out(source: Path, cache: Path) -> None:
    for name in (
        ".git/config",
        "lib/__pycache__/a.pyc",
        ".venv/x",
        "venv/x",
        "node_modules/m/i.js",
        ".fairway/state",
        "notes.md",
        "lib/keep.md",
    ):
        write(source / name)
    write(source / ".fairwayignore", "# notes\n*.md\n!keep.md\n")
    assert names(bundle(source, cache)) == ["handler.py", "lib/a.py", "lib/b.py", "lib/keep.md"]


def test_cache_inside_the_source_stays_out(source: Path) -> None:
    first = bundle(source, source / "build")
    assert bundle(source, source / "build") == first
    assert names(first) == ["handler.py", "lib/a.py", "lib/b.py"]


def test_links_inside_are_followed(source: Path, cache: Path) -> None:
    (source / "same.py").symlink_to("lib/a.py")
    (source / "also").symlink_to("lib")
    artifact = bundle(source, cache)
    assert names(artifact) == [
        "also/a.py",
        "also/b.py",
        "handler.py",
        "lib/a.py",
        "lib/b.py",
        "same.py",
    ]


def expect_failure(source: Path, cache: Path, run: Installer | None = None) -> BundleFailed:
    with pytest.raises(BundleFailed) as caught:
        bundle(source, cache, run)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("../secret.txt", "leads outside its source"),
        ("/etc", "leads outside its source"),
        ("nowhere", "which does not exist"),
        (".", "a directory it is in"),
    ],
)
def test_bad_links_are_refused(source: Path, cache: Path, target: str, words: str) -> None:
    write(source.parent / "secret.txt")
    (source / "link").symlink_to(target)
    error = expect_failure(source, cache)
    assert words in error.summary
    assert str(source / "link") in error.summary


def test_missing_empty_and_wrong_sources(source: Path, cache: Path, tmp_path: Path) -> None:
    assert "does not exist" in expect_failure(tmp_path / "gone", cache).summary
    assert "not a directory" in expect_failure(source / "handler.py", cache).summary
    (tmp_path / "empty").mkdir()
    assert "no files" in expect_failure(tmp_path / "empty", cache).summary


def test_pipe_and_bad_name_are_refused(source: Path, cache: Path) -> None:
    os.mkfifo(source / "pipe")
    assert "neither a file nor a directory" in expect_failure(source, cache).summary
    (source / "pipe").unlink()
    Path(os.fsdecode(os.fsencode(source) + b"/caf\xe9.py")).touch()
    assert "not UTF-8" in expect_failure(source, cache).summary


def test_too_large_is_refused_before_it_is_read(source: Path, cache: Path) -> None:
    with (source / "model.bin").open("wb") as file:
        file.truncate(300_000_000)
    error = expect_failure(source, cache)
    assert "262.1 MB" in error.summary
    assert f"{source}/model.bin (300.0 MB)" in (error.hint or "")


def test_all_failures_are_reported(source: Path, cache: Path, tmp_path: Path) -> None:
    both = [Source(name, tmp_path / name, PYTHON) for name in ("one", "two")]
    with pytest.raises(BundleFailed) as caught:
        bundle_sources([*both, Source("api", source, PYTHON)], cache)
    assert "2 sources" in caught.value.summary
    assert str(tmp_path / "two") in (caught.value.detail or "")


def test_packages_are_installed_once_and_spliced(source: Path, cache: Path) -> None:
    write(source / "requirements.txt", "idna==3.10  # names\n")
    run = Installer({"idna/__init__.py": b"i", "z/__init__.py": b"", ".lock": b""})
    events: list[Event] = []
    sources = [Source("api", source, PYTHON), Source("worker", source, PYTHON)]
    ticks = iter([10.0, 12.5])
    first, second = bundle_sources(
        sources, cache, events.append, run=run, read_clock=lambda: next(ticks)
    )
    assert first.path == second.path
    assert (first.name, second.name) == ("api", "worker")
    assert "idna/__init__.py" in names(first)
    assert ".lock" not in names(first)
    step = f"installing {source}/requirements.txt for python3.12 on arm64"
    assert events == [StepStarted(step), StepFinished(step, 2.5)]
    assert len(run.calls) == 1
    arguments = run.calls[0]
    assert arguments[arguments.index("--python-platform") + 1] == "aarch64-manylinux_2_28"
    assert arguments[arguments.index("--python-version") + 1] == "3.12"

    write(source / "handler.py", "edited = 1\n")
    write(source / "requirements.txt", "\n# only a comment changed\nidna==3.10\n")
    edited = bundle(source, cache, run)
    assert edited.digest != first.digest
    assert names(edited) == names(first)
    assert len(run.calls) == 1

    bundle(source, cache, run, Platform("python", "3.11", "x86_64"))
    assert len(run.calls) == 2
    assert "x86_64-manylinux_2_17" in run.calls[1]


def test_what_the_installer_says_of_this_machine_is_dropped(source: Path, cache: Path) -> None:
    write(source / "requirements.txt", "idna\n")
    record = "z.py,sha256=1,1\nbin/idna,sha256=2,3\nidna-3.dist-info/INSTALLER,,\na.py,,\n"
    run = Installer(
        {
            "idna-3.dist-info/RECORD": record.encode(),
            "idna-3.dist-info/INSTALLER": b"uv",
            "idna-3.dist-info/direct_url.json": b"{}",
            "idna-3.dist-info/REQUESTED": b"",
            "bin/idna": b"#!/home/me/bin/python\n",
            "bin/tool": b"\x7fELF",
            "a.py": b"",
            "z.py": b"",
            "__pycache__/a.pyc": b"",
        }
    )
    artifact = bundle(source, cache, run)
    assert {"bin/tool", "a.py", "z.py", "idna-3.dist-info/RECORD"} < set(names(artifact))
    assert not {"bin/idna", "idna-3.dist-info/INSTALLER", "__pycache__/a.pyc"} & set(
        names(artifact)
    )
    with zipfile.ZipFile(artifact.path) as archive:
        assert archive.read("idna-3.dist-info/RECORD") == b"a.py,,\nz.py,sha256=1,1\n"


def test_own_file_wins_over_a_package(source: Path, cache: Path) -> None:
    write(source / "requirements.txt", "idna\n")
    events: list[Event] = []
    artifact = bundle_sources(
        [Source("api", source, PYTHON)],
        cache,
        events.append,
        run=Installer({"lib/a.py": b"theirs"}),
    )[0]
    with zipfile.ZipFile(artifact.path) as archive:
        assert archive.read("lib/a.py") == b"a = 1\n"
    assert Notice(f"{source} replaces files of its packages: lib/a.py") in events


@pytest.mark.parametrize("package", ["handler.py/__init__.py", "lib"])
def test_file_and_directory_of_one_name_are_refused(
    source: Path, cache: Path, package: str
) -> None:
    write(source / "requirements.txt", "idna\n")
    assert (
        "the name of an installed"
        in expect_failure(source, cache, Installer({package: b""})).summary
    )


def test_large_sdk_is_kept_and_mentioned(source: Path, cache: Path) -> None:
    write(source / "requirements.txt", "boto3\n")
    events: list[Event] = []
    run = Installer({"botocore/data.json": bytes(11_000_000)})
    artifact = bundle_sources([Source("api", source, PYTHON)], cache, events.append, run=run)[0]
    assert "botocore/data.json" in names(artifact)
    assert [event for event in events if isinstance(event, Notice) and "11 MB" in event.text]


def test_failed_install_leaves_nothing(source: Path, cache: Path) -> None:
    write(source / "requirements.txt", "idna\n")
    expect_failure(source, cache, Installer(errors="error: broken"))
    assert not list((cache / "layers").iterdir())
    assert not list((cache / "archives").iterdir())
    assert not list((cache / "tmp").iterdir())


def test_unfinished_work_of_a_killed_run_is_removed(source: Path, cache: Path) -> None:
    write(cache / "tmp" / "half" / "x")
    write(cache / "tmp" / "half.zip")
    bundle(source, cache)
    assert not list((cache / "tmp").iterdir())


def test_two_at_once_wait_for_each_other(source: Path, cache: Path) -> None:
    write(source / "requirements.txt", "idna\n")
    entered, waiting = threading.Event(), threading.Event()
    slow = Installer({"idna.py": b""})

    def install(arguments: Sequence[str], directory: Path) -> Finished:
        entered.set()
        assert waiting.wait(20)
        return slow(arguments, directory)

    def notice(event: Event) -> None:
        if isinstance(event, Notice):
            waiting.set()

    wanted = [Source("api", source, PYTHON)]
    first: list[Artifact] = []
    thread = threading.Thread(
        target=lambda: first.extend(bundle_sources(wanted, cache, run=install))
    )
    thread.start()
    assert entered.wait(20)
    second = bundle_sources(wanted, cache, notice, run=Installer(errors="must not be asked"))
    thread.join(20)
    assert first == list(second)


def test_unwritable_cache_is_explained(source: Path, tmp_path: Path) -> None:
    write(tmp_path / "file")
    assert "cannot be written" in expect_failure(source, tmp_path / "file" / "cache").summary


def test_node_modules_are_kept_and_missed(source: Path, cache: Path) -> None:
    write(source / "package.json", json.dumps({"dependencies": {"ms": "2"}}))
    with pytest.raises(BundleFailed) as caught:
        bundle(source, cache, platform=NODE)
    assert "npm ci --omit=dev" in (caught.value.hint or "")
    write(source / "node_modules" / "ms" / "index.js")
    assert "node_modules/ms/index.js" in names(bundle(source, cache, platform=NODE))
    write(source / "package.json", "{")
    assert bundle(source, cache, platform=NODE).size


PINNED_BYTES = "6795c83f2549c800195db0295de3aaab3d8c274970a25ac50e27f55c219f19d9"
PINNED_DIGEST = "d9c04bab98766640c4cf397fa3bd33b3c27607c85901d732eca5ac27a6522997"
