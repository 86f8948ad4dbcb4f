"""Installing what a source asks for, with uv, for the machine it will run on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairway.bundle.artifact import Platform
from fairway.bundle.requirements import Line, Requirements, check_line
from fairway.errors import BundleFailed

MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
ON_AMAZON_LINUX_2 = frozenset({"3.8", "3.9", "3.10", "3.11"})


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended. output and errors: decoded text."""

    code: int
    output: str
    errors: str


RunUv = Callable[[Sequence[str], Path], Finished]
"""Run uv with these arguments in this directory, to its end."""


def run_uv(arguments: Sequence[str], directory: Path) -> Finished:
    """Run the uv that is installed with Fairway. Raises BundleFailed when it is not there.

    uv reads its own configuration (indexes, credentials, certificates) from the
    user's files and environment, as it does when the user runs it.
    """
    import subprocess

    from uv import find_uv_bin

    try:
        binary = find_uv_bin()
        done = subprocess.run(
            [binary, *arguments],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise BundleFailed(
            f"uv, which installs Python packages, cannot be run: {error}",
            hint="install it beside Fairway: pip install uv",
        ) from error
    return Finished(done.returncode, done.stdout, done.stderr)


def name_wheel_platform(platform: Platform) -> str:
    """Name the platform that wheels must support, as uv spells it.

    "Lambda runtimes", column "Operating system": up to python3.11 they run on
    Amazon Linux 2 (glibc 2.26: wheels up to manylinux_2_17 and older, the
    nearest that uv knows), from python3.12 on Amazon Linux 2023 (glibc 2.34;
    manylinux_2_28 is what nearly every project publishes for).
    """
    glibc = "2_17" if platform.version in ON_AMAZON_LINUX_2 else "2_28"
    return f"{MACHINES[platform.architecture]}-manylinux_{glibc}"


def install_requirements(
    requirements: Requirements, platform: Platform, target: Path, run: RunUv
) -> None:
    """Install everything that is asked for into the directory `target`.

    Raises BundleFailed with the one real reason when that is impossible.
    """
    directory = requirements.file.parent.absolute()
    wanted = requirements.file.absolute()
    if requirements.kind == "lock":
        wanted = target.with_suffix(".txt")
        wanted.write_text(_export_lock(requirements, directory, run), "utf-8")
    arguments = [
        *("pip", "install", "--no-progress", "--color", "never"),
        *("--python", sys.executable, "--python-version", platform.version),
        *("--python-platform", name_wheel_platform(platform)),
        *("--only-binary", ":all:", "--target", str(target.absolute())),
        *(["--no-deps"] if requirements.kind == "lock" else []),
        *("--requirements", str(wanted)),
    ]
    done = run(arguments, directory)
    if done.code != 0:
        from fairway.bundle.explain import explain_failure

        raise explain_failure(done.errors, requirements, platform)


def _export_lock(requirements: Requirements, directory: Path, run: RunUv) -> str:
    arguments = [
        *("export", "--frozen", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate"),
        *("--format", "requirements-txt", "--color", "never", "--python", sys.executable),
    ]
    done = run(arguments, directory)
    if done.code != 0:
        raise BundleFailed(
            f"{requirements.file} cannot be read by uv",
            hint="run uv lock, with the uv that Fairway uses or a newer one",
            detail=done.errors.strip(),
        )
    for text in done.output.splitlines():
        if text[:1].strip():
            check_line(
                Line(text.rstrip(" \\"), requirements.file, _find_locked(requirements, text))
            )
    return done.output


def _find_locked(requirements: Requirements, text: str) -> int:
    """Find the line of the lock file that speaks of a local project; 1 when none does."""
    path = text.removeprefix("-e").strip().split(" ")[0].removeprefix("./")
    rows = requirements.file.read_text("utf-8").splitlines()
    return next((n for n, row in enumerate(rows, 1) if f'"{path}"' in row), 1)
