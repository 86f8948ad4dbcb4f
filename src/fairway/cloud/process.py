"""The local cloud's process: `python -m fairway.cloud.process --directory DIR --region REGION`.

A light supervisor forks the cloud itself (`serving.py`), and imports nothing that
only the cloud needs: what it holds stays in memory twice. Only one runs per directory: a lock
file, held open by both, says so whatever becomes of pid files.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import time
from pathlib import Path

from fairway.cloud.control.settings import load_settings
from fairway.cloud.info import CloudInfo, read_start, remove_info, write_info
from fairway.cloud.supervisor import TAKEN, UNABLE, Supervisor


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="fairway.cloud.process")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--ready-fd", type=int, help="a byte is written here when ready")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run until told to stop; returns the exit code."""
    asked = parse_arguments(arguments)
    directory = asked.directory.resolve()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = lock_directory(directory)
        if lock is None:
            sys.stderr.write("another cloud is running on this directory\n")
            return TAKEN
        settings = load_settings(directory, asked.region)
    except OSError as error:
        sys.stderr.write(f"{error.filename} cannot be written: {error.strerror}\n")
        return UNABLE
    token = os.urandom(8).hex()
    supervisor_pid = os.getpid()
    started = read_start(supervisor_pid) or ""

    def publish(endpoint: str) -> None:
        from importlib.metadata import version  # in the child: the supervisor has no use for it

        write_info(
            CloudInfo(
                directory=str(directory),
                endpoint=endpoint,
                region=settings.region,
                account=settings.account,
                access_key=settings.access_key,
                secret_key=settings.secret_key,
                pid=supervisor_pid,
                started=started,
                started_at=time.time(),
                version=version("fairway"),
                token=token,
            )
        )
        if not _tell_ready(asked.ready_fd) and is_first:
            # Whoever started it was interrupted meanwhile and will not stop it.
            os.kill(supervisor_pid, signal.SIGTERM)

    if asked.ready_fd is not None:  # or whatever the cloud starts would keep it open
        os.set_inheritable(asked.ready_fd, False)
    is_first = True

    def child(restarts: int) -> int:
        nonlocal is_first
        is_first = restarts == 0
        from fairway.cloud.serving import serve_cloud

        return serve_cloud(settings, publish, _say, supervisor_pid, restarts)

    try:
        return Supervisor(child, _say).run()
    finally:
        remove_info(directory)
        os.close(lock)


def lock_directory(directory: Path) -> int | None:
    """Take the directory for this process tree; None when another has it."""
    descriptor = os.open(directory / "cloud.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _tell_ready(descriptor: int | None) -> bool:
    """Write the byte that says ready; False when nobody waits for it, or no longer."""
    if descriptor is None:
        return True
    try:
        os.write(descriptor, b"R")
        os.close(descriptor)
    except OSError:
        return False
    return True


def _say(text: str) -> None:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S")
    sys.stderr.write(f"{stamp} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
